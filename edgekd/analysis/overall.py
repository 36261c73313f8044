"""Choose one variant for a target among the best of every model, the teacher's too. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd.analysis import ladder_words as words
from edgekd.analysis.front import fastest
from edgekd.analysis.latency_ratio import latency_ratio
from edgekd.analysis.tried import FASTER, Limits, Outcome, latency_percentile, main_score, missed_limits, score_outcome
from edgekd.decisions import Decision
from edgekd.results import Role

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from edgekd.results import BenchResult

FASTER_APART = 0.9  # of two models that were measured one after the other, while the machine may have changed speed


def overall(bests: Sequence[BenchResult], *, limits: Limits | None = None, untimed: Collection[str] = ()) -> Decision:
    """Return the choice for a target: a decision without a model.

    Of the variants that meet the limits, those whose main score is not proven lower than the highest (paired 95 %
    interval on the same texts) count as equal, and the fastest of them is chosen; the smallest of those that are
    equally fast. When none meets the limits, the nearest miss is.

    Args:
        bests: the best variant, or nearest miss, of each model, on the same validation texts.
        limits: of the target.
        untimed: variants whose latency on this machine says nothing about the target.

    Raises:
        Incomparable: when they did not answer the same texts.
        ValueError: when there is none.
    """
    if not bests:
        raise ValueError("there is nothing to choose from")
    limits = limits or Limits()
    misses = {r.variant: missed_limits(r, limits, timed=r.variant not in untimed) for r in bests}
    fitting = [result for result in bests if not misses[result.variant]]
    if not fitting:
        return _nearest(bests, misses, limits)
    highest = max(fitting, key=lambda result: main_score(result) or 0.0)
    equal = [
        result
        for result in fitting
        if result is highest or score_outcome(highest, result, 0.0)[1] is not Outcome.BEYOND
    ]
    chosen, is_first = fastest(
        equal,
        speed=lambda result: None if result.variant in untimed else latency_percentile(result, 0.5),
        size=lambda result: result.size_bytes,
        faster=_faster,
    )
    fits = f" within the limits ({words.limits_words(limits)})" if limits.given else ""
    if chosen is highest:
        why = f"the best {words.metric_name(chosen)}{fits}"
    else:
        what = "fastest" if is_first else "smallest of the fastest"
        why = f"the {what}{fits} that is not proven worse than {highest.variant} ({words.score(highest)})"
    hint = ""
    if chosen.role is Role.TEACHER and not limits.given:
        hint = (
            "; without limits neither size nor latency rules the teacher out: set compress.limits for a small student"
        )
    return _choice(chosen, f"{why}: {words.absolute(chosen, latency_percentile(chosen, 0.5))}{hint}", met=True)


def _faster(one: BenchResult, other: BenchResult) -> bool:
    ratio = latency_ratio(other, one)
    enough = FASTER if one.session == other.session else FASTER_APART
    return ratio is not None and ratio.high < 1 and ratio.value <= enough


def _nearest(bests: Sequence[BenchResult], misses: Mapping[str, dict[str, float]], limits: Limits) -> Decision:
    nearest = min(bests, key=lambda result: (max(misses[result.variant].values()), result.size_bytes))
    told = words.missed(nearest, misses[nearest.variant], limits, latency_percentile(nearest, 0.95))
    facts = words.absolute(nearest, latency_percentile(nearest, 0.5))
    return _choice(nearest, f"nothing meets the limits, this is nearest: misses {told}: {facts}", met=False)


def _choice(result: BenchResult, reason: str, *, met: bool) -> Decision:
    return Decision(
        variant=result.variant,
        target=result.target,
        kept=True,
        reason=reason,
        evidence=result.evidence.value,
        status="best" if met else "nearest-miss",
        texts=len(result.quality.predictions),
        size_bytes=result.size_bytes,
        p50_s=latency_percentile(result, 0.5),
        p95_s=latency_percentile(result, 0.95),
        peak_rss_bytes=result.memory.peak_rss_bytes,
        metric=result.quality.as_task.main_metric,
        score=main_score(result),
    )
