"""Several teachers' logits as one teacher's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from edgekd.analysis.scores import probabilities
from edgekd.tasks import Calibration, TaskKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.tasks import Task

Combination = Literal["mean", "weighted", "confident"]
SMALLEST = 1e-7  # a probability below it is raised to it before the logarithm


def combine(
    task: Task,
    logits: Sequence[np.ndarray[Any, Any]],
    how: Combination,
    *,
    weights: Sequence[float],
    calibrations: Sequence[Calibration],
) -> np.ndarray[Any, Any]:
    """Return logits ``(texts, outputs)``, float32, whose probabilities are those of the teachers together.

    Each teacher's probabilities are calibrated first, so that an overconfident one does not drown the others. ``mean``
    and ``weighted`` average them (for a regression the values); ``confident`` takes for each text the teacher whose
    probabilities have the lowest entropy (for a regression, the weighted mean, as there is no confidence).

    Args:
        task: decides what a probability is.
        logits: one array a teacher.
        how: the combination.
        weights: of each teacher, not negative; used by ``weighted``.
        calibrations: of each teacher; only the temperature is used.
    """
    parts = np.stack(
        [probabilities(task, z, Calibration(c.temperature)) for z, c in zip(logits, calibrations, strict=True)]
    )  # (teachers, texts, outputs)
    shares = np.asarray(weights, dtype=np.float64) if how != "mean" else np.ones(len(parts))
    if shares.sum() <= 0:
        shares = np.ones(len(parts))
    mean = np.tensordot(shares / shares.sum(), parts, axes=1)
    if task.kind is TaskKind.REGRESSION:
        return np.asarray(mean, dtype=np.float32)
    if how == "confident":
        surest = _entropy(task, parts).argmin(axis=0)
        mean = parts[surest, np.arange(parts.shape[1])]
    safe = np.clip(mean, SMALLEST, 1 - SMALLEST)
    odds = np.log(safe) - np.log1p(-safe) if task.kind is TaskKind.MULTI_LABEL else np.log(safe)
    return np.asarray(odds, dtype=np.float32)


def _entropy(task: Task, parts: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the entropy ``(teachers, texts)`` of probabilities ``(teachers, texts, outputs)``."""
    safe = np.clip(parts, SMALLEST, 1 - SMALLEST)
    entropy = -safe * np.log(safe)
    if task.kind is TaskKind.MULTI_LABEL:
        entropy -= (1 - safe) * np.log1p(-safe)
    return np.asarray(entropy.sum(axis=-1))
