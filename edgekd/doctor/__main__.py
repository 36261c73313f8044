"""Run on a board: ``python -m edgekd.doctor --json``. Needs Python alone; says what it could not measure, and why."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys

from edgekd.doctor.diagnose import SECONDS, diagnose


def main() -> None:
    """Print the diagnosis of this machine as JSON."""
    parser = argparse.ArgumentParser(prog="python -m edgekd.doctor", description=main.__doc__)
    parser.add_argument("--json", action="store_true", help="the only format; 'edgekd devices doctor' writes tables")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of measuring; 0: none (default: %(default)g)")
    arguments = parser.parse_args()
    found = diagnose(seconds=arguments.seconds, say=lambda line: print(line, file=sys.stderr, flush=True))  # noqa: T201
    sys.stdout.write(json.dumps(dataclasses.asdict(found), allow_nan=False) + "\n")


if __name__ == "__main__":
    main()
