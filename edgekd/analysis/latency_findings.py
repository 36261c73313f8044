"""What the timed calls themselves say against a result. Pure; each threshold with its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgekd import units
from edgekd.analysis.by_length import relative_latency
from edgekd.analysis.estimators import needed_samples, percentile, supported_percentile
from edgekd.analysis.finding import Finding, Severity
from edgekd.analysis.modes import find_modes
from edgekd.analysis.trend import block_levels, relative_change

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgekd.results import BenchResult

TAIL = 0.95  # the percentile that budgets are about
MODES_APART = 1.1  # below 10 % apart the p50 is nearly the same wherever it falls
DRIFT = 0.05  # the p50 of the beginning and of the end are two numbers then
OUTLIER = 3.0  # times the usual latency: no text does that, interruptions of milliseconds do
OUTLIER_SHARE = 0.01  # more decide the p99
OVERHEAD_SHARE = 0.05  # of the p50: two microseconds in forty
PROCESS_SPREAD = 0.03  # what memory layout alone is known to do (Mytkowicz et al. 2009)
PERMUTATIONS = 500
LEVEL = 0.01


def few_samples(result: BenchResult) -> Finding | None:
    """Report too few calls for a median, or for the 95th percentile."""
    calls = len(result.samples.total_s)
    advice = "raise --passes, --max-texts or --max-seconds, or give more texts"
    for q, severity in ((0.5, Severity.INVALID), (TAIL, Severity.WARNING)):
        if not supported_percentile(calls, q):
            wanted = f"at least {needed_samples(q)} for p{round(100 * q)}"
            return Finding("few-samples", severity, f"{calls} timed calls", wanted, advice)
    return None


def two_modes(result: BenchResult) -> Finding | None:
    """Report latencies of two kinds that the length of the texts does not explain."""
    modes = find_modes(relative_latency(result.samples))
    if modes is None or modes.ratio < MODES_APART:
        return None
    share, ratio = units.rough_percent(modes.slow_share), units.tiny(modes.ratio)
    measured = f"{share} of the calls take {ratio} times as long as the others"
    advice = (
        "something switches: the clock, a second process on the core, cold caches; look at p50 and p95 together, "
        "measure on a quiet machine with a fixed clock"
    )
    return Finding("two-modes", Severity.WARNING, measured, "one kind of calls", advice)


def drift(result: BenchResult) -> Finding | None:
    """Report a p50 that moves in the course of the measurement."""
    change = relative_change(block_levels(result.samples)[0])
    if change is None or (change.low <= DRIFT and change.high >= -DRIFT):
        return None
    bounds = (change.low, change.high)
    interval = units.relative_interval(*bounds)
    measured = f"p50 {units.relative(change.value, *bounds)} from the first to the last block ({interval})"
    advice = (
        "the machine warms up or its load changes: let it settle, cool it, or measure longer (--scenario sustained)"
    )
    return Finding("drift", Severity.WARNING, measured, f"within {units.rough_percent(DRIFT)}", advice)


def outliers(result: BenchResult) -> Finding | None:
    """Report many calls that take several times what texts of their length usually take."""
    relative = relative_latency(result.samples)
    if len(relative) == 0:
        return None
    share = float((relative > OUTLIER).mean())
    if share <= OUTLIER_SHARE:
        return None
    measured = f"{units.rough_percent(share)} of the calls take more than {OUTLIER:g} times as long as usual"
    advice = "interruptions decide p99 and above, not the model: stop other programs, keep a core free"
    return Finding("outliers", Severity.WARNING, measured, f"at most {units.rough_percent(OUTLIER_SHARE)}", advice)


def harness_overhead(result: BenchResult) -> Finding | None:
    """Report a timing loop that costs a visible part of what it measures."""
    if result.harness is None or not result.samples.total_s:
        return None
    share = result.harness.overhead_s / percentile(result.samples.total_s, 0.5)
    if share <= OVERHEAD_SHARE:
        return None
    overhead = units.short_duration(result.harness.overhead_s)
    measured = f"the timing loop takes {overhead}, {units.rough_percent(share)} of the p50"
    advice = "the model is a little faster than shown; throughput (--scenario offline) does not have this cost"
    return Finding(
        "harness-overhead", Severity.INFO, measured, f"at most {units.rough_percent(OVERHEAD_SHARE)}", advice
    )


def processes_differ(result: BenchResult) -> Finding | None:
    """Report processes that differ more than their blocks explain.

    The statistic is the variance of the processes' mean levels, weighted by blocks (the numerator of the analysis of
    variance); 500 random exchanges of blocks between the processes say what it would be by chance (Fisher 1935).
    """
    levels, process = block_levels(result.samples)
    names, which = np.unique(process, return_inverse=True)
    if len(names) < 2 or np.bincount(which).min() < 2:
        return None
    logs = np.log(levels)
    middles = [float(np.median(levels[which == number])) for number in range(len(names))]
    spread = max(middles) / min(middles) - 1
    if spread <= PROCESS_SPREAD or _by_chance(logs, which) >= LEVEL:
        return None
    measured = f"the p50 of {len(names)} processes differs by {units.rough_percent(spread)}, more than their blocks do"
    advice = "each start is a draw; the interval covers it, more processes (--processes) make it narrower"
    return Finding(
        "processes-differ", Severity.INFO, measured, f"at most {units.rough_percent(PROCESS_SPREAD)}", advice
    )


def _by_chance(logs: NDArray[np.float64], which: NDArray[np.int64]) -> float:
    """Return the share of exchanges that spread the processes at least as much."""
    sizes = np.bincount(which)

    def spread(values: NDArray[np.float64]) -> float:
        means = np.bincount(which, weights=values) / sizes
        return float(sizes @ (means - values.mean()) ** 2)

    seen = spread(logs)
    rng = np.random.default_rng(0)
    as_much = sum(spread(rng.permutation(logs)) >= seen for _ in range(PERMUTATIONS))
    return (1 + as_much) / (1 + PERMUTATIONS)
