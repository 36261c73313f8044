"""Latency of two sides measured in alternation, as a change with an interval. Pure: arrays in, numbers out.

A *round* is a handful of texts that both sides ran back to back; a *process* is a fresh interpreter that ran
many rounds. Drift of the clock speed hits both sides of a round alike and cancels in the ratio, which is what
duet benchmarking (Bulej et al. 2020, arXiv 2001.05811) uses as well. Memory layout is drawn once per process
(0.25 to 0.5 % of latency), so the bootstrap resamples processes first and rounds within them second (Kalibera
& Jones 2013).

Intervals are 99 % percentile-bootstrap intervals (Efron 1979) of 2,000 resamples. A bootstrap of few processes is too
narrow: its variance is (n - 1) / n of the right one, and it has the tails of a normal distribution instead of
Student's. So intervals of measurements in turns are stretched, see :func:`stretch`. They are looked at up to six
times while samples grow, so that all looks together are wrong at most 6 times in 100 (Bonferroni) in both directions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgekd.analysis.bootstrap import RESAMPLES, Draws, resampled_percentiles
from edgekd.analysis.estimators import percentile
from edgekd.analysis.processes import NORMAL, student_t

if TYPE_CHECKING:
    from numpy.typing import NDArray

CONFIDENCE = 0.99
TRIM = 0.2


@dataclass(frozen=True)
class Interval:
    """A value with its interval and the number of observations on each side."""

    value: float
    low: float
    high: float
    confidence: float
    n: int


@dataclass(frozen=True)
class Rounds:
    """Calls in rounds: ``seconds[side][i]`` and ``round[i]`` belong to call ``i``; sides share the texts."""

    seconds: tuple[NDArray[np.float64], ...]
    round: NDArray[np.int64]  # from 0, shape (calls,)
    process: NDArray[np.int64]  # of each round, from 0, shape (rounds,)

    @property
    def processes(self) -> int:
        """Number of processes."""
        return int(self.process.max()) + 1

    @property
    def calls(self) -> int:
        """Number of calls on each side."""
        return len(self.round)


def nested_draws(rounds: Rounds, *, resamples: int = RESAMPLES, seed: int = 0) -> Draws:
    """Draw processes with replacement, then within each drawn process as many rounds as it has."""
    rng = np.random.default_rng(seed)
    processes = rounds.processes
    drawn = rng.multinomial(processes, np.full(processes, 1 / processes), size=resamples)
    counts = np.zeros((resamples, len(rounds.process)), dtype=np.int32)
    for process in range(processes):
        members = np.flatnonzero(rounds.process == process)
        times = drawn[:, process] * len(members)
        counts[:, members] = rng.multinomial(times, np.full(len(members), 1 / len(members)))
    return Draws(rounds.round, counts)


def round_log_ratios(rounds: Rounds) -> NDArray[np.float64]:
    """Return log(median candidate / median baseline) of every round; the baseline is side 0."""
    order = np.argsort(rounds.round, kind="stable")
    edges = np.flatnonzero(np.diff(rounds.round[order])) + 1
    medians = [[float(np.median(part)) for part in np.split(seconds[order], edges)] for seconds in rounds.seconds]
    return np.asarray(np.log(medians[1]) - np.log(medians[0]))


def trimmed_means(values: NDArray[np.float64], counts: NDArray[np.int32], share: float = TRIM) -> NDArray[np.float64]:
    """Return the trimmed mean of each resample, where ``counts[b, i]`` says how often value ``i`` was drawn.

    A value that lies across the cut counts with the part inside, so that unit counts give the plain trimmed
    mean whenever ``share * n`` is a whole number.
    """
    order = np.argsort(values, kind="stable")
    weights = counts[:, order].astype(np.float64)
    upper = np.cumsum(weights, axis=1)
    total = upper[:, -1:]
    inside = np.minimum(upper, (1 - share) * total) - np.maximum(upper - weights, share * total)
    inside = np.clip(inside, 0, None)
    return np.asarray(inside @ values[order] / inside.sum(axis=1))


def stretch(processes: int) -> float:
    """Return by how much an interval from a bootstrap of so many processes is too narrow: 2.6 times for 4, 1.7 for 6.

    It is exact where the differences between processes are all there is, and too careful where they are nothing.
    One process tells nothing about others; its interval stays as it is.
    """
    if processes < 2:
        return 1.0
    spread = math.sqrt((processes - 1) / processes)
    return student_t(processes - 1, CONFIDENCE) / (NORMAL[CONFIDENCE] * spread)


def _interval(value: float, resampled: NDArray[np.float64], n: int, factor: float = 1.0) -> Interval:
    tail = (1 - CONFIDENCE) / 2
    low, high = (value + factor * (end - value) for end in np.quantile(resampled, [tail, 1 - tail]))
    return Interval(float(value), float(low), float(high), CONFIDENCE, n)


def latency(rounds: Rounds, q: float, *, side: int = 0, resamples: int = RESAMPLES) -> Interval:
    """Return the ``q``-quantile of one side's latency in seconds."""
    seconds = rounds.seconds[side]
    resampled = resampled_percentiles(seconds, nested_draws(rounds, resamples=resamples), [q])[:, 0]
    return _interval(percentile(seconds, q), resampled, rounds.calls, stretch(rounds.processes))


