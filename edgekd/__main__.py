"""``python -m edgekd``, and the entry point of the ``edgekd`` command."""

from __future__ import annotations

import gc


def main() -> None:
    """Run the command line."""
    gc.disable()  # start-up makes many objects and no garbage: collecting costs 7 % of `edgekd --help`
    from edgekd.cli.app import main as run

    gc.enable()
    run()


if __name__ == "__main__":
    main()
