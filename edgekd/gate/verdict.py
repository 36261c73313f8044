"""Rules and evidence in, one outcome per rule out. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd.analysis.estimators import wilson
from edgekd.analysis.paired import Interval
from edgekd.analysis.paired_quality import accuracy_change, macro_f1_change
from edgekd.analysis.quality import agreement, macro_f1
from edgekd.gate.fresh import decide_fresh
from edgekd.gate.grammar import Quantity, Reference
from edgekd.gate.latency import decide_latency
from edgekd.gate.outcomes import blank, change, exact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.gate.evidence import Comparison
    from edgekd.gate.grammar import Rule
    from edgekd.gate.records import RuleResult


def decide(rule: Rule, comparison: Comparison) -> RuleResult:
    """Decide one rule."""
    if rule.metric.name == "size":
        return _decide_size(rule, comparison)
    if rule.metric.percentile is not None:
        return decide_latency(rule, comparison)
    if rule.metric.quantity is Quantity.SHARE:
        return _decide_quality(rule, comparison)
    return decide_fresh(rule, comparison)


def _decide_size(rule: Rule, comparison: Comparison) -> RuleResult:
    baseline = comparison.baseline.size_bytes if comparison.baseline else None
    candidate = comparison.candidate.size_bytes
    value = change(rule, baseline, candidate)
    return blank(rule, comparison.evidence).model_copy(
        update={
            "outcome": exact(rule, value),
            "baseline": baseline,
            "candidate": candidate,
            "value": value,
            "method": "exact: bytes of all shipped files",
        }
    )


def _score(name: str, comparison: Comparison, predictions: Sequence[int]) -> float:
    if name == "macro_f1":
        return macro_f1(comparison.labels, comparison.targets, predictions)
    return agreement(predictions, comparison.targets).value


def _share(first: Sequence[int], second: Sequence[int]) -> Interval:
    share = wilson(sum(a == b for a, b in zip(first, second, strict=True)), len(first))
    return Interval(share.value, share.low, share.high, 0.95, share.n)


def _quality_interval(
    rule: Rule, comparison: Comparison, before: Sequence[int] | None, after: Sequence[int]
) -> Interval | None:
    """Return what the rule limits with an interval; None where none is known (macro F1 of one side)."""
    name, targets = rule.metric.name, comparison.targets
    if name == "agreement" and before:
        return _share(before, after)
    if rule.reference is Reference.ABSOLUTE:
        return _share(after, targets) if name == "accuracy" else None
    if name == "accuracy":
        return accuracy_change(targets, before or (), after)
    return macro_f1_change(comparison.labels, targets, before or (), after)


def _decide_quality(rule: Rule, comparison: Comparison) -> RuleResult:
    empty = blank(rule, comparison.evidence)
    after = comparison.candidate.predictions
    before = comparison.baseline.predictions if comparison.baseline else None
    if not after or (rule.needs_baseline and not before):
        return empty.model_copy(
            update={"problem": "no text was labelled", "advice": "Give labelled texts with --data."}
        )
    name = rule.metric.name
    interval = _quality_interval(rule, comparison, before, after)
    value = interval.value if interval else _score(name, comparison, after)
    shown = {"low": interval.low, "high": interval.high, "confidence": interval.confidence} if interval else {}
    sides = {
        "candidate": value if name == "agreement" else _score(name, comparison, after),
        "baseline": _score(name, comparison, before) if before and name != "agreement" else None,
    }
    method = "exact on these texts; the interval says what other texts of the kind could give"
    return empty.model_copy(
        update={
            "outcome": exact(rule, value),
            "value": value,
            "count": len(after),
            "method": method,
            **sides,
            **shown,
        }
    )
