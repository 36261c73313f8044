"""Does a session leak? Growth of the resident set per call, from readings during many calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgekd.analysis.estimators import Estimate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.measurements import HeapPoint

MINIMUM_POINTS = 20
SETTLING_SHARE = 0.2  # allocators reach their size in the first calls
RESAMPLES = 2000
LEAK_BYTES_A_CALL = 4.0  # certainly more than this: 40 kB in 10,000 calls, ten pages


@dataclass(frozen=True)
class HeapGrowth:
    """What many calls did to memory.

    Args:
        bytes_a_call: growth of the resident set with a 95 % interval; its ``n`` is the number of calls.
        leaks: the interval lies above 4 bytes a call.
    """

    bytes_a_call: Estimate
    leaks: bool


def heap_growth(points: Sequence[HeapPoint], *, resamples: int = RESAMPLES, seed: int = 0) -> HeapGrowth | None:
    """Return the growth after the first fifth of the calls, or None with fewer than 20 readings.

    The interval is a percentile bootstrap of the increments between readings (Efron 1979): a leak grows by about as
    much each time, while an allocator that takes one large piece once does so in a single increment, which a third of
    the resamples do not draw (1/e), so its interval includes 0.
    """
    kept = list(points[int(SETTLING_SHARE * len(points)) :])
    if len(points) < MINIMUM_POINTS:
        return None
    grown = np.diff([point.rss_bytes for point in kept]).astype(np.float64)
    calls = np.diff([point.calls for point in kept]).astype(np.float64)
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, len(grown), size=(resamples, len(grown)))
    low, high = np.quantile(grown[drawn].sum(axis=1) / calls[drawn].sum(axis=1), [0.025, 0.975])
    value = float(grown.sum() / calls.sum())
    estimate = Estimate(value, min(float(low), value), max(float(high), value), int(calls.sum()))
    return HeapGrowth(estimate, estimate.low > LEAK_BYTES_A_CALL)
