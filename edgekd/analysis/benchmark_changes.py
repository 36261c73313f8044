"""Two files of pytest-benchmark, test by test: intervals that allow for what such files cannot know.

The two suites did not take turns, so the machine may have changed speed in between; how much of that is allowed for
is the caller's to say. With the seconds of every round, intervals are bootstrapped from fifty stretches of rounds,
because neighbours share the machine's mood. Without them only the median has one, from its interquartile range and
the number of rounds: its standard error is ``1.2533 s / sqrt(n)`` for a normal sample, with ``s = IQR / 1.349``
(McGill, Tukey & Larsen 1978 draw the notches of box plots with the same), which takes the rounds for independent.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from edgekd import units
from edgekd.analysis.benchmark_pairing import check_same_machine, check_same_setting, common_tests, labels_of
from edgekd.analysis.bootstrap import draw, percentile_ratio
from edgekd.analysis.change import Change, Verdict, importance, verdict_of
from edgekd.analysis.compare import Comparison, FolderComparison
from edgekd.analysis.estimators import percentile, supported_percentile
from edgekd.analysis.paired import CONFIDENCE, Interval, Rounds, latency, unpaired_change
from edgekd.errors import Incomparable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgekd.analysis.benchmark_json import BenchmarkFile, TimedTest

STRETCHES = 50
FEWEST_ROUNDS = 30  # below it neither a bootstrap nor the normal approximation knows how a median varies
MEDIAN_ERROR = 1.2533 / 1.349  # of the interquartile range over the square root of the rounds
NO_ROUNDS = "the file has no times of single rounds, so it says nothing of this percentile"
KEEP_ROUNDS = "Write the file with --benchmark-json, or with --benchmark-save and --benchmark-save-data."
COMPARED = {"p50_s": 0.5, "p95_s": 0.95}


@dataclass(frozen=True)
class Unknown:
    """Why a percentile of a test cannot be told, and what to do."""

    problem: str
    advice: str


def rounds_of(test: TimedTest) -> Rounds | None:
    """Return the times in stretches of consecutive rounds, of one process; None when the file has none."""
    if test.seconds is None:
        return None
    number = _clusters(len(test.seconds))
    return Rounds((np.asarray(test.seconds),), number, np.zeros(int(number.max()) + 1, dtype=np.int64))


def _clusters(count: int) -> NDArray[np.int64]:
    """Return the stretch of each round; few rounds are a stretch each."""
    rounds = np.arange(count, dtype=np.int64)
    return rounds * STRETCHES // count if count >= 2 * STRETCHES else rounds


def _unknown(q: float, *tests: TimedTest) -> Unknown | None:
    """Say why a percentile cannot be told from tests, if so."""
    for test in tests:
        if q != 0.5 and test.iterations > 1:
            return Unknown(
                f"each round is the mean of {test.iterations} calls, so its percentiles are not those of a call",
                "Time single calls: benchmark.pedantic(..., iterations=1), or edgekd_bundle.time_texts(benchmark).",
            )
        if q != 0.5 and test.seconds is None:
            return Unknown(NO_ROUNDS, KEEP_ROUNDS)
        if test.seconds is None and test.rounds < FEWEST_ROUNDS:
            return Unknown(f"{test.rounds} rounds without their single times are too few for an interval", KEEP_ROUNDS)
    return None


def _log_error(test: TimedTest) -> float:
    """Return the standard error of the logarithm of the median, from the interquartile range."""
    return MEDIAN_ERROR * test.iqr_s / math.sqrt(test.rounds) / test.median_s


def value_of(test: TimedTest, q: float) -> Interval | Unknown:
    """Return a percentile of one test in seconds, with a 99 % interval."""
    unknown = _unknown(q, test)
    if unknown:
        return unknown
    rounds = rounds_of(test)
    if rounds is not None:
        return latency(rounds, q)
    reach = math.exp(_z(CONFIDENCE) * _log_error(test))
    return Interval(test.median_s, test.median_s / reach, test.median_s * reach, CONFIDENCE, test.rounds)


def change_of(
    before: TimedTest, after: TimedTest, q: float, *, drift: float, relative: bool = True
) -> Interval | Unknown:
    """Return how much a percentile of a test changed, with a 99 % interval: a ratio minus 1, or seconds.

    Args:
        before: the earlier timing.
        after: the later one.
        q: which percentile, from 0 to 1.
        drift: how far the machine's speed may have moved in between, as a share; widens both ends.
        relative: a ratio minus 1, otherwise seconds.
    """
    unknown = _unknown(q, before, after)
    if unknown:
        return unknown
    old, new = rounds_of(before), rounds_of(after)
    if old is not None and new is not None:
        return unpaired_change(old, new, q, drift=drift, relative=relative)
    ratio, low, high = _ratio_of_medians(before, after, CONFIDENCE, drift)
    scale = 1.0 if relative else before.median_s
    value, low, high = ((factor - 1) * scale for factor in (ratio, low, high))
    return Interval(value, low, high, CONFIDENCE, min(before.rounds, after.rounds))


def _z(confidence: float) -> float:
    return NormalDist().inv_cdf((1 + confidence) / 2)


def _ratio_of_medians(
    before: TimedTest, after: TimedTest, confidence: float, drift: float
) -> tuple[float, float, float]:
    """Return after over before with its interval, from medians, interquartile ranges and numbers of rounds."""
    ratio = after.median_s / before.median_s
    reach = math.exp(_z(confidence) * math.hypot(_log_error(before), _log_error(after)))
    return ratio, ratio / reach / (1 + drift), ratio * reach * (1 + drift)


def compare_benchmarks(
    before: BenchmarkFile, after: BenchmarkFile, *, drift: float, allow_different_machine: bool = False
) -> FolderComparison:
    """Compare two files test by test, the most important change first.

    Args:
        before: the earlier file.
        after: the later one.
        drift: how far the machine's speed may have moved in between, as a share.
        allow_different_machine: compare although the machines differ, and say so.

    Raises:
        Incomparable: for other machines or settings, or when no test is in both files.
    """
    notes = [*before.warnings, *after.warnings]
    try:
        check_same_machine(before, after)
    except Incomparable as error:
        if not allow_different_machine:
            hint = "Run both suites on one machine, or add --allow-different-machine."
            raise Incomparable(error.message, hint=hint) from error
        notes.append(f"{error.message} The changes say little.")
    common = common_tests(before, after)
    notes.append(
        f"The suites did not take turns, so {units.rough_percent(drift)} of drift between them is allowed for. To "
        "decide a regression, use 'edgekd gate' with the two bundles."
    )
    labels = labels_of(before, after)
    pairs = [_compare_test(labels[name], before.tests[name], after.tests[name], drift, notes) for name in common]
    return FolderComparison(
        sorted(pairs, key=lambda pair: importance(pair.changes[0])),
        [labels[name] for name in before.tests if name not in after.tests],
        [labels[name] for name in after.tests if name not in before.tests],
    )


def _compare_test(label: str, before: TimedTest, after: TimedTest, drift: float, notes: list[str]) -> Comparison:
    check_same_setting(before, after)
    changes = [
        _change(metric, q, before, after, drift)
        for metric, q in COMPARED.items()
        if q == 0.5 or (_unknown(q, before, after) is None and _supported(q, before, after))
    ]
    warnings = list(notes)
    if before.seconds is None or after.seconds is None:
        warnings.append(
            f"A file has no times of single rounds: intervals are approximate, from medians and ranges. {KEEP_ROUNDS}"
        )
    if before.iterations != after.iterations:
        calls = f"{before.iterations} and {after.iterations}"
        warnings.append(f"'{after.name}': rounds are means of {calls} calls, which moves a median a little.")
    return Comparison(label, after.facts.target or "unknown target", sorted(changes, key=importance), warnings)


def _supported(q: float, *tests: TimedTest) -> bool:
    return all(supported_percentile(test.rounds, q) for test in tests)


def _change(metric: str, q: float, before: TimedTest, after: TimedTest, drift: float) -> Change:
    """Compare one percentile, with a 95 % interval."""
    unknown = _unknown(q, before, after)
    if before.seconds is not None and after.seconds is not None:
        draws = [draw(_clusters(len(side)), seed=seed) for seed, side in enumerate((after.seconds, before.seconds))]
        found = percentile_ratio(after.seconds, before.seconds, *draws, q=q)
        low, high = found.low * (1 - drift), found.high * (1 + drift)
        ratio = found.value
        sides = percentile(before.seconds, q), percentile(after.seconds, q)
    else:
        ratio, low, high = _ratio_of_medians(before, after, 0.95, drift)
        sides = before.median_s, after.median_s
    if unknown:
        return Change(metric, *sides, ratio - 1, None, None, True, Verdict.UNSURE)
    verdict = verdict_of(low - 1, high - 1, more_is_better=False)
    return Change(metric, *sides, ratio - 1, low - 1, high - 1, True, verdict)
