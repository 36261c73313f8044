"""The worst label flips: texts that a variant answers otherwise than the teacher, the most confident answers first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgekd import units
from edgekd.analysis.probabilities import probabilities
from edgekd.report.cells import Cell, missing, plain
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from typing import Any

    from numpy.typing import NDArray

    from edgekd.report.table import Row
    from edgekd.results import Quality

TITLE = "Answers that differ most from the teacher's"
KEY = (
    "Texts that a variant answers otherwise than the teacher, those it is most sure of first; for several labels the "
    "probability of the label on which both differ most, for a number the largest differences."
)
HEADINGS = ("text", "truth", "teacher", "teacher's probability", "answer", "probability")
MOST = 10  # of a variant
CHARACTERS = 200
NOTHING = "-"  # a text without any label
NO_LOGITS = "stored without logits"


@dataclass(frozen=True)
class Flip:
    """One text. For a regression the answers are values and there are no probabilities."""

    variant: str  # name of a row
    index: int  # row of the evaluation texts, from 0
    text: str  # cut; empty when texts are not shown
    truth: str  # label, labels or value; empty when it is not known
    teacher: str
    teacher_probability: Cell
    answer: str
    probability: Cell
    teacher_is_right: bool | None  # None: the truth is not known, or a number
    is_right: bool | None


def flips(
    rows: Sequence[Row], names: Collection[str], reference: Row | None, texts: Sequence[str] | None
) -> list[Flip]:
    """Return the worst flips of the named rows, but for the teacher's own.

    Args:
        rows: of the table.
        names: whose flips are of interest.
        reference: the teacher that speed-ups refer to.
        texts: all evaluation texts; None leaves them out.
    """
    chosen = [row for row in rows if row.name in names and row is not reference]
    return [flip for row in chosen for flip in _of_row(row, texts)]


def _of_row(row: Row, texts: Sequence[str] | None) -> list[Flip]:
    quality = row.result.quality
    theirs = quality.teacher_predictions
    if theirs is None or len(theirs) != len(quality.predictions):
        return []
    other = [i for i, (a, b) in enumerate(zip(quality.predictions, theirs, strict=True)) if a != b]
    mine, teachers = _probabilities(quality)
    ranked = sorted(other, key=lambda i: (-_weight(quality, mine, teachers, i), i))[:MOST]
    return [_flip(row.name, quality, i, mine, teachers, texts) for i in ranked]


def _probabilities(quality: Quality) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
    """Return calibrated probabilities of the variant and of the teacher, shape ``(texts, labels)``, where known."""
    if quality.task is TaskKind.REGRESSION:
        return None, None
    sides = ((quality.logits, quality.calibration), (quality.teacher_logits, quality.teacher_calibration))
    mine, teachers = (
        None if logits is None else probabilities(quality.as_task, np.asarray(logits, dtype=np.float64), calibration)
        for logits, calibration in sides
    )
    return mine, teachers


def _weight(quality: Quality, mine: NDArray[np.float64] | None, teachers: NDArray[np.float64] | None, i: int) -> float:
    """Return how bad a flip is: the probability of the answer, or how far both are apart."""
    answer: Any = quality.predictions[i]
    if quality.task is TaskKind.REGRESSION:
        return abs(answer - quality.teacher_predictions[i])  # type: ignore[index, no-any-return]
    if mine is None:
        return 0.0
    if quality.task is TaskKind.SINGLE_LABEL:
        return float(mine[i, answer])
    return _distance(quality, mine, teachers, i)[1]


def _distance(
    quality: Quality, mine: NDArray[np.float64], teachers: NDArray[np.float64] | None, i: int
) -> tuple[int, float]:
    """Return the label on which both answers differ most, and by how much its probabilities differ."""
    answer, theirs = quality.predictions[i], (quality.teacher_predictions or [])[i]
    differing = sorted(set(answer) ^ set(theirs))  # type: ignore[arg-type]
    far = {label: abs(mine[i, label] - (0.5 if teachers is None else teachers[i, label])) for label in differing}
    label = max(differing, key=lambda one: (far[one], -one))
    return label, float(far[label])


def _flip(
    name: str,
    quality: Quality,
    i: int,
    mine: NDArray[np.float64] | None,
    teachers: NDArray[np.float64] | None,
    texts: Sequence[str] | None,
) -> Flip:
    answer, theirs = quality.predictions[i], (quality.teacher_predictions or [])[i]
    truth = quality.targets[i] if quality.targets else None
    judged = truth is not None and quality.task is not TaskKind.REGRESSION
    if quality.task is TaskKind.MULTI_LABEL and mine is not None:
        label = _distance(quality, mine, teachers, i)[0]
        sides = (_probability(mine, i, label, quality), _probability(teachers, i, label, quality))
    else:
        sides = (_probability(mine, i, answer, quality), _probability(teachers, i, theirs, quality))
    return Flip(
        variant=name,
        index=i,
        text=cut(texts[i]) if texts is not None else "",
        truth="" if truth is None else _words(quality, truth),
        teacher=_words(quality, theirs),
        teacher_probability=sides[1],
        answer=_words(quality, answer),
        probability=sides[0],
        teacher_is_right=theirs == truth if judged else None,
        is_right=answer == truth if judged else None,
    )


def _probability(found: NDArray[np.float64] | None, i: int, label: Any, quality: Quality) -> Cell:
    if quality.task is TaskKind.REGRESSION:
        return missing("a number has no probability", blank=True)
    if found is None or not isinstance(label, int):
        return missing(NO_LOGITS)
    cell = plain(float(found[i, label]), units.percent)
    if quality.task is TaskKind.SINGLE_LABEL:
        return cell
    return Cell(f"{quality.labels[label]} {cell.text}", value=cell.value)


def _words(quality: Quality, answer: int | tuple[int, ...] | float) -> str:
    if isinstance(answer, tuple):
        return ", ".join(quality.labels[index] for index in answer) or NOTHING
    return units.number(answer) if quality.task is TaskKind.REGRESSION else quality.labels[int(answer)]


def cut(text: str, characters: int = CHARACTERS) -> str:
    """Return the beginning of a text, as it is; formats escape it."""
    return text if len(text) <= characters else text[: characters - 1] + "\u2026"
