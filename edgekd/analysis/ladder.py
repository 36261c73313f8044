"""Judge the candidates of compression of one model for one target: kept or dropped, the best, and why. Pure.

A candidate is kept when it is not degenerate, loses no more of the main score than allowed, and is on the Pareto front
of size, median latency and what is proven of the score (:mod:`edgekd.analysis.front`). One that is smaller but slower,
or faster but larger, must gain more than it costs: size ratio x latency ratio < 1. The uncompressed model always stays,
as what the others are compared with. One variant is the best; when none meets the limits, it is the nearest miss.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd.analysis import ladder_words as words
from edgekd.analysis.front import Relations, fastest, kept_and_dominated
from edgekd.analysis.overall import overall
from edgekd.analysis.tried import Limits, Outcome, Tried, examine, latency_percentile, main_score
from edgekd.decisions import KEPT_STATUSES, Decision, span

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from edgekd.decisions import Status
    from edgekd.results import BenchResult

__all__ = ["Limits", "judge", "overall"]


def judge(
    base: BenchResult,
    candidates: Sequence[BenchResult],
    *,
    max_drop: float,
    limits: Limits | None = None,
    why: Mapping[str, str] | None = None,
    problems: Mapping[str, Sequence[str]] | None = None,
    steps: Mapping[str, Sequence[str]] | None = None,
    untimed: Collection[str] = (),
) -> list[Decision]:
    """Return a decision for the base and for each candidate, in their order; exactly one is the best or nearest miss.

    Args:
        base: the uncompressed model; its decision's model is its name without the precision.
        candidates: measured in the same session on the same validation texts.
        max_drop: of the main score, a share (0.01 is one point of accuracy) or a difference of correlations.
        limits: of the target; without them every variant fits.
        why: variant -> why it was worth a try.
        problems: variant -> what makes it useless (:mod:`edgekd.analysis.degenerate`).
        steps: variant -> its steps.
        untimed: variants whose latency on this machine says nothing about the target; only size and score count.

    Raises:
        Incomparable: when a candidate did not answer the same texts.
    """
    limits, problems = limits or Limits(), problems or {}
    examined = {
        result.variant: examine(
            base,
            result,
            max_drop=max_drop,
            limits=limits,
            problems=problems.get(result.variant, ()),
            timed=result.variant not in untimed,
        )
        for result in [base, *candidates]
    }
    verdicts = _Verdicts(examined, base.variant, limits)
    return [
        _decision(tried, base, *verdicts.of(name), why=(why or {}).get(name, ""), steps=(steps or {}).get(name, ()))
        for name, tried in examined.items()
    ]


class _Verdicts:
    """Status and reason of every variant of one model."""

    def __init__(self, examined: dict[str, Tried], base: str, limits: Limits) -> None:
        self.base, self.limits = examined[base], limits
        self.status: dict[str, Status] = {base: "kept"}
        self.reason: dict[str, str] = {base: words.base(self.base, latency_percentile(self.base.result, 0.5))}
        self.relations = Relations(self.base, [tried for name, tried in examined.items() if name != base])
        acceptable = [
            tried for name, tried in examined.items() if name != base and not self._drop_unacceptable(name, tried)
        ]
        paying = [tried for tried in acceptable if not self._drop_bad_trade(tried)]
        self._drop_dominated(paying)
        self._choose([self.base, *acceptable])

    def of(self, name: str) -> tuple[Status, str]:
        """Return the status and the reason of a variant."""
        return self.status[name], self.reason[name]

    def _drop(self, name: str, reason: str) -> bool:
        self.status[name], self.reason[name] = "dropped", reason
        return True

    def _drop_unacceptable(self, name: str, tried: Tried) -> bool:
        if tried.problems:
            return self._drop(name, words.degenerate(tried))
        if tried.outcome is Outcome.BEYOND or tried.loses_too_much:
            return self._drop(name, words.lossy(tried))
        return False

    def _drop_bad_trade(self, tried: Tried) -> bool:
        """Drop what costs more in one respect than it gains in the other, unless only it meets the limits."""
        needed = tried.meets_limits and not self.base.meets_limits
        if needed or tried.ratio is None or not (tried.is_slower or tried.is_larger):
            return False
        return tried.ratio.value * tried.size_ratio >= 1 and self._drop(tried.name, words.does_not_pay(tried))

    def _drop_dominated(self, paying: list[Tried]) -> None:
        kept, dominators = kept_and_dominated(self.relations, paying)
        for tried in kept:
            self.status[tried.name], self.reason[tried.name] = "kept", words.kept(tried)
        for tried in paying:
            by = dominators.get(tried.name)
            if by is self.base:
                self._drop(tried.name, words.no_gain(tried, by))
            elif by is not None:
                self._drop(tried.name, words.dominated(tried, by, self.relations.advantages(by, tried)))

    def _choose(self, acceptable: list[Tried]) -> None:
        """Mark the best of those that are kept, or the nearest miss of all that are acceptable."""
        fitting = [tried for tried in acceptable if self.status[tried.name] == "kept" and tried.meets_limits]
        if fitting:
            proven = [tried for tried in fitting if tried.outcome is Outcome.WITHIN]
            best, is_first = fastest(
                proven or fitting,
                speed=lambda tried: tried.ratio.value if tried.ratio else None,
                size=lambda tried: tried.result.size_bytes,
                faster=self.relations.faster,
            )
            self.status[best.name] = "best"
            self.reason[best.name] = f"{self._why_best(best, is_first)}: {self._facts(best)}"
            return
        nearest = min(acceptable, key=lambda tried: (max(tried.misses.values()), tried.result.size_bytes))
        misses = words.missed(nearest.result, nearest.misses, self.limits, latency_percentile(nearest.result, 0.95))
        self.status[nearest.name] = "nearest-miss"
        self.reason[nearest.name] = (
            f"nothing meets the limits, this is nearest: misses {misses}: {self._facts(nearest)}"
        )

    def _facts(self, tried: Tried) -> str:
        if tried is self.base:
            return self.reason[tried.name]
        proven = tried.meets_limits and tried.outcome is Outcome.WITHIN  # then it is in the first half of the sentence
        return words.facts(tried) + ("" if proven else f": {words.within(tried)}")

    def _why_best(self, best: Tried, is_first: bool) -> str:
        if best is self.base:
            return words.base_is_best(best, self.limits)
        return words.best(best, self.limits, is_first=is_first)


def _decision(
    tried: Tried, base: BenchResult, status: Status, reason: str, *, why: str, steps: Sequence[str]
) -> Decision:
    result = tried.result
    task = result.quality.as_task
    return Decision(
        variant=result.variant,
        target=result.target,
        kept=status in KEPT_STATUSES,
        reason=reason,
        evidence=result.evidence.value,
        status=status,
        model=base.variant.removesuffix(f"-{base.precision}"),
        base=base.variant,
        steps=list(steps),
        why=why,
        texts=len(result.quality.predictions),
        size_bytes=result.size_bytes,
        base_size_bytes=base.size_bytes,
        p50_s=latency_percentile(result, 0.5) if tried.ratio else None,
        p95_s=latency_percentile(result, 0.95) if tried.ratio else None,
        latency_ratio=span(tried.ratio) if result is not base else None,
        peak_rss_bytes=result.memory.peak_rss_bytes,
        metric=task.main_metric,
        score=main_score(result),
        score_change=span(tried.change),
        proven=None if tried.outcome is Outcome.UNKNOWN else tried.outcome is Outcome.WITHIN,
    )
