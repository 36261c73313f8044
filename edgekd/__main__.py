"""``python -m edgekd``."""

from edgekd.cli.app import main

if __name__ == "__main__":
    main()
