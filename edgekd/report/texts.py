"""Evaluation texts beside results, which hold none. They are found by :mod:`edgekd.report.find_texts`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgekd.data.types import Examples

NOT_FOUND = "Results hold no texts: give the file that was measured with as --data FILE to see them here."
LEFT_OUT = "Texts are left out, as asked."


@dataclass(frozen=True)
class Texts:
    """Evaluation texts by ``data_hash``, the user's files they came from, and why others are missing."""

    by_hash: dict[str, list[str]] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    note: str = NOT_FOUND


def texts_of(examples: Examples) -> Texts:
    """Return texts that are at hand."""
    return Texts({examples.hash(): list(examples.texts)})
