"""Decides load time and peak memory, which each process has only once. Pure.

Sides alternate, one fresh process each, so process i of the candidate belongs to process i of the baseline. Of n
values in order, number 2 and number n - 1 enclose the median with probability 1 - 2 (1 + n) / 2^n, whatever the
distribution (the sign test's interval): 99.4 % for 12 processes. One outlier at either end does no harm.
"""

from __future__ import annotations

from math import comb
from statistics import median
from typing import TYPE_CHECKING

from edgekd.gate.grammar import Reference
from edgekd.gate.outcomes import STRADDLES, blank, by_interval, change, exact
from edgekd.gate.records import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.gate.evidence import Comparison, Facts
    from edgekd.gate.grammar import Rule
    from edgekd.gate.records import RuleResult

PROCESSES = 12
OUTLIERS = 1  # left out at either end

WIDER = "Choose a wider limit, or use a quieter machine."
GIVE_BUNDLES = "Give bundle folders instead of result files: each is then started several times."


def _values(rule: Rule, facts: Facts) -> Sequence[float]:
    return facts.load_times_s if rule.metric.name == "load_time" else facts.peak_rss_bytes


def _confidence(n: int, cut: int) -> float:
    """Return the probability that the values inside the ``cut`` lowest and highest of n enclose the median."""
    return 1 - 2 * sum(comb(n, k) for k in range(cut + 1)) / (1 << n)


def decide_fresh(rule: Rule, comparison: Comparison) -> RuleResult:
    """Decide a rule about load time or peak memory."""
    empty = blank(rule, comparison.evidence)
    after = _values(rule, comparison.candidate)
    before = _values(rule, comparison.baseline) if comparison.baseline else ()
    relative = rule.reference is not Reference.ABSOLUTE
    count = min(len(after), len(before)) if relative else len(after)
    if count == 0:
        missing = "candidate" if not after else "baseline"
        problem = f"nothing, because the result of the {missing} has no {rule.metric.name}"
        return empty.model_copy(update={"problem": problem, "advice": GIVE_BUNDLES})
    pairs = [(before[i] if relative else None, after[i]) for i in range(count)]
    changes = sorted(change(rule, one, other) for one, other in pairs)
    cut = OUTLIERS if count >= PROCESSES else 0
    low, high = changes[cut], changes[-1 - cut]
    result = empty.model_copy(
        update={
            "candidate": median(after),
            "baseline": median(before) if before else None,
            "value": median(changes),
            "low": low,
            "high": high,
            "confidence": _confidence(count, cut),
            "count": count,
            "method": "median of fresh processes, with the interval of the sign test",
        }
    )
    stored = [facts.stored for facts in (comparison.candidate, comparison.baseline) if facts]
    if rule.metric.name == "peak_rss" and relative and len(set(stored)) > 1:
        return result.model_copy(update={"problem": "the sides were not measured alike", "advice": GIVE_BUNDLES})
    if rule.metric.name == "peak_rss" and all(stored if relative else stored[:1]):
        plain = {"outcome": exact(rule, median(changes)), "low": None, "high": None, "confidence": None}
        return result.model_copy(update={**plain, "method": "one process a side, as stored"})
    if count < PROCESSES:
        problem = f"too few processes: {count} a side, needs {PROCESSES}"
        return result.model_copy(update={"outcome": Outcome.UNDECIDED, "problem": problem, "advice": GIVE_BUNDLES})
    outcome = by_interval(rule, low, high)
    problem = STRADDLES if outcome is Outcome.UNDECIDED else ""
    return result.model_copy(update={"outcome": outcome, "problem": problem, "advice": WIDER if problem else ""})
