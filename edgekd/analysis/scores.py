"""The scores of a model on one split, for every task, as stored beside teachers and students."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekd.analysis.calibration import calibration_scores, fit_calibration, one_hot
from edgekd.analysis.fidelity import fidelity
from edgekd.analysis.multilabel import LabelCounts, average_precision, indicator, mean_average_precision
from edgekd.analysis.probabilities import as_logits, choose, decisions, probabilities, thresholds
from edgekd.analysis.quality import macro_f1, per_class
from edgekd.analysis.regression import pearson, regression_scores
from edgekd.tasks import Calibration, TaskKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edgekd.data.types import Target
    from edgekd.tasks import Task

__all__ = [
    "choose",
    "classification_scores",
    "fidelity",
    "fit_calibration",
    "probabilities",
    "score",
    "selection_score",
]

DIVERGED = -1.0  # below every score of a model that works


def score(
    task: Task, targets: Sequence[Target], logits: NDArray[Any], calibration: Calibration | None = None
) -> dict[str, Any]:
    """Return all scores of a model as plain JSON types; ``task.main_metric`` is one of the keys.

    What each key means is in docs/metrics.md.

    Args:
        task: what the targets are.
        targets: one a text.
        logits: shape ``(texts, outputs)``.
        calibration: temperature and thresholds; without one, temperature 1 and thresholds of 0.5.

    Raises:
        ValueError: when there is nothing to score, or numbers or shapes do not fit the task.
        InvalidArtifact: when a logit is not finite.
    """
    found = as_logits(task, logits)
    if len(targets) != len(found) or not len(found):
        raise ValueError(f"{len(targets)} targets and {len(found)} rows of logits cannot be scored")
    calibration = calibration or Calibration()
    if task.kind is TaskKind.REGRESSION:
        return {"count": len(found), **regression_scores(np.asarray(targets, dtype=np.float64), found[:, 0])}
    wanted = one_hot(task, targets)
    if task.kind is TaskKind.SINGLE_LABEL:
        known: Sequence[int] = targets  # type: ignore[assignment]
        scores = classification_scores(known, found.argmax(axis=1).tolist(), task.labels)
        scores["micro_f1"] = scores["accuracy"]
    else:
        scores = _multi_label_scores(task, wanted, found, calibration)
    return {**scores, **calibration_scores(task, wanted, found, calibration)}


def selection_score(task: Task, targets: Sequence[Target], logits: NDArray[Any]) -> float:
    """Return the score by which the best epoch is chosen: accuracy, mean average precision, or Pearson.

    It needs no thresholds, so it can be computed before any are tuned. A model whose outputs are not finite, or that
    gives every text of a regression the same value, gets -1, so that it is never chosen over one that works.

    Raises:
        ValueError: when the numbers or shapes do not fit the task.
    """
    if not np.isfinite(logits).all():
        return DIVERGED
    found = as_logits(task, logits)
    if len(targets) != len(found) or not len(found):
        raise ValueError(f"{len(targets)} targets and {len(found)} rows of logits cannot be scored")
    if task.kind is TaskKind.SINGLE_LABEL:
        return float((found.argmax(axis=1) == np.asarray(targets)).mean())
    if task.kind is TaskKind.REGRESSION:
        values = found[:, 0]
        return pearson(np.asarray(targets, dtype=np.float64), values) if np.ptp(values) > 0 else DIVERGED
    wanted = indicator(targets, task.num_outputs)  # type: ignore[arg-type]
    return mean_average_precision(average_precision(wanted, found))


def _multi_label_scores(
    task: Task, wanted: NDArray[np.bool_], logits: NDArray[np.float64], calibration: Calibration
) -> dict[str, Any]:
    chosen = decisions(task, logits, calibration)
    counts = LabelCounts.of(wanted, chosen)
    total = counts.summed()
    precisions = average_precision(wanted, logits)
    columns = zip(
        task.labels,
        counts.precision.tolist(),
        counts.recall.tolist(),
        counts.f1.tolist(),
        counts.support.astype(int).tolist(),
        thresholds(task, calibration).tolist(),
        [None if np.isnan(value) else float(value) for value in precisions],
        strict=True,
    )
    keys = ("label", "precision", "recall", "f1", "support", "threshold", "average_precision")
    return {
        "count": len(logits),
        "micro_precision": float(total.precision[0]),
        "micro_recall": float(total.recall[0]),
        "micro_f1": float(total.f1[0]),
        "macro_precision": float(counts.precision.mean()),
        "macro_recall": float(counts.recall.mean()),
        "macro_f1": float(counts.f1.mean()),
        "subset_accuracy": float((wanted == chosen).all(axis=1).mean()),
        "map": mean_average_precision(precisions),
        "classes": [dict(zip(keys, row, strict=True)) for row in columns],
    }


def classification_scores(targets: Sequence[int], predictions: Sequence[int], labels: Sequence[str]) -> dict[str, Any]:
    """Return accuracy, and precision, recall and F1 per class and as unweighted means, as plain JSON types.

    ``confusion`` has a row for each true label and a column for each predicted one.

    Raises:
        ValueError: when there is nothing to score or the lengths differ.
    """
    if len(targets) != len(predictions) or not targets:
        raise ValueError(f"{len(targets)} targets and {len(predictions)} predictions cannot be scored")
    classes = per_class(labels, targets, predictions)
    confusion = np.zeros((len(labels), len(labels)), dtype=np.int64)
    np.add.at(confusion, (np.asarray(targets), np.asarray(predictions)), 1)
    correct = int(confusion.trace())
    return {
        "count": len(targets),
        "correct": correct,
        "accuracy": correct / len(targets),
        "macro_precision": sum(row.precision for row in classes) / len(classes),
        "macro_recall": sum(row.recall for row in classes) / len(classes),
        "macro_f1": macro_f1(labels, targets, predictions),
        "classes": [asdict(row) for row in classes],
        "confusion": confusion.tolist(),
    }
