"""Decides latency rules. Pure: rounds of calls in, an outcome out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd import units
from edgekd.analysis.estimators import percentile
from edgekd.analysis.paired import latency, median_change, percentile_change, unpaired_change
from edgekd.gate.grammar import Reference
from edgekd.gate.looks import MIN_CALLS
from edgekd.gate.outcomes import MORE_TIME, STRADDLES, blank, by_interval
from edgekd.gate.records import Outcome

if TYPE_CHECKING:
    from edgekd.analysis.paired import Interval, Rounds
    from edgekd.gate.evidence import Comparison
    from edgekd.gate.grammar import Rule
    from edgekd.gate.records import RuleResult

# Medians of one model in fresh processes at different times spread by 5.5 to 6.5 % (standard deviation) on a shared
# virtual machine, which no interval of a single measurement can know of. The ratio of two of them then spreads by 9 %,
# and is off by less than 20 % in 97 of 100 cases.
UNPAIRED_DRIFT = 0.20
MARGIN_ADVICE = "Files of the same model may differ by so much. Count instead (instructions<+1%), or set --margin."
WITHIN_MARGIN = "the interval is beyond the limit, but not by more than the margin"
NOT_IN_TURNS = (
    f"the sides did not take turns, so {units.rough_percent(UNPAIRED_DRIFT)} of drift between them is allowed for"
)
GIVE_BUNDLES = "Give the bundle folders instead of their results, so that they are measured until it is clear."
GIVE_THE_BUNDLE = "Give the baseline's bundle folder instead of its result, so that both are measured in turns."


def decide_latency(rule: Rule, comparison: Comparison) -> RuleResult:
    """Decide a rule about a latency percentile."""
    if rule.reference is Reference.ABSOLUTE:
        return _decide_absolute(rule, comparison)
    if comparison.paired is not None:
        return _decide_paired(rule, comparison, comparison.paired)
    return _decide_unpaired(rule, comparison)


def judge_interval(rule: Rule, low: float, high: float, margin: float) -> Outcome:
    """Decide by an interval: wholly on the right side passes, wholly beyond the limit and its margin fails.

    Args:
        rule: about a latency.
        low: end of the interval, in what the rule limits.
        high: other end.
        margin: in the same unit.
    """
    outcome = by_interval(rule, low, high)
    return outcome if outcome is not Outcome.FAIL or rule.beyond(low - margin) else Outcome.UNDECIDED


def settled(result: RuleResult) -> bool:
    """Tell whether more calls would change nothing: decided, or wholly between the limit and its margin."""
    if result.outcome in (Outcome.PASS, Outcome.FAIL):
        return True
    if result.problem != WITHIN_MARGIN or result.high is None:
        return False
    return result.high <= result.limit + (result.margin or 0.0)


def _q(rule: Rule) -> float:
    assert rule.metric.percentile is not None
    return rule.metric.percentile


def _at(rounds: Rounds, rule: Rule, side: int = 0) -> float:
    return percentile(rounds.seconds[side], _q(rule))


def _decide_absolute(rule: Rule, comparison: Comparison) -> RuleResult:
    empty = blank(rule, comparison.evidence)
    if comparison.alone is None:
        return empty.model_copy(update={"problem": "no call was timed", "advice": MORE_TIME})
    sides = {
        "candidate": _at(comparison.alone, rule),
        "method": "candidate alone; bootstrap over processes and rounds",
    }
    return _judge(rule, empty.model_copy(update=sides), latency(comparison.alone, _q(rule)), margin=0.0)


def _decide_paired(rule: Rule, comparison: Comparison, rounds: Rounds) -> RuleResult:
    if rule.reference is Reference.PERCENT and _q(rule) == 0.5:
        interval, method = (
            median_change(rounds),
            "in turns; trimmed mean of the rounds' log ratios of medians",
        )
    else:
        interval = percentile_change(rounds, _q(rule), relative=rule.reference is Reference.PERCENT)
        method = "in turns; percentiles of all calls of a side"
    sides = {"baseline": _at(rounds, rule, 0), "candidate": _at(rounds, rule, 1), "method": method}
    filled = blank(rule, comparison.evidence).model_copy(update=sides)
    result = _judge(rule, filled, interval, _margin(rule, comparison, rounds))
    if result.problem == STRADDLES and comparison.stored:
        return result.model_copy(update={"advice": GIVE_BUNDLES})
    return result


def _decide_unpaired(rule: Rule, comparison: Comparison) -> RuleResult:
    empty = blank(rule, comparison.evidence)
    before, after = comparison.baseline_alone, comparison.alone
    if before is None or after is None:
        return empty.model_copy(update={"problem": "no call was timed", "advice": MORE_TIME})
    relative = rule.reference is Reference.PERCENT
    interval = unpaired_change(before, after, _q(rule), drift=UNPAIRED_DRIFT, relative=relative)
    sides = {
        "baseline": _at(before, rule),
        "candidate": _at(after, rule),
        "method": "not in turns; percentiles of all calls of a side, widened for drift",
    }
    result = _judge(rule, empty.model_copy(update=sides), interval, _margin(rule, comparison, before))
    if result.problem == STRADDLES:
        problem = f"{STRADDLES}; {NOT_IN_TURNS}"
        return result.model_copy(update={"problem": problem, "advice": GIVE_THE_BUNDLE})
    return result


def _margin(rule: Rule, comparison: Comparison, baseline: Rounds) -> float:
    """Return the margin in what the rule limits: a share of the baseline's latency, or seconds."""
    if rule.reference is Reference.PERCENT:
        return comparison.margin
    return comparison.margin * _at(baseline, rule)


def _judge(rule: Rule, result: RuleResult, interval: Interval, margin: float) -> RuleResult:
    outcome = judge_interval(rule, interval.low, interval.high, margin)
    problem = advice = ""
    needed = MIN_CALLS[_q(rule)]
    if interval.n < needed:
        outcome, problem, advice = (
            Outcome.UNDECIDED,
            f"too few calls: {interval.n} a side, needs {needed}",
            MORE_TIME,
        )
    elif outcome is Outcome.UNDECIDED:
        beyond = rule.beyond(interval.low)
        problem, advice = (WITHIN_MARGIN, MARGIN_ADVICE) if beyond else (STRADDLES, MORE_TIME)
    return result.model_copy(
        update={
            "outcome": outcome,
            "value": interval.value,
            "low": interval.low,
            "high": interval.high,
            "confidence": interval.confidence,
            "margin": margin or None,
            "count": interval.n,
            "problem": problem,
            "advice": advice,
        }
    )
