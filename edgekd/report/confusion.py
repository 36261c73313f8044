"""Which labels are taken for which, and where a regression errs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekd import units
from edgekd.report.cells import Cell, plain
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from edgekd.report.table import Row
    from edgekd.results import BenchResult, Quality

TITLE = "Which labels are confused?"
MOST_LABELS = 12  # of a full matrix
MOST_PAIRS = 12
RANGES = 5


@dataclass(frozen=True)
class ConfusedPair:
    """Texts of one label that were answered with another."""

    truth: str
    answer: str
    texts: int


@dataclass(frozen=True)
class LabelCounts:
    """Decisions about one label of a multi-label task, in texts."""

    label: str
    right: int  # has the label, and got it (true positives)
    missed: int  # has it, and did not get it (false negatives)
    wrong: int  # does not have it, and got it (false positives)
    left_out: int  # does not have it, and did not get it (true negatives)


@dataclass(frozen=True)
class ErrorRange:
    """Errors of a regression among texts whose true value lies in a range."""

    values: Cell  # the range, both ends included; low and high are its ends
    texts: int
    mean_abs_error: Cell
    mean_error: Cell  # answer - truth


@dataclass(frozen=True)
class Confusion:
    """Answers of one variant against the truth; exactly one of the lists about errors is filled."""

    variant: str  # name of a row
    labels: list[str]
    texts: int
    counts: list[list[int]] = field(default_factory=list)  # single-label, few labels: [truth][answer]
    pairs: list[ConfusedPair] = field(default_factory=list)  # single-label, many labels: the most confused first
    more_pairs: int = 0  # pairs that are not shown
    per_label: list[LabelCounts] = field(default_factory=list)  # multi-label
    ranges: list[ErrorRange] = field(default_factory=list)  # regression


def confusions(rows: Sequence[Row], names: Collection[str]) -> list[Confusion]:
    """Return where each of the named rows errs; nothing for texts without true values."""
    return [confusion(row.name, row.result) for row in rows if row.name in names and row.result.quality.targets]


def confusion(name: str, result: BenchResult) -> Confusion:
    """Return where one variant errs, in the form that fits its task."""
    quality = result.quality
    texts = len(quality.targets)
    if quality.task is TaskKind.REGRESSION:
        return Confusion(name, list(quality.labels), texts, ranges=_ranges(quality))
    if quality.task is TaskKind.MULTI_LABEL:
        return Confusion(name, list(quality.labels), texts, per_label=_per_label(quality))
    pairs: Counter[Any] = Counter(zip(quality.targets, quality.predictions, strict=True))
    if len(quality.labels) <= MOST_LABELS:
        numbers = range(len(quality.labels))
        return Confusion(
            name, list(quality.labels), texts, [[pairs[truth, answer] for answer in numbers] for truth in numbers]
        )
    wrong = sorted(
        ((truth, answer, count) for (truth, answer), count in pairs.items() if truth != answer),
        key=lambda pair: (-pair[2], pair[0], pair[1]),
    )
    shown = [ConfusedPair(quality.labels[t], quality.labels[a], count) for t, a, count in wrong[:MOST_PAIRS]]
    return Confusion(name, list(quality.labels), texts, pairs=shown, more_pairs=max(0, len(wrong) - MOST_PAIRS))


def _per_label(quality: Quality) -> list[LabelCounts]:
    counts = []
    answers: list[Any] = list(zip(quality.targets, quality.predictions, strict=True))
    for index, label in enumerate(quality.labels):
        pairs = Counter((index in truth, index in answer) for truth, answer in answers)
        counts.append(
            LabelCounts(label, pairs[True, True], pairs[True, False], pairs[False, True], pairs[False, False])
        )
    return counts


def _ranges(quality: Quality) -> list[ErrorRange]:
    """Split the texts, sorted by true value, into equal parts; texts of one value stay in one part."""
    truth = np.asarray(quality.targets, dtype=np.float64)
    error = np.asarray(quality.predictions, dtype=np.float64) - truth
    borders = np.unique(np.quantile(truth, np.linspace(0, 1, RANGES + 1)[1:-1]))
    part = np.searchsorted(borders, truth, side="left")
    found = []
    for number in np.unique(part):
        mine = part == number
        low, high = float(truth[mine].min()), float(truth[mine].max())
        text = units.value_interval((low + high) / 2, low, high) if high > low else units.number(low)
        found.append(
            ErrorRange(
                Cell(text, low=low, high=high),
                int(mine.sum()),
                plain(float(np.abs(error[mine]).mean()), units.number),
                plain(float(error[mine].mean()), units.number),
            )
        )
    return found
