"""What the scenarios say: throughput, latency under load, cold starts, latency over length. Pure: records in.

Sustained load has a module of its own, :mod:`edgekd.analysis.sustained`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from edgekd.analysis.bootstrap import MINIMUM_CLUSTERS, RESAMPLES, draw, percentile_estimates
from edgekd.analysis.estimators import Estimate, percentile, supported_percentile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edgekd.measurements import ColdStart, LengthPoint, OfflinePoint, ServerPoint

CONFIDENCE = 0.95
NEAR_BEST = 0.95  # of the highest throughput: a smaller batch that reaches it answers sooner
LINEAR_WITHIN = 0.15  # of the line: more than noise of a median


def median_estimate(values: Sequence[float]) -> Estimate | None:
    """Return the median with a 95 % interval between two of the values; None for fewer than six.

    Assumes nothing about the distribution: the k-th smallest and the k-th largest of n enclose the true median with
    probability 1 - 2 P(Binomial(n, 1/2) < k) (Conover, Practical Nonparametric Statistics, 1999, section 3.2).
    """
    ordered, n, k = sorted(values), len(values), 0
    tail = 0.0
    while 2 * (tail := tail + math.comb(n, k) / 2**n) <= 1 - CONFIDENCE:
        k += 1
    return Estimate(percentile(ordered, 0.5), ordered[k - 1], ordered[n - k], n) if k else None


@dataclass(frozen=True)
class Throughput:
    """Texts a second of one batch size, over its repetitions."""

    batch_size: int
    by_length: bool
    per_s: Estimate | None


def throughputs(points: Sequence[OfflinePoint]) -> list[Throughput]:
    """Return the throughput of every batch size."""
    return [
        Throughput(
            point.batch_size,
            point.by_length,
            median_estimate([count / seconds for count, seconds in zip(point.texts, point.seconds, strict=True)]),
        )
        for point in points
    ]


def best_batch(rates: Sequence[Throughput], *, by_length: bool) -> Throughput | None:
    """Return the smallest batch that reaches 95 % of the highest throughput.

    A batch of 1 has no order, so it is a candidate of both.
    """
    known = [r for r in rates if r.per_s is not None and (r.batch_size == 1 or r.by_length == by_length)]
    highest = max((r.per_s.value for r in known if r.per_s), default=0.0)
    enough = [r for r in known if r.per_s and r.per_s.value >= NEAR_BEST * highest]
    return min(enough, key=lambda r: r.batch_size, default=None)


@dataclass(frozen=True)
class Load:
    """Latency from arrival to answer at one rate; None for a percentile that too few texts support, or none could."""

    rate_per_s: float
    load_share: float | None  # asked for; None: the rate was given
    texts: int
    utilisation: float  # rate x mean time of work: the share of the time that the process is at work
    waited: float  # share of the texts that had to wait
    p50: Estimate | None
    p95: Estimate | None
    p99: Estimate | None

    @property
    def saturated(self) -> bool:
        """True when more arrives than can be answered: the queue grows, and percentiles tell how long it was watched.

        A queue is stable when the arrival rate times the mean time of work is below 1 (Loynes 1962).
        """
        return self.utilisation >= 1


def load(point: ServerPoint, *, resamples: int = RESAMPLES, seed: int = 0) -> Load:
    """Return what one rate says.

    Percentiles have bootstrap intervals over busy periods: each begins with a text that finds nobody waiting, so what
    happens in one does not depend on the others (regenerative method, Crane and Iglehart 1975). With fewer than ten
    of them there is no interval to be had, and no percentile is shown.
    """
    work = [total - waited for total, waited in zip(point.total_s, point.waited_s, strict=True)]
    periods = busy_periods(point)
    count = len(point.total_s)
    found: dict[float, Estimate] = {}
    utilisation = point.rate_per_s * fmean(work)
    supported = [q for q in (0.5, 0.95, 0.99) if supported_percentile(count, q) and utilisation < 1]
    if supported and periods[-1] + 1 >= MINIMUM_CLUSTERS:
        draws = draw(np.asarray(periods, dtype=np.int64), resamples=resamples, seed=seed)
        found = dict(zip(supported, percentile_estimates(point.total_s, draws, supported), strict=True))
    return Load(
        rate_per_s=point.rate_per_s,
        load_share=point.load_share,
        texts=count,
        utilisation=utilisation,
        waited=1 - len(set(periods)) / count,
        p50=found.get(0.5),
        p95=found.get(0.95),
        p99=found.get(0.99),
    )


def busy_periods(point: ServerPoint) -> list[int]:
    """Return the busy period, from 0, of every text: it begins when a text arrives after all others are answered."""
    numbers, period, first = [], -1, 0
    for size in point.rounds:
        answered = -math.inf
        for i in range(first, first + size):
            period += point.arrival_s[i] >= answered
            numbers.append(period)
            answered = point.arrival_s[i] + point.total_s[i]
        first += size
    return numbers


@dataclass(frozen=True)
class Start:
    """Medians of cold starts, in seconds; None for fewer than six."""

    cached: bool
    starts: int
    whole: Estimate | None
    interpreter: (
        Estimate | None
    )  # what is neither import nor load nor answer: process, Python, a message there and back
    imports: Estimate | None
    load: Estimate | None
    first_answer: Estimate | None


def starts(records: Sequence[ColdStart]) -> list[Start]:
    """Return the medians with the files in the page cache and without, as far as there are such starts."""
    found = []
    for cached in (True, False):
        mine = [r for r in records if r.cached == cached]
        if mine:
            rest = [r.spawned_s - r.import_s - r.load_s - r.first_answer_s for r in mine]
            found.append(
                Start(
                    cached=cached,
                    starts=len(mine),
                    whole=median_estimate([r.spawned_s for r in mine]),
                    interpreter=median_estimate(rest),
                    imports=median_estimate([r.import_s for r in mine]),
                    load=median_estimate([r.load_s for r in mine]),
                    first_answer=median_estimate([r.first_answer_s for r in mine]),
                )
            )
    return found


@dataclass(frozen=True)
class Scaling:
    """Median latency over the length of the text, and the line through it."""

    tokens: list[int]
    p50: list[Estimate]
    per_token: Estimate  # seconds
    fixed: Estimate  # seconds of a text without tokens
    off_line: float  # largest distance of a median from the line, as a share of the line

    @property
    def is_linear(self) -> bool:
        """True when the line tells the whole."""
        return self.off_line <= LINEAR_WITHIN


def scaling(points: Sequence[LengthPoint], *, resamples: int = RESAMPLES, seed: int = 0) -> Scaling | None:
    """Fit ``latency = fixed + per_token * tokens`` to the medians; None for fewer than three lengths.

    Least squares of relative errors (weights 1 / median^2), because a millisecond more weighs little at 256 tokens and
    much at 8. Intervals by a bootstrap over the calls of each length.
    """
    if len(points) < 3:
        return None
    rng = np.random.default_rng(seed)
    medians, spreads = [], []
    for point in points:
        values = np.asarray(point.total_s)
        medians.append(float(np.median(values)))
        spreads.append(np.median(rng.choice(values, size=(resamples, len(values))), axis=1))
    tokens = np.array([point.tokens for point in points], dtype=np.float64)
    observed, spread = np.array(medians), np.stack(spreads, axis=1)
    weights = 1 / observed**2
    fixed, slope = (float(v[0]) for v in _line(tokens, observed[None], weights))
    fixed_spread, slope_spread = _line(tokens, spread, weights)
    calls = sum(len(point.total_s) for point in points)
    line = fixed + slope * tokens
    return Scaling(
        tokens=[point.tokens for point in points],
        p50=[Estimate(middle, *_interval(spread[:, i]), len(points[i].total_s)) for i, middle in enumerate(medians)],
        per_token=Estimate(slope, *_interval(slope_spread), calls),
        fixed=Estimate(fixed, *_interval(fixed_spread), calls),
        off_line=float(np.max(np.abs(observed - line) / line)) if np.all(line > 0) else math.inf,
    )


def _line(
    x: NDArray[np.float64], y: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return intercepts and slopes of weighted least squares for each row of ``y``, shape ``(rows, len(x))``."""
    share = weights / weights.sum()
    x_mean, y_mean = share @ x, y @ share
    slope = ((y - y_mean[:, None]) * (x - x_mean)) @ share / (share @ (x - x_mean) ** 2)
    return y_mean - slope * x_mean, slope


def _interval(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)
