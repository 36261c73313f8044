"""Estimators of one number from samples, each named with its source. Pure: arrays in, numbers out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Z_95 = 1.959963984540054  # two-sided 95 % quantile of the standard normal distribution
PERCENTILE_CONFIDENCE = 0.99


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval and the number of observations behind it."""

    value: float
    low: float
    high: float
    n: int


def percentile(samples: Sequence[float] | NDArray[np.float64], q: float) -> float:
    """Return the ``q``-quantile, ``q`` in [0, 1], by linear interpolation.

    The estimator is type 7 of Hyndman & Fan (1996), numpy's 'linear'.

    Raises:
        ValueError: when there are no samples or ``q`` is outside [0, 1].
    """
    if len(samples) == 0:
        raise ValueError("a percentile needs at least one sample")
    return float(np.quantile(np.asarray(samples, dtype=np.float64), q, method="linear"))


def needed_samples(q: float) -> int:
    """Return how many independent samples a tail percentile needs.

    The smallest n for which, with 99 % confidence, at least two samples lie above the true ``q``-quantile:
    P(Binomial(n, 1 - q) <= 1) <= 0.01. This is the floor of MLPerf LoadGen's early stopping: 64 samples for
    p90, 130 for p95, 662 for p99 (mlcommons/inference, loadgen/early_stopping). For the median it gives 11.

    Raises:
        ValueError: when ``q`` is outside (0, 1).
    """
    if not 0 < q < 1:
        raise ValueError(f"q is {q}; it must be between 0 and 1")
    tail = 1 - q
    n = 2
    while q**n + n * tail * q ** (n - 1) > 1 - PERCENTILE_CONFIDENCE:
        n += 1
    return n


def supported_percentile(n: int, q: float) -> bool:
    """Tell whether ``n`` samples can support the ``q``-quantile; see :func:`needed_samples`."""
    return n >= needed_samples(q)


def trimmed_mean(samples: Sequence[float] | NDArray[np.float64], share: float = 0.1) -> float:
    """Return the mean without the lowest and the highest floor(``share`` * n) samples.

    Raises:
        ValueError: when there are no samples or ``share`` is outside [0, 0.5).
    """
    if not 0 <= share < 0.5:
        raise ValueError(f"share is {share}; it must be at least 0 and below 0.5")
    if len(samples) == 0:
        raise ValueError("a mean needs at least one sample")
    ordered = np.sort(np.asarray(samples, dtype=np.float64))
    cut = int(share * len(ordered))
    return float(ordered[cut : len(ordered) - cut].mean())


def wilson(successes: int, n: int, z: float = Z_95) -> Estimate:
    """Return a share with its Wilson score interval (Wilson 1927).

    Centre (p + z^2 / 2n) / (1 + z^2 / n), half-width z / (1 + z^2 / n) * sqrt(p (1 - p) / n + z^2 / 4n^2).

    Raises:
        ValueError: when ``n`` is not positive or ``successes`` is outside [0, n].
    """
    if n <= 0 or not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n} trials is not a share")
    p = successes / n
    scale = 1 + z * z / n
    centre = (p + z * z / (2 * n)) / scale
    half = z / scale * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    # At the ends the formula gives exactly 0 or 1 but for rounding.
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return Estimate(p, low, high, n)


def share_difference(first: Estimate, second: Estimate) -> Estimate:
    """Return ``first - second`` of two shares with Newcombe's hybrid score interval (1998, method 10).

    The shares are taken as independent; for two models on the same texts, whose errors go together, that
    makes the interval too wide rather than too narrow.
    """
    difference = first.value - second.value
    below = math.hypot(first.value - first.low, second.high - second.value)
    above = math.hypot(first.high - first.value, second.value - second.low)
    return Estimate(difference, difference - below, difference + above, min(first.n, second.n))
