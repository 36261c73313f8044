"""Markdown as GitHub shows it: escaped text, tables, bullets, folds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd.report.fit import clip, clip_sentences

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.report.cells import Cell

LINES = 60  # of a comment on a pull request, whatever comes in
NAME_LIMIT = 60  # characters of a variant's name in a table
TEXT_LIMIT = 900  # characters of a bullet
INTERVAL_HEADING = "<br><sub>95 % CI</sub>"
_SPECIAL = str.maketrans(
    {c: f"\\{c}" for c in "\\`*_[]|#~"}
    | {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
    # A name after @ would notify a stranger; a space of no width keeps it plain.
    | {"@": "@&#8203;"}
)


def escape(text: str) -> str:
    """Escape text so that GitHub shows it as it is, in a table cell too."""
    return " ".join(text.split()).translate(_SPECIAL)


def cell_text(cell: Cell) -> str:
    """Write a cell on one line: value, interval, or why there is none."""
    if cell.missing:
        return cell.text if cell.text == "-" else f"{cell.text}: {cell.missing}"
    return f"{cell.text} [{cell.interval}]" if cell.interval else cell.text


def table_lines(headings: Sequence[str], align: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Write a table of cells that are escaped already."""
    return ["| " + " | ".join(cells) + " |" for cells in (headings, align, *rows)]


def two_lines(cell: Cell) -> str:
    """Write a cell for a table with its interval below the value, so that columns stay narrow."""
    if cell.missing or not cell.interval:
        return escape(cell_text(cell))
    return f"{escape(cell.text)}<br><sub>{escape(cell.interval)}</sub>"


def bullet(sentences: Sequence[str], *, title: str = "", strong: bool = False, limit: int = TEXT_LIMIT) -> str:
    """Write sentences as one list item, at most ``limit`` characters long, and say how many were left out."""
    text, left = clip_sentences(sentences, limit)
    # Twice the limit is the end for a single sentence too.
    told = escape(clip(text, 2 * limit)) + (f" And {left} more." if left else "")
    told = f"**{told}**" if strong else told
    return f"- **{escape(title)}** {told}" if title else f"- {told}"


def fold(summary: str, lines: Sequence[str]) -> list[str]:
    """Write lines behind a fold; nothing when there are none."""
    return [f"<details><summary>{escape(summary)}</summary>", "", *lines, "</details>", ""] if lines else []
