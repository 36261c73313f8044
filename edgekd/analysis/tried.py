"""What was measured of one candidate of compression, against its base and the limits. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from edgekd.analysis.estimators import Estimate, percentile, supported_percentile
from edgekd.analysis.latency_ratio import latency_ratio
from edgekd.analysis.paired_quality import score_change
from edgekd.analysis.sums import text_sums
from edgekd.errors import Incomparable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.analysis.paired import Interval
    from edgekd.results import BenchResult

SMALLER = 0.98  # of the bytes; what differs less counts as the same size
FASTER = 0.97  # of the median latency; processes of one and the same bundle differ by up to 3 % here
ROUNDING = 1e-12  # one of 100 texts is a hundredth, whatever floating point says


class Outcome(Enum):
    """What the 95 % interval of the change of the main score says about the allowed loss."""

    WITHIN = "proven within"
    BEYOND = "proven beyond"
    UNSURE = "cannot tell"
    UNKNOWN = "not measured"

    @property
    def rank(self) -> int:
        """Higher is better; a score that was not measured counts like one that proves nothing."""
        return 2 if self is Outcome.WITHIN else 0 if self is Outcome.BEYOND else 1


@dataclass(frozen=True)
class Limits:
    """What a variant may cost on the target; None is unlimited."""

    p95_s: float | None = None
    size_bytes: float | None = None
    peak_rss_bytes: float | None = None

    @property
    def given(self) -> dict[str, float]:
        """Those that there are."""
        return {name: value for name, value in vars(self).items() if value is not None}


@dataclass(frozen=True)
class Tried:
    """One variant: how it compares with its base, and which limits it misses."""

    result: BenchResult
    ratio: Estimate | None  # median latency / that of the base; None: not measured, or it says nothing here
    change: Interval | None  # main score - that of the base
    outcome: Outcome
    size_ratio: float  # bytes / those of the base
    max_drop: float  # of the main score
    problems: Sequence[str] = ()
    misses: dict[str, float] = field(default_factory=dict)  # limit -> value / limit; infinite when it is not known

    @property
    def name(self) -> str:
        """Of the variant."""
        return self.result.variant

    @property
    def meets_limits(self) -> bool:
        """True when no limit is missed."""
        return not self.misses

    @property
    def loses_too_much(self) -> bool:
        """True when the loss itself, whatever its interval, is more than allowed."""
        return self.change is not None and self.change.value < -self.max_drop - ROUNDING

    @property
    def is_faster(self) -> bool:
        """True when the whole interval of the latency ratio lies below 1, and it is no trifle."""
        return self.ratio is not None and self.ratio.high < 1 and self.ratio.value <= FASTER

    @property
    def is_slower(self) -> bool:
        """The same above 1."""
        return self.ratio is not None and self.ratio.low > 1 and self.ratio.value >= 1 / FASTER

    @property
    def is_smaller(self) -> bool:
        """True below 0.98 of the base's bytes."""
        return self.size_ratio < SMALLER

    @property
    def is_larger(self) -> bool:
        """True above 1 / 0.98 of the base's bytes."""
        return self.size_ratio > 1 / SMALLER


def score_outcome(base: BenchResult, candidate: BenchResult, max_drop: float) -> tuple[Interval | None, Outcome]:
    """Return the change of the main score with its paired 95 % interval, and what it says about ``max_drop``.

    Proven within: the lower end loses no more than allowed; proven beyond: the upper end loses more.

    Raises:
        Incomparable: when both did not answer the same texts.
    """
    before, after = base.quality, candidate.quality
    if before.targets != after.targets or len(before.predictions) != len(after.predictions):
        raise Incomparable(
            f"Cannot compare '{base.variant}' with '{candidate.variant}': they did not answer the same texts."
        )
    if not before.targets:
        return None, Outcome.UNKNOWN
    change = score_change(before.as_task, before.targets, before.predictions, after.predictions)
    if change.low >= -max_drop - ROUNDING:
        return change, Outcome.WITHIN
    return change, Outcome.BEYOND if change.high < -max_drop - ROUNDING else Outcome.UNSURE


def missed_limits(result: BenchResult, limits: Limits, *, timed: bool = True) -> dict[str, float]:
    """Return value / limit of each limit that is missed; infinite where the value cannot be said.

    The 95th percentile needs 130 calls; see :func:`edgekd.analysis.estimators.needed_samples`.
    """
    p95 = latency_percentile(result, 0.95) if timed else None
    values = {"p95_s": p95, "size_bytes": result.size_bytes, "peak_rss_bytes": result.memory.peak_rss_bytes}
    shares = {
        name: math.inf if value is None else value / limit
        for name, limit in limits.given.items()
        for value in [values[name]]
    }
    return {name: share for name, share in shares.items() if share > 1}


def main_score(result: BenchResult) -> float | None:
    """Return the score that decides; None without true values."""
    quality = result.quality
    return text_sums(quality.as_task, quality.targets, quality.predictions).value() if quality.targets else None


def latency_percentile(result: BenchResult, q: float) -> float | None:
    """Return a percentile of the latency in seconds; None when the calls are too few for it."""
    calls = result.samples.total_s
    return percentile(calls, q) if supported_percentile(len(calls), q) else None


def examine(
    base: BenchResult,
    candidate: BenchResult,
    *,
    max_drop: float,
    limits: Limits,
    problems: Sequence[str] = (),
    timed: bool = True,
) -> Tried:
    """Compare a candidate with its base, or the base with itself.

    Args:
        base: the uncompressed model.
        candidate: measured in the same session.
        max_drop: allowed loss of the main score.
        limits: of the target.
        problems: what makes it useless, such as a class that is never predicted.
        timed: False when its latency on this machine says nothing about the target.

    Raises:
        Incomparable: see :func:`score_outcome`.
    """
    if candidate is base:
        change, outcome = None, Outcome.WITHIN
        ratio: Estimate | None = Estimate(1.0, 1.0, 1.0, len(base.samples.total_s))
        if latency_percentile(base, 0.5) is None:
            ratio = None
    else:
        change, outcome = score_outcome(base, candidate, max_drop)
        ratio = latency_ratio(base, candidate) if timed else None
    size_ratio = candidate.size_bytes / base.size_bytes
    missed = missed_limits(candidate, limits, timed=timed)
    return Tried(candidate, ratio, change, outcome, size_ratio, max_drop, tuple(problems), missed)
