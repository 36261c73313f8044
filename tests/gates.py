"""Outcomes of gate rules for tests."""

from edgekd.gate.grammar import Reference
from edgekd.gate.records import Outcome, RuleResult


def make_rule(**changes):
    """A rule about latency that does not hold, or whatever the changes make of it."""
    facts = {
        "rule": "p95<+5%",
        "metric": "p95",
        "reference": Reference.PERCENT,
        "limit": 0.05,
        "outcome": Outcome.FAIL,
        "baseline": 0.002,
        "candidate": 0.0022,
        "value": 0.1,
        "low": 0.08,
        "high": 0.12,
        "confidence": 0.99,
        "count": 1200,
    }
    return RuleResult(**(facts | changes))
