"""Means over seeds with Student's t intervals."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from edgekd.analysis.estimators import Estimate

if TYPE_CHECKING:
    from collections.abc import Sequence


def t_quantile(degrees: int, confidence: float = 0.95) -> float:
    """Return the two-sided quantile of Student's t distribution: P(|T| <= q) = ``confidence``.

    For whole degrees of freedom that probability is a finite series in cos and sin of atan(q / sqrt(degrees))
    (Abramowitz & Stegun 1964, 26.7.3 and 26.7.4), which is inverted by bisection.

    Raises:
        ValueError: when ``degrees`` is below 1 or ``confidence`` is outside (0, 1).
    """
    if degrees < 1 or not 0 < confidence < 1:
        raise ValueError(f"no t quantile for {degrees} degrees of freedom and a confidence of {confidence}")
    low, high = 0.0, math.pi / 2
    while True:
        middle = (low + high) / 2
        if middle in {low, high}:
            return math.sqrt(degrees) * math.tan(middle)
        if _inside(middle, degrees) < confidence:
            low = middle
        else:
            high = middle


def _inside(angle: float, degrees: int) -> float:
    """Return P(|T| <= sqrt(degrees) tan(angle))."""
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = degrees % 2
    term, total = (cosine, 0.0) if odd else (1.0, 0.0)
    for k in range(1 + odd, degrees, 2):  # the factors (k / (k + 1)) cos^2 of one term after another
        total += term
        term *= k / (k + 1) * cosine * cosine
    return 2 / math.pi * (angle + sine * total) if odd else sine * total


def mean_interval(values: Sequence[float]) -> Estimate | None:
    """Return the mean over seeds with its 95 % interval, mean -+ t s / sqrt(n); ``None`` for fewer than two values.

    It says how the score varies with the seed, on these texts.
    """
    n = len(values)
    if n < 2:
        return None
    mean = float(np.mean(values))
    half = t_quantile(n - 1) * float(np.std(values, ddof=1)) / math.sqrt(n)
    return Estimate(mean, mean - half, mean + half, n)
