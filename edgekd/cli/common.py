"""What every command shares: consoles, JSON output. stdout is for results, stderr for progress and logs."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


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


def print_json(value: Any) -> None:
    """Print one JSON document on stdout."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
