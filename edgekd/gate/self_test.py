"""The machine's own noise: a bundle against itself. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd import units
from edgekd.gate.latency import WITHIN_MARGIN
from edgekd.gate.outcomes import MORE_TIME, STRADDLES
from edgekd.gate.records import Outcome

if TYPE_CHECKING:
    from edgekd.gate.records import RuleResult

WIDEST = 0.5  # half-width of the interval, as a share of the limit
TOO_NOISY = (
    "this machine is too noisy for this limit: the interval of no change at all reaches {} of the limit to either "
    "side, allowed is {}"
)
DIFFERS = "on this machine the same files differ from themselves by more than the limit allows"


def judge_self_test(result: RuleResult) -> RuleResult:
    """Pass when the interval of "no change at all" is within the limit in both directions and narrow, else refuse.

    Narrow is a half-width of at most half the limit: then a change of twice the limit cannot be missed, and no
    change at all is not undecided. Too few calls stay too few.
    """
    if result.low is None or result.high is None or result.problem not in ("", STRADDLES, WITHIN_MARGIN):
        return result
    room = abs(result.limit)
    half = (result.high - result.low) / 2
    inside = -room <= result.low and result.high <= room
    if inside and half <= WIDEST * room:
        return result.model_copy(update={"outcome": Outcome.PASS, "problem": "", "advice": ""})
    reached = units.rough_percent(half / room) if room else "more"
    problem = TOO_NOISY.format(reached, units.rough_percent(WIDEST)) if half > WIDEST * room else DIFFERS
    return result.model_copy(update={"outcome": Outcome.UNDECIDED, "problem": problem, "advice": MORE_TIME})
