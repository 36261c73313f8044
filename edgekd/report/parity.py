"""Does the exported graph answer like the model it was made from? As recorded when the bundle was made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgekd import units
from edgekd.report.cells import Cell, missing, plain
from edgekd.score_text import change_interval, change_text
from edgekd.tasks import MAIN_METRIC, TaskKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.provenance import ParityFigures
    from edgekd.report.table import Row

TITLE = "Does the exported graph answer like the trained model?"
KEY = (
    "Each graph against the model it was made of, when its bundle was made: validation texts, the same texts padded in "
    "a batch, and hostile texts (empty, one character, emoji, 10,000 characters...). Differences are those of logits; "
    "KL is in nats."
)
HEADINGS = (
    "variant",
    "texts",
    "other answers",
    "largest difference",
    "mean difference",
    "KL",
    "score",
    "padding",
    "hostile texts",
)


@dataclass(frozen=True)
class ParityRow:
    """One variant."""

    name: str  # of a row
    cells: tuple[Cell, ...]  # in the order of HEADINGS, after the name


def parity_rows(rows: Sequence[Row]) -> list[ParityRow]:
    """Return the figures of all variants whose bundle has them, in the order of the table."""
    return [
        ParityRow(row.name, _cells(parity, row.result.quality.task))
        for row in rows
        if (parity := row.result.parity) is not None
    ]


def _cells(parity: ParityFigures, task: TaskKind) -> tuple[Cell, ...]:
    flips = parity.label_flips if task is not TaskKind.REGRESSION else None
    padding_flips, hostile_flips = parity.padding_flips, parity.hostile_flips
    padded = parity.padding_max_abs_diff is not None
    return (
        plain(parity.texts, _whole),
        plain(flips, _whole, "a regression has no labels"),
        plain(parity.max_abs_diff, units.tiny),
        plain(parity.mean_abs_diff, units.tiny),
        plain(parity.kl, units.tiny),
        _score(parity, MAIN_METRIC[task]),
        _others(padding_flips, parity.texts, parity.padding_max_abs_diff) if padded else missing("not recorded"),
        _others(hostile_flips, parity.hostile_texts, parity.hostile_max_abs_diff)
        if parity.hostile_texts
        else missing("not recorded"),
    )


def _score(parity: ParityFigures, metric: str) -> Cell:
    if parity.score_change is None:
        return missing("not recorded")
    text = change_text(metric, parity.score_change)
    if parity.score_change_interval is None:
        return Cell(text, value=parity.score_change)
    low, high = parity.score_change_interval
    return Cell(text, change_interval(metric, low, high), parity.score_change, low, high, parity.texts)


def _others(flips: int, texts: int, largest: float | None) -> Cell:
    """Write how many answers differ, with the largest difference of a logit where an interval would stand."""
    return Cell(
        f"{flips:,} of {texts:,}", f"at most {units.tiny(largest)}" if largest is not None else "", float(flips)
    )


def _whole(number: float) -> str:
    return f"{number:,.0f}"
