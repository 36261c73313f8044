"""From a value or an interval to an outcome. Pure.

Size and quality are the same on every run over the same texts, so their plain value decides. Latency, load
time and memory vary, so their interval decides: wholly beyond the limit fails, wholly within passes, else it
is undecided.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd.gate.grammar import Reference
from edgekd.gate.records import Outcome, RuleResult

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edgekd.gate.grammar import Rule
    from edgekd.results import Evidence

STRADDLES = "the interval contains the limit"
MORE_TIME = "Raise --max-seconds, use a quieter machine, or choose a wider limit."


def blank(rule: Rule, evidence: Evidence) -> RuleResult:
    """Return the result of a rule for which nothing was measured."""
    return RuleResult(
        rule=rule.text,
        origin=rule.origin,
        metric=rule.metric.name,
        reference=rule.reference,
        limit=rule.limit,
        inclusive=rule.inclusive,
        outcome=Outcome.INVALID,
        evidence=evidence,
    )


def change(rule: Rule, baseline: float | None, candidate: float) -> float:
    """Return what a rule limits: the candidate's value, its difference, or its relative change."""
    if rule.reference is Reference.ABSOLUTE or baseline is None:
        return candidate
    difference = candidate - baseline
    return difference if rule.reference is Reference.DIFFERENCE else difference / baseline


def exact(rule: Rule, value: float) -> Outcome:
    """Decide a quantity that is the same on every run."""
    return Outcome.FAIL if rule.beyond(value) else Outcome.PASS


def by_interval(rule: Rule, low: float, high: float) -> Outcome:
    """Decide a quantity that varies from run to run."""
    ends = rule.beyond(low), rule.beyond(high)
    if all(ends):
        return Outcome.FAIL
    return Outcome.UNDECIDED if any(ends) else Outcome.PASS


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """Fail if any fails, else invalid or undecided if any is, else pass; nothing at all is invalid."""
    found = set(outcomes)
    order = (Outcome.FAIL, Outcome.INVALID, Outcome.UNDECIDED, Outcome.PASS)
    return next((outcome for outcome in order if outcome in found), Outcome.INVALID)


def overall(results: Iterable[RuleResult]) -> Outcome:
    """Return the verdict of rules: the worst of their outcomes."""
    return worst(result.outcome for result in results)
