"""Which variants earned their place: pure, from measured results to a sentence each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd.analysis.gain_words import METRIC_NAMES, POINTS
from edgekd.analysis.stats import summarize
from edgekd.decisions import Decision
from edgekd.results import Role
from edgekd.tasks import MAIN_METRIC

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.analysis.stats import Summary
    from edgekd.results import BenchResult
    from edgekd.tasks import TaskKind

DEFAULT_ACCURACY_DROP = 0.01  # of the main score of a compressed model against its own fp32 self
FASTER = 0.98  # a ratio of medians above this is called "not faster"


def decide(results: Sequence[BenchResult], *, accuracy_drop: float | None = None) -> list[Decision]:
    """Decide for every int8 variant whether it stays beside its fp32 self.

    It is kept when it is smaller or faster, and its main score (accuracy, macro F1, Pearson) loses no more than
    allowed. Without true values the loss is unknown, and it is kept.

    Args:
        results: one session.
        accuracy_drop: the profile's budget if that is tighter than one point.
    """
    allowed = min(DEFAULT_ACCURACY_DROP, accuracy_drop or DEFAULT_ACCURACY_DROP)
    by_name = {result.variant: result for result in results}
    decisions = []
    for result in results:
        original = by_name.get(f"{result.variant.removesuffix('-int8')}-fp32")
        if result.precision == "int8" and original is not None:
            decisions.append(_decide(result, original, allowed))
    return decisions


def _decide(result: BenchResult, original: BenchResult, allowed: float) -> Decision:
    new, old = summarize(result), summarize(original)
    smaller = new.size_bytes < old.size_bytes
    ratio = _p50_ratio(new, old)
    faster = ratio is not None and ratio < FASTER
    gain = new.main.value - old.main.value if new.main and old.main else None
    within = gain is None or gain >= -allowed
    quality = _Words(result.quality.task)
    speed = "latency not measured" if ratio is None else f"p50 {ratio:.2f}x"
    facts = f"size {new.size_bytes / old.size_bytes:.2f}x, {speed}, {quality.change(gain)} against fp32"
    if within and (smaller or faster):
        gains = " and ".join(word for word, true in (("smaller", smaller), ("faster", faster)) if true)
        slower = "" if faster or ratio is None or ratio <= 1 / FASTER else ", although slower"
        reason = f"int8 is {gains}{slower}: {facts}"
    elif not within:
        reason = f"int8 loses more than {quality.amount(allowed)}: {facts}"
    else:
        reason = f"int8 is neither smaller nor faster: {facts}"
    kept = within and (smaller or faster)
    who = "teacher" if result.role is Role.TEACHER else "student"
    return Decision(
        variant=result.variant,
        target=result.target,
        kept=kept,
        reason=f"{who} {reason}",
        evidence=result.evidence.value,
    )


def _p50_ratio(new: Summary, old: Summary) -> float | None:
    if new.p50 is None or old.p50 is None:
        return None
    return new.p50.value / old.p50.value


class _Words:
    """How a change of the main score is written: in points, or as a difference of correlations."""

    def __init__(self, task: TaskKind) -> None:
        self.metric = MAIN_METRIC[task]
        self.in_points = self.metric in POINTS

    def change(self, gain: float | None) -> str:
        name = METRIC_NAMES[self.metric]
        if gain is None:
            return f"{name} not measured"
        return f"{name} {100 * gain:+.2f} points" if self.in_points else f"{name} {gain:+.4f}"

    def amount(self, allowed: float) -> str:
        return f"{100 * allowed:.1f} points" if self.in_points else f"{allowed:.3f} of {METRIC_NAMES[self.metric]}"
