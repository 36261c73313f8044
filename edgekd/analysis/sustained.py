"""What minutes of load did to the latency, and whether the machine held itself back. Pure: records in."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from itertools import combinations
from statistics import median
from typing import TYPE_CHECKING

from edgekd.analysis.estimators import Z_95, Estimate
from edgekd.processor import SINCE_BOOT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.measurements import SustainedSlice

FEWEST_SLICES = 10
MOST_POINTS = 30  # of the trend: slices are joined, because neighbours are alike
DRIFT = 0.05  # of the latency over the whole run; less is lost among what else moves a machine
CLOCK_DROP = 0.05  # of the clock; boost clocks move by one or two steps all the time


class Verdict(str, Enum):
    """What is to be made of a sustained measurement."""

    STEADY = "steady"
    SLOWER = "slower with time"
    FASTER = "faster with time"
    THROTTLED = "throttled: not comparable"
    TOO_SHORT = "too short"


@dataclass(frozen=True)
class Endurance:
    """A variant under sustained load."""

    verdict: Verdict
    seconds: float
    calls: int
    first_p50_s: float  # of the first tenth of the slices
    last_p50_s: float  # of the last tenth
    worst_p95_s: float  # of any slice
    drift: Estimate | None  # change of the p50 from the start to the end of the run, relative to its median
    clock_hz: tuple[float, float] | None  # highest and lowest, where the machine tells
    temperature_c: tuple[float, float] | None  # first and highest, where the machine tells
    throttled: list[str]  # flags that came up during the run
    waited_share: float | None  # median of the slices: the process was ready and others had the processor


def endurance(slices: Sequence[SustainedSlice]) -> Endurance | None:
    """Return what the slices say; None when there are none.

    Throttled is who says so, and whose clock fell by 5 % or more while the latency rose by 5 % or more. Slower or
    faster with time is a change of 5 % or more whose interval excludes 0.
    """
    if not slices:
        return None
    tenth = max(1, len(slices) // 10)
    first = median(s.p50_s for s in slices[:tenth])
    last = median(s.p50_s for s in slices[-tenth:])
    drift = relative_drift(slices)
    clocks = [s.moment.clock_hz for s in slices if s.moment.clock_hz is not None]
    warmth = [s.moment.temperature_c for s in slices if s.moment.temperature_c is not None]
    waited = [s.moment.waited_share for s in slices if s.moment.waited_share is not None]
    flags = dict.fromkeys(f for s in slices for f in s.moment.throttled if not f.endswith(SINCE_BOOT))
    return Endurance(
        verdict=_verdict(list(flags), clocks, drift),
        seconds=slices[-1].start_s + slices[-1].seconds - slices[0].start_s,
        calls=sum(s.calls for s in slices),
        first_p50_s=first,
        last_p50_s=last,
        worst_p95_s=max(s.p95_s for s in slices),
        drift=drift,
        clock_hz=(max(clocks), min(clocks)) if clocks else None,
        temperature_c=(warmth[0], max(warmth)) if warmth else None,
        throttled=list(flags),
        waited_share=median(waited) if waited else None,
    )


def _verdict(flags: Sequence[str], clocks: Sequence[float], drift: Estimate | None) -> Verdict:
    if flags:
        return Verdict.THROTTLED
    if drift is None:
        return Verdict.TOO_SHORT
    if abs(drift.value) < DRIFT or drift.low <= 0 <= drift.high:
        return Verdict.STEADY
    if drift.value < 0:
        return Verdict.FASTER
    return Verdict.THROTTLED if _fell(clocks) else Verdict.SLOWER


def _fell(clocks: Sequence[float]) -> bool:
    """Tell whether the clock of the last tenth is lower than that of the first."""
    tenth = max(1, len(clocks) // 10)
    return bool(clocks) and median(clocks[-tenth:]) <= (1 - CLOCK_DROP) * median(clocks[:tenth])


def relative_drift(slices: Sequence[SustainedSlice]) -> Estimate | None:
    """Return the change of the p50 over the run, as a share of its median; None for fewer than ten slices.

    The slope is Theil's and Sen's: the median of the slopes of all pairs; a few bad slices do not move it. The interval
    is Sen's (1968), from the normal approximation of Kendall's statistic. Slices are joined to 30 at most, because the
    noise of neighbours goes together and the interval takes it as independent.
    """
    if len(slices) < FEWEST_SLICES:
        return None
    step = math.ceil(len(slices) / MOST_POINTS)
    groups = [slices[i : i + step] for i in range(0, len(slices), step)]
    points = [(median(s.start_s for s in group), median(s.p50_s for s in group)) for group in groups]
    slopes = sorted((b[1] - a[1]) / (b[0] - a[0]) for a, b in combinations(points, 2))
    n = len(points)
    half = Z_95 * math.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    low = max(0, math.floor((len(slopes) - half) / 2))
    high = min(len(slopes) - 1, math.ceil((len(slopes) + half) / 2))
    scale = (slices[-1].start_s + slices[-1].seconds - slices[0].start_s) / median(s.p50_s for s in slices)
    return Estimate(median(slopes) * scale, slopes[low] * scale, slopes[high] * scale, n)
