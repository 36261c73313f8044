"""How often does the gate say what? Runs ``edgekd gate`` many times on the same two bundles.

    python benchmarks/gate_ab.py BASELINE CANDIDATE --data FILE --runs 20

With two equal bundles every run should pass; with a candidate from ``slow_bundle.py`` none should.
Options after ``--`` go to the gate as they are, for example ``-- --fail-if "p50>5%" --max-seconds 120``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections import Counter

MEANING = {0: "pass", 1: "fail", 2: "usage error", 3: "cannot tell"}


def main() -> None:
    """Run the gate and print one line a run and the counts."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("baseline")
    parser.add_argument("candidate")
    parser.add_argument("--data", required=True)
    parser.add_argument("--runs", type=int, default=20)
    own, _, passed_on = _split(sys.argv[1:])
    options = parser.parse_args(own)
    codes: Counter[int] = Counter()
    started = time.monotonic()
    for run in range(options.runs):
        command = [sys.executable, "-m", "edgekd", "gate", options.candidate, "--baseline", options.baseline]
        command += ["--data", options.data, "--json", "--seed", str(run), *passed_on]
        began = time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        took = time.monotonic() - began
        codes[done.returncode] += 1
        meaning = MEANING.get(done.returncode, "?")
        print(f"run {run + 1:3}: exit {done.returncode} {meaning:11} {took:5.1f} s  {_rules(done)}", flush=True)
    print(f"\n{options.runs} runs in {time.monotonic() - started:.0f} s")
    for code, count in sorted(codes.items()):
        print(f"exit {code} ({MEANING.get(code, '?')}): {count} of {options.runs}")


def _split(arguments: list[str]) -> tuple[list[str], str, list[str]]:
    if "--" not in arguments:
        return arguments, "", []
    at = arguments.index("--")
    return arguments[:at], "--", arguments[at + 1 :]


def _rules(done: subprocess.CompletedProcess[str]) -> str:
    """Summarise what each rule found: the change with its interval in percent, calls a side."""
    try:
        report = json.loads(done.stdout)
    except json.JSONDecodeError:
        return done.stderr.strip().splitlines()[-1] if done.stderr.strip() else ""
    parts = []
    for rule in report["rules"]:
        if rule["reference"] == "percent" and rule["low"] is not None:
            change, low, high = (100 * rule[key] for key in ("value", "low", "high"))
            interval = f"{change:+.1f} % [{low:+.1f}, {high:+.1f}] n={rule['count']}"
            parts.append(f"{rule['rule']}: {rule['outcome']} {interval}")
        else:
            parts.append(f"{rule['rule']}: {rule['outcome']}")
    return "; ".join(parts)


if __name__ == "__main__":
    main()
