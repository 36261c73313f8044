"""Fit and judge probabilities: temperature and thresholds from validation, ECE, NLL and Brier score."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from edgekd.analysis.multilabel import indicator
from edgekd.analysis.probabilities import as_logits, log_softmax, probabilities, softplus
from edgekd.analysis.thresholds import best_thresholds
from edgekd.tasks import Calibration, TaskKind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from numpy.typing import NDArray

    from edgekd.data.types import Target
    from edgekd.tasks import Task

LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE = 0.05, 20.0
BINS = 15


def one_hot(task: Task, targets: Sequence[Target]) -> NDArray[np.bool_]:
    """Return which text has which label, shape ``(texts, labels)``, for single- and multi-label tasks.

    Raises:
        ValueError: when an index is no label.
    """
    if task.kind is TaskKind.SINGLE_LABEL:
        return indicator([(target,) for target in targets], task.num_outputs)  # type: ignore[misc]
    return indicator(targets, task.num_outputs)  # type: ignore[arg-type]


def minimise(function: Callable[[float], float], low: float, high: float, *, tolerance: float = 1e-4) -> float:
    """Return where a function with one minimum is smallest in [``low``, ``high``] (golden-section search, Kiefer 1953).

    The ends count too, so a minimum at the border is found exactly.
    """
    golden = (math.sqrt(5) - 1) / 2
    left, right = low, high
    inner, outer = right - golden * (right - left), left + golden * (right - left)
    at_inner, at_outer = function(inner), function(outer)
    while right - left > tolerance:
        if at_inner <= at_outer:
            right, outer, at_outer = outer, inner, at_inner
            inner = right - golden * (right - left)
            at_inner = function(inner)
        else:
            left, inner, at_inner = inner, outer, at_outer
            outer = left + golden * (right - left)
            at_outer = function(outer)
    return min((low, (left + right) / 2, high), key=function)


def mean_nll(task: Task, logits: NDArray[np.float64], wanted: NDArray[Any]) -> float:
    """Return the mean negative log-likelihood in nats: of a text (single-label) or of a decision (multi-label).

    Args:
        task: which likelihood.
        logits: shape ``(texts, labels)``, divided by the temperature already.
        wanted: the same shape; 0/1, or probabilities.
    """
    if task.kind is TaskKind.SINGLE_LABEL:
        return float(-(wanted * log_softmax(logits)).sum(axis=1).mean())
    return float((softplus(logits) - wanted * logits).mean())


def fit_temperature(task: Task, logits: NDArray[np.float64], wanted: NDArray[np.bool_]) -> float:
    """Return the temperature in [0.05, 20] that minimises the NLL (temperature scaling, Guo et al. 2017, 1706.04599).

    The NLL is convex in 1/T, so it has one minimum. As in Platt (1999) the targets are smoothed, here by a single text
    (or decision) of unknown label in all: without that, a model that makes no mistake on validation would be made
    infinitely sure of itself.
    """
    number = len(logits) if task.kind is TaskKind.SINGLE_LABEL else logits.size
    unknown = 1 / logits.shape[1] if task.kind is TaskKind.SINGLE_LABEL else 0.5
    smoothed = wanted * (1 - 1 / (number + 1)) + unknown / (number + 1)

    def objective(log_temperature: float) -> float:
        return mean_nll(task, logits / math.exp(log_temperature), smoothed)

    low, high = math.log(LOWEST_TEMPERATURE), math.log(HIGHEST_TEMPERATURE)
    return min((1.0, math.exp(minimise(objective, low, high))), key=lambda t: objective(math.log(t)))


def fit_calibration(task: Task, targets: Sequence[Target], logits: NDArray[Any]) -> Calibration:
    """Fit the temperature and, for multi-label, then the thresholds. Give it the validation split.

    Regression has nothing to calibrate. The same input gives the same result.

    Raises:
        ValueError: when there is nothing to fit, or numbers or shapes do not fit the task.
        InvalidArtifact: when a logit is not finite.
    """
    found = as_logits(task, logits)
    if len(targets) != len(found) or not len(found):
        raise ValueError(f"{len(targets)} targets and {len(found)} rows of logits cannot be calibrated")
    if task.kind is TaskKind.REGRESSION:
        return Calibration()
    wanted = one_hot(task, targets)
    temperature = fit_temperature(task, found, wanted)
    if task.kind is TaskKind.SINGLE_LABEL:
        return Calibration(temperature)
    chances = probabilities(task, found, Calibration(temperature))
    return Calibration(temperature, tuple(best_thresholds(wanted, chances).tolist()))


def expected_calibration_error(confidence: NDArray[np.float64], right: NDArray[np.bool_], *, bins: int = BINS) -> float:
    """Return sum over bins of (share of items) * |mean of ``right`` - mean of ``confidence``|.

    Bins have equal width and are open below: (0, 1/15], (1/15, 2/15]... (Guo et al. 2017, arXiv 1706.04599, eq. 3).
    """
    number = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    gap = np.bincount(number, weights=right - confidence, minlength=bins)
    return float(np.abs(gap).sum() / len(confidence))


def calibration_scores(
    task: Task, wanted: NDArray[np.bool_], logits: NDArray[np.float64], calibration: Calibration
) -> dict[str, float]:
    """Return ``ece``, ``nll`` and ``brier`` of calibrated probabilities.

    Single-label: ECE of the chosen label's probability; NLL a text in nats; Brier score as the sum over labels of
    (p - y)^2, mean over texts, from 0 to 2 (Brier 1950). Multi-label: every label of every text is one decision, with
    its probability p and truth y; ECE, NLL and (p - y)^2 are means over decisions.
    """
    chances = probabilities(task, logits, calibration)
    squared = np.square(chances - wanted)
    if task.kind is TaskKind.SINGLE_LABEL:
        chosen = logits.argmax(axis=1)[:, None]
        confidence = np.take_along_axis(chances, chosen, axis=1)[:, 0]
        right = np.take_along_axis(wanted, chosen, axis=1)[:, 0]
        brier = float(squared.sum(axis=1).mean())
    else:
        confidence, right = chances.ravel(), wanted.ravel()
        brier = float(squared.mean())
    return {
        "ece": expected_calibration_error(confidence, right),
        "nll": mean_nll(task, logits / calibration.temperature, wanted),
        "brier": brier,
    }
