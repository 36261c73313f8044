"""Quality of two models on the same texts, as a difference with a 95 % interval. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from edgekd.analysis.bootstrap import RESAMPLES
from edgekd.analysis.estimators import Z_95, wilson
from edgekd.analysis.paired import Interval
from edgekd.analysis.sums import resampled, text_sums
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edgekd.data.types import Target
    from edgekd.tasks import Task

CONFIDENCE = 0.95


def accuracy_change(targets: Sequence[int], before: Sequence[int], after: Sequence[int]) -> Interval:
    """Return accuracy after minus before, with Bonett & Price's interval for paired shares (2012).

    With n texts, g gained and l lost: p_g = (g + 1) / (n + 2), p_l = (l + 1) / (n + 2), and the interval is
    p_g - p_l -+ z sqrt((p_g + p_l - (p_g - p_l)^2) / (n + 2)). The value itself is the plain (g - l) / n.
    """
    n = len(targets)
    gained = sum(a == t != b for t, b, a in zip(targets, before, after, strict=True))
    lost = sum(b == t != a for t, b, a in zip(targets, before, after, strict=True))
    value = (gained - lost) / n
    more, less = (gained + 1) / (n + 2), (lost + 1) / (n + 2)
    half = Z_95 * math.sqrt((more + less - (more - less) ** 2) / (n + 2))
    low, high = max(-1.0, more - less - half), min(1.0, more - less + half)
    return Interval(value, min(low, value), max(high, value), CONFIDENCE, n)


def score_interval(
    task: Task,
    targets: Sequence[Target],
    predictions: Sequence[Target],
    metric: str | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Return a score of one model with a 95 % interval over texts; the main score if not given.

    Shares of texts (accuracy, subset accuracy): Wilson's interval. Other scores: percentile bootstrap.

    Raises:
        ConfigError: for a metric that the task does not have; see :data:`edgekd.analysis.sums.METRICS`.
        ValueError: when there is nothing to score or the lengths differ.
    """
    sums = text_sums(task, targets, predictions, metric)
    if (metric or task.main_metric) in {"accuracy", "subset_accuracy"}:
        share = wilson(round(sums.value() * len(targets)), len(targets))
        return Interval(share.value, share.low, share.high, CONFIDENCE, share.n)
    spread = resampled([sums], resamples=resamples, seed=seed)[:, 0]
    return _interval(sums.value(), spread, len(targets))


def score_change(
    task: Task,
    targets: Sequence[Target],
    before: Sequence[Target],
    after: Sequence[Target],
    metric: str | None = None,
    *,
    relative: bool = False,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Return a score after minus before on the same texts, with a 95 % interval; the main score if not given.

    Accuracy: see :func:`accuracy_change`. Other scores: percentile bootstrap over texts, drawn alike for both sides.

    Args:
        task: what the targets are.
        targets: one a text.
        before: predictions of the one model.
        after: predictions of the other.
        metric: one of :data:`edgekd.analysis.sums.METRICS`.
        relative: after / before - 1, for errors in the units of the data; infinite where the score before is 0 and the
            one after is not.
        resamples: of the bootstrap.
        seed: of the bootstrap.

    Raises:
        ConfigError: for a metric that the task does not have.
        ValueError: when there is nothing to score or the lengths differ.
    """
    sums = [text_sums(task, targets, predictions, metric) for predictions in (before, after)]
    if task.kind is TaskKind.SINGLE_LABEL and (metric or task.main_metric) == "accuracy" and not relative:
        return accuracy_change(targets, before, after)  # type: ignore[arg-type]
    spread = resampled(sums, resamples=resamples, seed=seed)
    values = np.array([[part.value() for part in sums]])
    change = _relative if relative else _difference
    return _interval(float(change(values)[0]), change(spread), len(targets))


def _difference(pairs: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(pairs[:, 1] - pairs[:, 0])


def _relative(pairs: NDArray[np.float64]) -> NDArray[np.float64]:
    before, after = pairs.T
    infinite = np.where(after == before, 0.0, np.copysign(np.inf, after))
    return np.asarray(np.divide(after - before, before, out=infinite, where=before != 0))


def _interval(value: float, spread: NDArray[np.float64], n: int) -> Interval:
    """Return the middle 95 % of the resamples; the value itself is always inside."""
    low, high = np.quantile(spread, [0.025, 0.975], method="inverted_cdf")
    return Interval(value, float(min(low, value)), float(max(high, value)), CONFIDENCE, n)
