"""From logits to probabilities and choices; the calibration of a bundle is applied here and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgekd.errors import InvalidArtifact
from edgekd.tasks import Calibration, TaskKind

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from edgekd.data.types import Target
    from edgekd.tasks import Task

DEFAULT_THRESHOLD = 0.5


def as_logits(task: Task, logits: NDArray[Any]) -> NDArray[np.float64]:
    """Return logits as float64 of shape ``(texts, outputs)``.

    Raises:
        ValueError: when the shape does not fit the task.
        InvalidArtifact: when a logit is not finite, as after a training that diverged.
    """
    found = np.asarray(logits, dtype=np.float64)
    if found.ndim != 2 or found.shape[1] != task.num_outputs:
        raise ValueError(f"logits have shape {found.shape}; a {task.kind.value} task needs (texts, {task.num_outputs})")
    broken = int((~np.isfinite(found)).any(axis=1).sum())
    if broken:
        raise InvalidArtifact(
            f"The model gives outputs that are not finite numbers for {broken} of {len(found)} texts.",
            hint="Its training diverged: train it again with a lower learning_rate.",
        )
    return found


def softplus(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return log(1 + exp(x)) without overflow; -log(sigmoid(x)) is ``softplus(-x)``."""
    return np.asarray(np.maximum(values, 0) + np.log1p(np.exp(-np.abs(values))))


def sigmoid(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1 / (1 + exp(-x)) without overflow; exactly 0.5 at 0."""
    small = np.exp(-np.abs(values))
    return np.asarray(np.where(values >= 0, 1.0, small) / (1 + small))


def log_softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the logarithm of the softmax over the last axis, without overflow."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def probabilities(task: Task, logits: NDArray[Any], calibration: Calibration | None = None) -> NDArray[np.float64]:
    """Return calibrated probabilities, shape ``(texts, outputs)``; for regression the values themselves.

    Softmax (single-label) or sigmoid (multi-label) of ``logits / temperature`` (Guo et al. 2017, arXiv 1706.04599).

    Raises:
        ValueError: when the shape does not fit the task.
        InvalidArtifact: when a logit is not finite.
    """
    found = as_logits(task, logits)
    scaled = found / (calibration or Calibration()).temperature
    if task.kind is TaskKind.SINGLE_LABEL:
        return np.asarray(np.exp(log_softmax(scaled)))
    if task.kind is TaskKind.MULTI_LABEL:
        return sigmoid(scaled)
    return found


def thresholds(task: Task, calibration: Calibration | None = None) -> NDArray[np.float64]:
    """Return the probability from which each label of a multi-label task is chosen, shape ``(labels,)``.

    Raises:
        ValueError: when the calibration has another number of thresholds than the task has labels.
    """
    given = (calibration or Calibration()).thresholds
    if given is None:
        return np.full(task.num_outputs, DEFAULT_THRESHOLD)
    if len(given) != task.num_outputs:
        raise ValueError(f"{len(given)} thresholds for {task.num_outputs} labels")
    return np.asarray(given, dtype=np.float64)


def decisions(task: Task, logits: NDArray[Any], calibration: Calibration | None = None) -> NDArray[np.bool_]:
    """Return which labels of a multi-label task are chosen, shape ``(texts, labels)``."""
    return np.asarray(probabilities(task, logits, calibration) >= thresholds(task, calibration))


def choose(task: Task, logits: NDArray[Any], calibration: Calibration | None = None) -> list[Target]:
    """Return the prediction for each text.

    Single-label: the index of the largest logit, the first of equal ones. Multi-label: the sorted indexes of the labels
    whose probability reaches their threshold, perhaps none. Regression: the value.

    Raises:
        ValueError: when the shape does not fit the task.
        InvalidArtifact: when a logit is not finite.
    """
    if task.kind is TaskKind.SINGLE_LABEL:
        return [int(index) for index in as_logits(task, logits).argmax(axis=1)]
    if task.kind is TaskKind.REGRESSION:
        return [float(value) for value in as_logits(task, logits)[:, 0]]
    chosen = decisions(task, logits, calibration)
    rows, columns = np.nonzero(chosen)
    parts = np.split(columns, np.searchsorted(rows, np.arange(1, len(chosen))))
    return [tuple(part.tolist()) for part in parts[: len(chosen)]]
