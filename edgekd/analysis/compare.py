"""Two results of the same model line, quantity by quantity: what changed, and whether that is sure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from edgekd.analysis.bootstrap import RESAMPLES
from edgekd.analysis.finding import Severity
from edgekd.analysis.machine_findings import throttled
from edgekd.analysis.paired_quality import score_change
from edgekd.analysis.stats import speed_up, summarize
from edgekd.analysis.sums import text_sums
from edgekd.errors import Incomparable
from edgekd.results import Evidence
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.analysis.stats import Estimate
    from edgekd.results import BenchResult


class Verdict(str, Enum):
    """What a change means for the user."""

    WORSE = "worse"
    BETTER = "better"
    SAME = "same"
    UNSURE = "cannot tell"


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


@dataclass(frozen=True)
class Comparison:
    """One variant before and after; changes with the most important first."""

    variant: str
    target: str
    changes: list[Change]
    warnings: list[str]


@dataclass(frozen=True)
class FolderComparison:
    """Two sets of results."""

    pairs: list[Comparison]
    only_before: list[str]
    only_after: list[str]


# Scores that are compared; the main one first.
COMPARED = {
    TaskKind.SINGLE_LABEL: ("accuracy", "macro_f1"),
    TaskKind.MULTI_LABEL: ("macro_f1", "micro_f1"),
    TaskKind.REGRESSION: ("pearson", "rmse"),
}
ERRORS = {"rmse"}  # less is better; their unit is that of the data, so a change is told as a share of the value before

SAME_LATENCY = 0.01  # where code lies in memory moves latency by up to half a per cent
# Memory and load time are read once a run; they move by this much without any change of the model.
CLEARLY_SAME = 0.05
READ_ONCE_NOISE = {"peak_rss_bytes": 0.05, "steady_rss_bytes": 0.05, "load_time_s": 0.5}


def check_comparable(before: BenchResult, after: BenchResult, *, allow_different_machine: bool = False) -> list[str]:
    """Return warnings, or refuse.

    Raises:
        Incomparable: when task, target, threads, texts or labels differ, or the machine does and may not.
    """
    for what, old, new, advice in (
        ("the task", before.quality.task.value, after.quality.task.value, "Compare results of one task."),
        ("the target", before.target, after.target, "Compare results of one target."),
        ("the number of threads", before.threads, after.threads, "Measure both with one profile."),
        (
            "the hash of the evaluation texts",
            before.data_hash[:12],
            after.data_hash[:12],
            "Measure both on the same data.",
        ),
        (
            "the list of labels",
            before.quality.labels,
            after.quality.labels,
            "Both models must know the same labels.",
        ),
    ):
        if old != new:
            raise Incomparable(
                f"Cannot compare '{before.variant}' with '{after.variant}': {what} differs: {old} and {new}.",
                hint=advice,
            )
    warnings = [
        f"Latencies of '{side.variant}' cannot be compared: {found.measured}. {found.advice}"
        for side in (before, after)
        for found in throttled(side)
        if found.severity is Severity.INVALID
    ]
    if before.machine.fingerprint == after.machine.fingerprint:
        return warnings
    machines = " and ".join(
        f"{r.machine.cpu_model} ({r.machine.fingerprint[:8]}, onnxruntime "
        f"{r.machine.libraries.get('onnxruntime', 'unknown')})"
        for r in (before, after)
    )
    if not allow_different_machine:
        raise Incomparable(
            f"Cannot compare '{before.variant}' with '{after.variant}': measured on different machines: {machines}.",
            hint="Measure both here with 'edgekd bench', or add --allow-different-machine.",
        )
    return [*warnings, f"Measured on different machines ({machines}): latency, memory and load time say little."]


def _verdict(low: float, high: float, *, more_is_better: bool) -> Verdict:
    if low <= 0 <= high:
        return Verdict.UNSURE
    return Verdict.BETTER if (low > 0) == more_is_better else Verdict.WORSE


def _latency(metric: str, before: Estimate | None, after: Estimate | None, ratio: Estimate | None) -> Change | None:
    """Compare a latency; ``ratio`` is before over after."""
    if before is None or after is None or ratio is None:
        return None
    low, high = 1 / ratio.high - 1, 1 / ratio.low - 1
    change = 1 / ratio.value - 1
    verdict = _verdict(low, high, more_is_better=False)
    if low >= -SAME_LATENCY and high <= SAME_LATENCY:
        verdict = Verdict.SAME
    return Change(metric, before.value, after.value, change, low, high, True, verdict)


def _quality(before: BenchResult, after: BenchResult, resamples: int) -> list[Change]:
    task, targets = before.quality.as_task, before.quality.targets
    first, second = before.quality.predictions, after.quality.predictions
    if not targets or not after.quality.targets:
        return []
    if targets != after.quality.targets:
        raise Incomparable(
            f"Cannot compare '{before.variant}' with '{after.variant}': their texts have different true values.",
            hint="Measure both on the same data.",
        )
    found = []
    for metric in COMPARED[task.kind]:
        error = metric in ERRORS
        was, is_now = (text_sums(task, targets, given, metric).value() for given in (first, second))
        relative = error and was > 0  # no error at all has no parts
        interval = score_change(task, targets, first, second, metric, relative=relative, resamples=resamples)
        verdict = _verdict(interval.low, interval.high, more_is_better=not error)
        if first == second:
            verdict = Verdict.SAME
        known = math.isfinite(interval.high)  # not when resamples of few texts have no error before
        low, high = (interval.low, interval.high) if known else (None, None)
        found.append(Change(metric, was, is_now, interval.value, low, high, relative, verdict))
    return found


def _read_once(metric: str, before: float, after: float) -> Change:
    """Compare a number without an interval; size must be equal to count as the same, memory may wobble."""
    change = after / before - 1
    noise = READ_ONCE_NOISE.get(metric, 0.0)
    if abs(change) <= min(noise, CLEARLY_SAME):
        verdict = Verdict.SAME
    elif abs(change) <= noise:
        verdict = Verdict.UNSURE
    else:
        verdict = Verdict.WORSE if change > 0 else Verdict.BETTER
    return Change(metric, before, after, change, None, None, True, verdict)


def _importance(change: Change) -> tuple[int, float]:
    order = {Verdict.WORSE: 0, Verdict.BETTER: 1, Verdict.UNSURE: 2, Verdict.SAME: 3}
    # A point of accuracy or F1, or a hundredth of a correlation, weighs as much as ten per cent of anything else.
    weight = abs(change.change) * (1 if change.relative else 10)
    return order[change.verdict], -weight


def compare(
    before: BenchResult,
    after: BenchResult,
    *,
    allow_different_machine: bool = False,
    resamples: int = RESAMPLES,
) -> Comparison:
    """Compare two results.

    Raises:
        Incomparable: see :func:`check_comparable`.
    """
    warnings = check_comparable(before, after, allow_different_machine=allow_different_machine)
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
    changes += _quality(before, after, resamples)
    for metric in ("size_bytes", "peak_rss_bytes", "steady_rss_bytes", "load_time_s"):
        was, is_now = getattr(old, metric), getattr(new, metric)
        if was is not None and is_now is not None:
            changes.append(_read_once(metric, float(was), float(is_now)))
    return Comparison(after.variant, after.target, sorted(changes, key=_importance), warnings)


def compare_sets(
    before: Sequence[BenchResult], after: Sequence[BenchResult], *, allow_different_machine: bool = False
) -> FolderComparison:
    """Compare two sets of results: one with one whatever their names, else by target and variant.

    Raises:
        Incomparable: when nothing matches, a name occurs twice, or see :func:`check_comparable`.
    """
    allow = allow_different_machine
    if len(before) == len(after) == 1:
        pair = compare(before[0], after[0], allow_different_machine=allow)
        return FolderComparison([pair], [], [])
    old, new = _by_name(before), _by_name(after)
    common = [name for name in old if name in new]
    if not common:
        raise Incomparable(
            f"Nothing to compare: the first has {', '.join(old)}, the second has {', '.join(new)}.",
            hint="Give two result files to compare variants of different names.",
        )
    pairs = [compare(old[name], new[name], allow_different_machine=allow) for name in common]
    return FolderComparison(
        sorted(pairs, key=lambda pair: _importance(pair.changes[0])),
        [name for name in old if name not in new],
        [name for name in new if name not in old],
    )


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
