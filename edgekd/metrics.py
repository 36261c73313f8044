"""Classification metrics from predicted and true label indexes. Pure; numpy only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class ClassScores:
    """Precision, recall and F1 of one class; a ratio with an empty denominator is 0."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class ClassificationScores:
    """Accuracy and per-class scores; ``macro_*`` are unweighted means over the classes."""

    count: int
    correct: int
    accuracy: float
    macro_precision: float
    macro_recall: float
    macro_f1: float
    classes: tuple[ClassScores, ...]
    confusion: tuple[tuple[int, ...], ...]  # rows: true label, columns: predicted label

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        from dataclasses import asdict

        return asdict(self)


def classification_scores(
    targets: Sequence[int], predictions: Sequence[int], labels: Sequence[str]
) -> ClassificationScores:
    """Score predictions; all three sequences use the same label order.

    Raises:
        ValueError: when there is nothing to score or the lengths differ.
    """
    if len(targets) != len(predictions) or not targets:
        raise ValueError(f"{len(targets)} targets and {len(predictions)} predictions cannot be scored")
    size = len(labels)
    confusion = np.zeros((size, size), dtype=np.int64)
    np.add.at(confusion, (np.asarray(targets), np.asarray(predictions)), 1)
    hits = np.diag(confusion).astype(float)
    predicted, true = confusion.sum(axis=0), confusion.sum(axis=1)
    precision = np.divide(hits, predicted, out=np.zeros(size), where=predicted > 0)
    recall = np.divide(hits, true, out=np.zeros(size), where=true > 0)
    both = precision + recall
    f1 = np.divide(2 * precision * recall, both, out=np.zeros(size), where=both > 0)
    correct = int(hits.sum())
    return ClassificationScores(
        count=len(targets),
        correct=correct,
        accuracy=correct / len(targets),
        macro_precision=float(precision.mean()),
        macro_recall=float(recall.mean()),
        macro_f1=float(f1.mean()),
        classes=tuple(
            ClassScores(label, float(precision[i]), float(recall[i]), float(f1[i]), int(true[i]))
            for i, label in enumerate(labels)
        ),
        confusion=tuple(tuple(int(v) for v in row) for row in confusion),
    )
