"""Rules and evidence in, one outcome per rule out. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from edgekd.analysis.agreement import agreement
from edgekd.analysis.paired import Interval
from edgekd.analysis.paired_quality import CONFIDENCE, score_change
from edgekd.analysis.stats import score_estimate
from edgekd.analysis.sums import text_sums
from edgekd.gate.advice import after_failure
from edgekd.gate.fresh import decide_fresh
from edgekd.gate.grammar import Quantity, Reference
from edgekd.gate.latency import decide_latency
from edgekd.gate.outcomes import blank, change, exact
from edgekd.gate.records import Outcome
from edgekd.results import Evidence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.data.types import Target
    from edgekd.gate.evidence import Comparison
    from edgekd.gate.grammar import Rule
    from edgekd.gate.records import RuleResult

COUNT_BUNDLES = "Give bundles, on a machine where 'edgekd bench --counts' works, or leave this rule out."
NEEDS_A_MACHINE = (
    "Give bundles, which are measured here, or results of a board ('edgekd bench --on ssh://...'), or only rules about "
    "size and quality, with --no-profile-budgets."
)


def decide(rule: Rule, comparison: Comparison) -> RuleResult:
    """Decide one rule; one that does not hold says what to do about it."""
    result = _decided(rule, comparison)
    if result.outcome is Outcome.FAIL and not result.advice:
        return result.model_copy(update={"advice": after_failure(rule)})
    return result


def _decided(rule: Rule, comparison: Comparison) -> RuleResult:
    if rule.metric.name == "size":
        return _decide_size(rule, comparison)
    if rule.metric.quantity is Quantity.COUNT:
        return _decide_instructions(rule, comparison)
    if rule.metric.quantity in (Quantity.SHARE, Quantity.CORRELATION, Quantity.VALUE):
        return _decide_quality(rule, comparison)
    if comparison.evidence is Evidence.EMULATED:
        problem = "nothing, because an emulator shows neither a time nor the peak of memory"
        return blank(rule, comparison.evidence).model_copy(update={"problem": problem, "advice": NEEDS_A_MACHINE})
    if rule.metric.percentile is not None:
        return decide_latency(rule, comparison)
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


def _decide_instructions(rule: Rule, comparison: Comparison) -> RuleResult:
    empty = blank(rule, comparison.counter_evidence or comparison.evidence)
    sides = {"candidate": comparison.candidate}
    if rule.needs_baseline and comparison.baseline is not None:
        sides["baseline"] = comparison.baseline
    for name, facts in sides.items():
        if not facts.instructions:
            problem = facts.instructions_problem or f"no instruction was counted for the {name}"
            return empty.model_copy(update={"problem": problem, "advice": facts.instructions_advice or COUNT_BUNDLES})
    baseline = comparison.baseline.instructions if comparison.baseline else None
    value = change(rule, baseline, comparison.candidate.instructions or 0.0)
    return empty.model_copy(
        update={
            "outcome": exact(rule, value),
            "baseline": baseline,
            "candidate": comparison.candidate.instructions,
            "value": value,
            "method": f"exact: {comparison.counter}; the same for both sides, in this run",
        }
    )


def _score(name: str, comparison: Comparison, predictions: Sequence[Target]) -> float:
    return text_sums(comparison.task, comparison.targets, predictions, name).value()


def _quality_interval(
    rule: Rule, comparison: Comparison, before: Sequence[Target] | None, after: Sequence[Target]
) -> Interval:
    """Return what the rule limits with an interval."""
    name, task, targets = rule.metric.name, comparison.task, comparison.targets
    if name == "agreement":
        return agreement(task, before or (), after)
    if rule.reference is Reference.ABSOLUTE:
        found = score_estimate(task, targets, after, name)
        return Interval(found.value, found.low, found.high, CONFIDENCE, found.n)
    relative = rule.reference is Reference.PERCENT
    return score_change(task, targets, before or (), after, name, relative=relative)


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
    if not math.isfinite(interval.value):
        problem = f"the baseline's {rule.metric.name} is 0, so a change in per cent says nothing"
        return empty.model_copy(update={"problem": problem, "advice": "Give a limit without %."})
    shown = {"low": interval.low, "high": interval.high, "confidence": interval.confidence}
    if not math.isfinite(interval.high):  # some resamples have no error on the baseline's side
        shown = {}
    sides = {
        "candidate": interval.value if name == "agreement" else _score(name, comparison, after),
        "baseline": _score(name, comparison, before) if before and name != "agreement" else None,
    }
    method = "exact on these texts; the interval says what other texts of the kind could give"
    return empty.model_copy(
        update={
            "outcome": exact(rule, interval.value),
            "value": interval.value,
            "count": len(after),
            "method": method,
            **sides,
            **shown,
        }
    )
