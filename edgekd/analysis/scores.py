"""The scores of a classifier on one split, as stored beside teachers and students."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from edgekd.analysis.quality import macro_f1, per_class

if TYPE_CHECKING:
    from collections.abc import Sequence


def classification_scores(targets: Sequence[int], predictions: Sequence[int], labels: Sequence[str]) -> dict[str, Any]:
    """Return accuracy, and precision, recall and F1 per class and as unweighted means, as plain JSON types.

    ``confusion`` has a row for each true label and a column for each predicted one.

    Raises:
        ValueError: when there is nothing to score or the lengths differ.
    """
    if len(targets) != len(predictions) or not targets:
        raise ValueError(f"{len(targets)} targets and {len(predictions)} predictions cannot be scored")
    classes = per_class(labels, targets, predictions)
    confusion = [[0] * len(labels) for _ in labels]
    for target, prediction in zip(targets, predictions, strict=True):
        confusion[target][prediction] += 1
    correct = sum(confusion[index][index] for index in range(len(labels)))
    return {
        "count": len(targets),
        "correct": correct,
        "accuracy": correct / len(targets),
        "macro_precision": sum(row.precision for row in classes) / len(classes),
        "macro_recall": sum(row.recall for row in classes) / len(classes),
        "macro_f1": macro_f1(labels, targets, predictions),
        "classes": [asdict(row) for row in classes],
        "confusion": confusion,
    }
