"""One quantity before and after: the change, its interval, and what it means."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Verdict(str, Enum):
    """What a change means for the user."""

    WORSE = "worse"
    BETTER = "better"
    SAME = "same"
    UNSURE = "cannot tell"


ORDER = {Verdict.WORSE: 0, Verdict.BETTER: 1, Verdict.UNSURE: 2, Verdict.SAME: 3}
Bounds = tuple[float, float]


@dataclass(frozen=True)
class Change:
    """One quantity before and after.

    ``relative`` changes are shares of the value before (0.05 is 5 % more); the others are differences.
    ``low`` and ``high`` are the 95 % interval of the change, ``None`` for a quantity that was read once.
    """

    metric: str  # column key of the report: "p50_s", "size_bytes", "accuracy"...
    before: float
    after: float
    change: float
    low: float | None
    high: float | None
    relative: bool
    verdict: Verdict
    before_bounds: Bounds | None = None  # 95 % interval of the value itself
    after_bounds: Bounds | None = None
    detail: str = ""  # of what: the core whose instructions were counted, the source of the energy


def verdict_of(low: float, high: float, *, more_is_better: bool) -> Verdict:
    """Say what a change with this interval means; an interval that contains 0 says nothing."""
    if low <= 0 <= high:
        return Verdict.UNSURE
    return Verdict.BETTER if (low > 0) == more_is_better else Verdict.WORSE


# How much a change weighs beside one of latency or size. A point of accuracy or F1, or a hundredth of a correlation,
# weighs as much as ten per cent of anything else; a load time is paid once, and read once.
SCORE_WEIGHT = 10.0
WEIGHTS = {"load_time_s": 0.1, "peak_rss_bytes": 0.5, "steady_rss_bytes": 0.4}


def importance(change: Change) -> tuple[int, float]:
    """Return the sort key of a change: worse ones first, then better ones, the weightiest first."""
    weight = WEIGHTS.get(change.metric, 1.0) if change.relative else SCORE_WEIGHT
    return ORDER[change.verdict], -weight * abs(change.change)