def median_change(rounds: Rounds, *, resamples: int = RESAMPLES) -> Interval:
    """Return the relative change of the median: exp(20 % trimmed mean of the rounds' log ratios) - 1."""
    ratios = round_log_ratios(rounds)
    draws = nested_draws(rounds, resamples=resamples)
    value = trimmed_means(ratios, np.ones((1, len(ratios)), dtype=np.int32))[0]
    found = _interval(value, trimmed_means(ratios, draws.counts), rounds.calls, stretch(rounds.processes))
    low, middle, high = (float(np.expm1(end)) for end in (found.low, found.value, found.high))
    return Interval(middle, low, high, found.confidence, found.n)


def percentile_change(rounds: Rounds, q: float, *, relative: bool = True, resamples: int = RESAMPLES) -> Interval:
    """Return how much the candidate's ``q``-quantile differs: a ratio minus 1, or seconds.

    Each side's quantile is that of all its calls; both sides are resampled by the same draws.
    """
    draws = nested_draws(rounds, resamples=resamples)
    baseline, candidate = (resampled_percentiles(side, draws, [q])[:, 0] for side in rounds.seconds)
    before, after = (percentile(side, q) for side in rounds.seconds)
    if relative:
        return _interval(after / before - 1, candidate / baseline - 1, rounds.calls, stretch(rounds.processes))
    return _interval(after - before, candidate - baseline, rounds.calls, stretch(rounds.processes))


def unpaired_change(baseline: Rounds, candidate: Rounds, q: float, *, drift: float, relative: bool = True) -> Interval:
    """Return the change between two measurements that did not alternate (side 0 of each).

    Args:
        baseline: the earlier measurement.
        candidate: the later measurement.
        q: which quantile.
        drift: how far the machine's speed may have moved in between, as a share; widens both ends.
        relative: a ratio minus 1, otherwise seconds.
    """
    before, after = baseline.seconds[0], candidate.seconds[0]
    spread_before = resampled_percentiles(before, nested_draws(baseline, seed=0), [q])[:, 0]
    spread_after = resampled_percentiles(after, nested_draws(candidate, seed=1), [q])[:, 0]
    start, end = percentile(before, q), percentile(after, q)
    n = min(baseline.calls, candidate.calls)
    ratio = _interval(end / start, spread_after / spread_before, n)
    ratio = Interval(ratio.value, ratio.low / (1 + drift), ratio.high * (1 + drift), ratio.confidence, n)
    scale = 1.0 if relative else start
    value, low, high = ((factor - 1) * scale for factor in (ratio.value, ratio.low, ratio.high))
    return Interval(value, low, high, ratio.confidence, n)
