"""The median and its interval, without numpy."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["median", "median_interval"]


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """Return an interval that contains the median with a probability of at least 95 %.

    Two of the sorted values: the number of values below the median is binomial with p = 1/2 (Conover, Practical
    Nonparametric Statistics, section 3.2). With fewer than six values their range is returned, whose probability is
    smaller.
    """
    ordered = sorted(values)
    n = len(ordered)
    below = 0  # values outside on each side
    tail = 0.5**n
    total = tail
    while total <= 0.025:
        below += 1
        tail *= (n - below + 1) / below
        total += tail
    outside = max(0, below - 1)
    return ordered[outside], ordered[n - 1 - outside]
