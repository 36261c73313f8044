"""Markdown from names that a user chose: none of them can become markup."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd.report.marks import escape

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def safe(text: str) -> str:
    """Escape for Markdown; characters that are not printable, such as those that turn the direction, become spaces."""
    return escape("".join(c if c.isprintable() else " " for c in text))


def code(text: str) -> str:
    """Return what may stand between backticks."""
    return "".join(c for c in text if c.isprintable() and c != "`")


def bullets(sentences: Iterable[str]) -> str:
    """Return a list; the sentences are Markdown already."""
    return "\n".join(f"- {sentence}" for sentence in sentences)


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; the cells are Markdown already."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
