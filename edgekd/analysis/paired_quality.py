"""Quality of two models on the same texts, as a difference with a 95 % interval. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from edgekd.analysis.bootstrap import RESAMPLES
from edgekd.analysis.estimators import Z_95
from edgekd.analysis.paired import Interval
from edgekd.analysis.quality import macro_f1

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

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


def _macro_f1_of_cells(
    weights: NDArray[np.int64], target: NDArray[np.int64], predicted: NDArray[np.int64], labels: int
) -> NDArray[np.float64]:
    """Return macro F1 of every row of weights; column j counts the texts of cell j."""
    is_target = target[:, None] == np.arange(labels)
    is_predicted = predicted[:, None] == np.arange(labels)
    hits = weights @ (is_target & is_predicted)
    either = weights @ is_target.astype(np.int64) + weights @ is_predicted.astype(np.int64)
    f1 = np.divide(2 * hits, either, out=np.zeros(hits.shape), where=either > 0)
    return np.asarray(f1.sum(axis=1) / (either > 0).sum(axis=1))


def macro_f1_change(
    labels: Sequence[str],
    targets: Sequence[int],
    before: Sequence[int],
    after: Sequence[int],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Return macro F1 after minus before with a percentile-bootstrap interval over texts.

    Drawing texts with replacement is drawing cells (target, before, after) from a multinomial distribution.
    """
    n = len(targets)
    cells, counts = np.unique(np.array([targets, before, after], dtype=np.int64), axis=1, return_counts=True)
    weights = np.random.default_rng(seed).multinomial(n, counts / n, size=resamples)
    change = _macro_f1_of_cells(weights, cells[0], cells[2], len(labels)) - _macro_f1_of_cells(
        weights, cells[0], cells[1], len(labels)
    )
    value = macro_f1(labels, targets, after) - macro_f1(labels, targets, before)
    low, high = np.quantile(change, [0.025, 0.975])
    return Interval(value, float(min(low, value)), float(max(high, value)), CONFIDENCE, n)
