"""Two results of the same model line, quantity by quantity: what changed, and whether that is sure."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from edgekd.analysis.bootstrap import RESAMPLES
from edgekd.analysis.change import Change, Verdict, importance, verdict_of
from edgekd.analysis.comparable import Mismatch, check_comparable, fact_changes
from edgekd.analysis.compare_counts import energy_changes, instruction_changes
from edgekd.analysis.compare_sides import flips_between, side_of
from edgekd.analysis.paired_quality import score_change
from edgekd.analysis.stats import speed_up, summarize
from edgekd.analysis.sums import text_sums
from edgekd.errors import Incomparable
from edgekd.results import Evidence
from edgekd.score_text import ERRORS
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from edgekd.analysis.change import Bounds
    from edgekd.analysis.comparable import FactChange
    from edgekd.analysis.compare_sides import Flips, Side
    from edgekd.analysis.stats import Estimate, Summary
    from edgekd.results import BenchResult


@dataclass(frozen=True)
class Comparison:
    """One variant before and after; changes with the most important first."""

    variant: str
    target: str
    changes: list[Change]
    warnings: list[str]
    before: Side | None = None  # None: not results of edgekd
    after: Side | None = None
    machine: list[FactChange] = field(default_factory=list)
    flips: Flips | None = None  # None: a regression, whose values always differ


@dataclass(frozen=True)
class Refused:
    """A variant of both sides that cannot be compared."""

    name: str  # target/variant
    reason: str
    advice: str


@dataclass(frozen=True)
class FolderComparison:
    """Two sets of results."""

    pairs: list[Comparison]  # the most important first
    only_before: list[str]
    only_after: list[str]
    refused: list[Refused] = field(default_factory=list)

    @property
    def counts(self) -> dict[Verdict, int]:
        """How many changes ended how, over all pairs."""
        found = Counter(change.verdict for pair in self.pairs for change in pair.changes)
        return {verdict: found[verdict] for verdict in Verdict}


# Scores that are compared; the main one first.
COMPARED = {
    TaskKind.SINGLE_LABEL: ("accuracy", "macro_f1"),
    TaskKind.MULTI_LABEL: ("macro_f1", "micro_f1"),
    TaskKind.REGRESSION: ("pearson", "rmse"),
}
NAMES_TOLD = 5
SAME_LATENCY = 0.01  # where code lies in memory moves latency by up to half a per cent
# Memory and load time are read once a run; they move by this much without any change of the model. The manifest is a
# part of the size, and its words are not of the same length every time.
CLEARLY_SAME = 0.05
READ_ONCE_NOISE = {"size_bytes": 0.001, "peak_rss_bytes": 0.05, "steady_rss_bytes": 0.05, "load_time_s": 0.5}


def _latency(metric: str, before: Estimate | None, after: Estimate | None, ratio: Estimate | None) -> Change | None:
    """Compare a latency; ``ratio`` is before over after."""
    if before is None or after is None or ratio is None:
        return None
    low, high = 1 / ratio.high - 1, 1 / ratio.low - 1
    change = 1 / ratio.value - 1
    verdict = verdict_of(low, high, more_is_better=False)
    if low >= -SAME_LATENCY and high <= SAME_LATENCY:
        verdict = Verdict.SAME
    bounds = (before.low, before.high), (after.low, after.high)
    return Change(metric, before.value, after.value, change, low, high, True, verdict, *bounds)


def _quality(before: BenchResult, after: BenchResult, old: Summary, new: Summary, resamples: int) -> list[Change]:
    task, targets = before.quality.as_task, before.quality.targets
    first, second = before.quality.predictions, after.quality.predictions
    if not targets or not after.quality.targets:
        return []
    if targets != after.quality.targets:
        raise Mismatch(before, after, "their texts have different true values.", hint="Measure both on the same data.")
    found = []
    for metric in COMPARED[task.kind]:
        error = metric in ERRORS  # their unit is that of the data, so a change is told as a share of the value before
        was, is_now = (text_sums(task, targets, given, metric).value() for given in (first, second))
        relative = error and was > 0  # no error at all has no parts
        interval = score_change(task, targets, first, second, metric, relative=relative, resamples=resamples)
        verdict = verdict_of(interval.low, interval.high, more_is_better=not error)
        if first == second:
            verdict = Verdict.SAME
        known = math.isfinite(interval.high)  # not when resamples of few texts have no error before
        low, high = (interval.low, interval.high) if known else (None, None)
        is_main = metric == task.main_metric
        bounds = _score_bounds(old, metric, is_main), _score_bounds(new, metric, is_main)
        found.append(Change(metric, was, is_now, interval.value, low, high, relative, verdict, *bounds))
    return found


def _score_bounds(summary: Summary, metric: str, is_main: bool) -> Bounds | None:
    found = summary.main if is_main else summary.intervals.get(metric)
    return None if found is None else (found.low, found.high)


def _read_once(metric: str, before: float, after: float) -> Change:
    """Compare a number without an interval, which may wobble."""
    change = after / before - 1
    noise = READ_ONCE_NOISE.get(metric, 0.0)
    if abs(change) <= min(noise, CLEARLY_SAME):
        verdict = Verdict.SAME
    elif abs(change) <= noise:
        verdict = Verdict.UNSURE
    else:
        verdict = Verdict.WORSE if change > 0 else Verdict.BETTER
    return Change(metric, before, after, change, None, None, True, verdict)


def compare(
    before: BenchResult,
    after: BenchResult,
    *,
    allow_different_machine: bool = False,
    resamples: int = RESAMPLES,
) -> Comparison:
    """Compare two results.

    Raises:
        Mismatch: see :func:`check_comparable`.
    """
    doubts = check_comparable(before, after, allow_different_machine=allow_different_machine)
    warnings = [doubt.words for doubt in doubts]
    spoiled = {metric for doubt in doubts for metric in doubt.spoils}
    if Evidence.EMULATED in (before.evidence, after.evidence):
        warnings.append("An emulator has no latency, load time or peak memory: the others are compared.")
    elif before.session != after.session:
        warnings.append(
            "Measured at different times: the machine may have changed speed in between, which the latency "
            "intervals do not know. To decide a regression, use 'edgekd gate' with the two bundles."
        )
    old, new = summarize(before, resamples=resamples), summarize(after, resamples=resamples)
    latency = [
        _latency("p50_s", old.p50, new.p50, speed_up(before, after, resamples=resamples)),
        _latency("p95_s", old.p95, new.p95, speed_up(before, after, q=0.95, resamples=resamples)),
    ]
    changes = [change for change in latency if change is not None]
    changes += _quality(before, after, old, new, resamples)
    for metric in ("size_bytes", "peak_rss_bytes", "steady_rss_bytes", "load_time_s"):
        was, is_now = getattr(old, metric), getattr(new, metric)
        if was is not None and is_now is not None:
            changes.append(_read_once(metric, float(was), float(is_now)))
    counted, other_libraries = instruction_changes(before, after)
    changes += [*counted, *energy_changes(before, after)]
    changes = [replace(c, verdict=Verdict.UNSURE) if c.metric in spoiled else c for c in changes]
    return Comparison(
        after.variant,
        after.target,
        sorted(changes, key=importance),
        [*warnings, *other_libraries],
        side_of(before),
        side_of(after),
        fact_changes(before, after),
        flips_between(before, after),
    )


def compare_sets(
    before: Sequence[BenchResult],
    after: Sequence[BenchResult],
    *,
    allow_different_machine: bool = False,
    resamples: int = RESAMPLES,
) -> FolderComparison:
    """Compare two sets of results: one with one whatever their names, else by target and variant.

    A pair that cannot be compared is named with its reason, and the others are compared.

    Raises:
        Incomparable: when nothing matches, a name occurs twice, or no pair can be compared (see
            :func:`check_comparable`).
    """
    both = partial(compare, allow_different_machine=allow_different_machine, resamples=resamples)
    if len(before) == len(after) == 1:
        return FolderComparison([both(before[0], after[0])], [], [])
    old, new = _by_name(before), _by_name(after)
    common = [name for name in old if name in new]
    if not common:
        raise Incomparable(
            f"Nothing to compare: the first has {_some(old)}, the second has {_some(new)}.",
            hint="Give two result files to compare variants of different names.",
        )
    found = {name: _attempt(both, old[name], new[name]) for name in common}
    refused = {name: each for name, each in found.items() if isinstance(each, Mismatch)}
    pairs = [each for each in found.values() if isinstance(each, Comparison)]
    if not pairs:
        raise next(iter(refused.values()))
    return FolderComparison(
        sorted(pairs, key=lambda pair: importance(pair.changes[0])),
        [name for name in old if name not in new],
        [name for name in new if name not in old],
        [Refused(name, error.reason, error.hint or "") for name, error in refused.items()],
    )


def _attempt(
    both: Callable[[BenchResult, BenchResult], Comparison], before: BenchResult, after: BenchResult
) -> Comparison | Mismatch:
    """Compare two results, or return why not."""
    try:
        return both(before, after)
    except Mismatch as error:
        return error


def _some(names: Mapping[str, object]) -> str:
    more = [f"and {len(names) - NAMES_TOLD} more"] if len(names) > NAMES_TOLD else []
    return ", ".join([*list(names)[:NAMES_TOLD], *more])


def _by_name(results: Sequence[BenchResult]) -> dict[str, BenchResult]:
    found: dict[str, BenchResult] = {}
    for result in results:
        name = f"{result.target}/{result.variant}"
        if name in found:
            raise Incomparable(
                f"'{name}' occurs twice in one set, measured {found[name].created_at} and {result.created_at}.",
                hint="Give one session's folder, or the two files.",
            )
        found[name] = result
    return found
