"""The machine's own noise: a bundle against itself. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd.gate.outcomes import MORE_TIME, STRADDLES
from edgekd.gate.records import Outcome

if TYPE_CHECKING:
    from edgekd.gate.records import RuleResult


def judge_self_test(result: RuleResult) -> RuleResult:
    """Pass when the interval of "no change at all" fits within the limit in both directions, else refuse.

    Too few calls stay too few.
    """
    if result.low is None or result.high is None or result.problem not in ("", STRADDLES):
        return result
    room = abs(result.limit)
    if -room <= result.low and result.high <= room:
        return result.model_copy(update={"outcome": Outcome.PASS, "problem": "", "advice": ""})
    problem = "on this machine the same files differ from themselves by more than the limit allows"
    return result.model_copy(update={"outcome": Outcome.UNDECIDED, "problem": problem, "advice": MORE_TIME})
