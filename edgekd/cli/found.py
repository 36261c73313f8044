"""What ``distill --find-weights`` ends with: the values found for each student and where they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edgekd.search.found import Found


def show_found(searches: Iterable[Found]) -> None:
    """Print a line for each student."""
    from rich.markup import escape

    from edgekd.cli.common import stdout_console
    from edgekd.search.found import BEST_FILE

    console = stdout_console()
    for found in searches:
        console.print(escape(found.words), highlight=False, soft_wrap=True)
        console.print(f"  For the recipe: {escape(str(found.folder / BEST_FILE))}", highlight=False, soft_wrap=True)
