"""Classification quality from label indexes: per class, macro, agreement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgekd.analysis.estimators import Estimate, wilson

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class ClassQuality:
    """Precision, recall and F1 of one label. A share of nothing counts as 0, as in scikit-learn."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int  # texts that have the label


def agreement(first: Sequence[int], second: Sequence[int]) -> Estimate:
    """Return the share of equal entries with its Wilson interval.

    Raises:
        ValueError: when the lengths differ or there is nothing to compare.
    """
    if len(first) != len(second):
        raise ValueError(f"cannot compare {len(first)} labels with {len(second)}")
    return wilson(sum(a == b for a, b in zip(first, second, strict=True)), len(first))


def per_class(labels: Sequence[str], targets: Sequence[int], predictions: Sequence[int]) -> list[ClassQuality]:
    """Return precision TP / predicted, recall TP / support, F1 2 TP / (predicted + support) per label."""
    number = len(labels)
    known, given = np.asarray(targets, dtype=np.int64), np.asarray(predictions, dtype=np.int64)
    hits = np.bincount(known[known == given], minlength=number).tolist()
    chosen = np.bincount(given, minlength=number).tolist()
    support = np.bincount(known, minlength=number).tolist()
    return [
        ClassQuality(
            label=label,
            precision=hits[i] / chosen[i] if chosen[i] else 0.0,
            recall=hits[i] / support[i] if support[i] else 0.0,
            f1=2 * hits[i] / (chosen[i] + support[i]) if chosen[i] + support[i] else 0.0,
            support=support[i],
        )
        for i, label in enumerate(labels)
    ]


def macro_f1(labels: Sequence[str], targets: Sequence[int], predictions: Sequence[int]) -> float:
    """Return the unweighted mean F1 of the labels that occur among targets or predictions.

    Raises:
        ValueError: when there are no targets.
    """
    if not targets:
        raise ValueError("macro F1 needs at least one text")
    occurring = {*targets, *predictions}
    scores = [c.f1 for i, c in enumerate(per_class(labels, targets, predictions)) if i in occurring]
    return sum(scores) / len(scores)
