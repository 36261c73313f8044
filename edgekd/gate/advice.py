"""What to do about a rule that does not hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd.gate.grammar import Quantity, Reference

if TYPE_CHECKING:
    from edgekd.gate.grammar import Rule

DIFF = "'edgekd bundle diff BASELINE CANDIDATE' shows what changed"
ACCEPT = "if the change is wanted, make it the baseline: 'edgekd baseline set CANDIDATE'."
_SMALLER = "'edgekd quantize' and 'edgekd prune' make it smaller, or take a smaller student: 'edgekd students'."
_OF_LIMITS = {
    Quantity.TIME: "'edgekd bench' says which part of the time is tokenizing; 'edgekd quantize' or a smaller student "
    "takes less.",
    Quantity.BYTES: _SMALLER,
    Quantity.COUNT: _SMALLER,
}
_OF_QUALITY = "'edgekd bench' and 'edgekd report' show the scores of each label."


def after_failure(rule: Rule) -> str:
    """Say how to find the cause, and how to accept a change that is wanted."""
    quantity = rule.metric.quantity
    if quantity not in _OF_LIMITS:
        return f"{_OF_QUALITY[:-1]}; {ACCEPT}" if rule.needs_baseline else _OF_QUALITY
    return _OF_LIMITS[quantity] if rule.reference is Reference.ABSOLUTE else f"{DIFF}; {ACCEPT}"
