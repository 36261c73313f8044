"""What every command shares: consoles, JSON output. stdout is for results, stderr for progress and logs."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

from edgekd.errors import ConfigError, unknown_name

if TYPE_CHECKING:
    from rich.console import Console


OUTPUT_FORMATS = ("text", "json", "bencher")
LOG_WIDTH = 120  # of results in files, pipes and CI logs, where Rich would assume 80


def stdout_console() -> Console:
    """Return the console for results."""
    from rich.console import Console

    console = Console()
    is_log = not console.is_terminal and "COLUMNS" not in os.environ
    return Console(width=LOG_WIDTH) if is_log else console


def stderr_console() -> Console:
    """Return the console for progress, logs and errors."""
    from rich.console import Console

    return Console(stderr=True)


def output_format(given: str | None, *, as_json: bool) -> str:
    """Return what a command prints: "text", "json" or "bencher" (Bencher Metric Format).

    Args:
        given: ``--format``.
        as_json: ``--json``, the short form of one of them.

    Raises:
        ConfigError: for an unknown format, or two different ones.
    """
    if given is not None and given not in OUTPUT_FORMATS:
        raise unknown_name("format", given, OUTPUT_FORMATS, hint="For example: --format bencher")
    if as_json and given not in (None, "json"):
        raise ConfigError(f"--json and --format {given} are two formats.", hint="Give one of them.")
    return "json" if as_json else given or "text"


def print_json(value: Any) -> None:
    """Print one JSON document on stdout."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
