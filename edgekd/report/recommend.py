"""Recommend a variant: the choice recorded when the bundles were made, else a rule on what was measured.

The rule: students that break no budget of the target for certain are candidates, and where some fit every budget only
those (an interval that contains a limit, or a number from another machine, does not fit: it cannot tell). Those whose
main score is not proven worse than the best candidate's (paired 95 % interval on the same texts) count as equal. The
fastest of them by median latency is recommended; where several are equally fast, and where nothing was timed, the
smallest. When every student breaks a budget, the one that misses it by the smallest factor is named, and not
recommended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd.analysis.front import fastest
from edgekd.analysis.gain_words import METRIC_NAMES
from edgekd.analysis.latency_ratio import latency_ratio
from edgekd.analysis.tried import FASTER, Outcome, score_outcome
from edgekd.devices import Budgets
from edgekd.report import recommend_words as words
from edgekd.report.budget_checks import all_fit, budget_checks, overshoot
from edgekd.report.ladders import choice_of
from edgekd.report.recommendation import Recommendation
from edgekd.tasks import MAIN_METRIC

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from edgekd.analysis.findings import Finding
    from edgekd.decisions import Decision
    from edgekd.report.recommendation import BudgetCheck
    from edgekd.report.table import Row, Table

RULE = (
    "Rule: of the students that break no budget (those that fit every one first; what cannot be told does not fit), "
    "all whose {metric} is not proven worse than the best one's on the same texts (paired 95 % interval) count as "
    "equal; the fastest is recommended, the smallest of those that are equally fast. A choice recorded with the "
    "bundles comes first unless it breaks a budget."
)


def recommend(
    table: Table,
    *,
    target: str,
    decisions: Sequence[Decision] = (),
    dropped: Collection[str] = (),
    budgets: Budgets | None = None,
    is_this_machine: bool = False,
    findings: Mapping[str, Sequence[Finding]] | None = None,
) -> Recommendation | None:
    """Return the variant to ship to a target; None when no student was measured.

    Args:
        table: of the target.
        target: its name.
        decisions: of the target; the choice among them comes first.
        dropped: variants that were tried and not kept.
        budgets: of the target's profile; None: the profile is not known.
        is_this_machine: see :func:`edgekd.report.budget_checks.budget_checks`.
        findings: what speaks against the numbers of each row; what is invalid proves no latency.
    """
    students = [row for row in table.rows if not row.is_teacher and row.result.variant not in dropped]
    if not students:
        return None
    teacher = table.reference.result if table.reference else None
    choice = choice_of(decisions)
    chosen = next((row for row in table.rows if choice is not None and row.result.variant == choice.variant), None)
    judged = [*students, *([chosen] if chosen is not None and chosen not in students else [])]
    limits = budgets or Budgets()
    doubts = findings or {}
    checks = {
        row.name: budget_checks(
            row, teacher, limits, is_this_machine=is_this_machine, invalid=words.invalid(doubts.get(row.name, ()))
        )
        for row in judged
    }
    verdicts = {name: all_fit(mine) for name, mine in checks.items()}
    possible = [row for row in students if verdicts[row.name] is not False]
    by_rule, best = _by_rule([row for row in possible if verdicts[row.name]] or possible, students, checks)
    taken = chosen if chosen is not None and verdicts[chosen.name] is not False else by_rule
    reasons: list[str] = []
    if choice is not None:
        reasons += words.recorded(choice, chosen, taken, by_rule, best, checks)
    reasons += words.unknowns(taken, checks[taken.name], budgets, target)
    reasons += words.elsewhere(taken, target, is_this_machine=is_this_machine)
    reasons += words.left_out([row for row in students if verdicts[row.name] is False and row is not taken], checks)
    reasons += words.doubts(doubts.get(taken.name, ()))
    if (other := _alternative(taken, possible)) is not None:
        reasons.append(words.alternative(taken, other))
    if choice is not None and taken is chosen and choice.status == "nearest-miss":
        why = "the nearest miss when the bundles were made, because nothing met the limits of the recipe"
    elif taken is by_rule:
        why = words.because(taken, best)
    else:
        why = "chosen when the bundles were made"
    return Recommendation(
        variant=taken.name,
        sentence=words.sentence(
            taken, target, why, checks[taken.name], verdicts[taken.name], known=budgets is not None
        ),
        reasons=reasons,
        checks=checks[taken.name],
        fits=verdicts[taken.name],
        rule=RULE.format(metric=METRIC_NAMES[MAIN_METRIC[table.task]]),
    )


def _by_rule(
    candidates: Sequence[Row], students: Sequence[Row], checks: Mapping[str, Sequence[BudgetCheck]]
) -> tuple[Row, Row]:
    """Return what the rule takes, and the best candidate; without candidates twice the nearest miss."""
    if not candidates:
        nearest = min(students, key=lambda row: (overshoot(checks[row.name]), row.result.size_bytes))
        return nearest, nearest
    best = max(candidates, key=lambda row: row.main.value if row.main.value is not None else float("-inf"))
    equal = [row for row in candidates if row is best or not proven_worse(row, best)]
    taken, _ = fastest(
        equal, speed=lambda row: row.cells["p50_s"].value, size=lambda row: row.result.size_bytes, faster=_faster
    )
    return taken, best


def proven_worse(row: Row, best: Row) -> bool:
    """Tell whether a row's main score is certainly lower: by the paired interval where both answered the same texts."""
    if row.result.quality.targets != best.result.quality.targets:
        return (row.main.value or 0.0) < (best.main.value or 0.0)
    return score_outcome(best.result, row.result, 0.0)[1] is Outcome.BEYOND


def _faster(one: Row, other: Row) -> bool:
    ratio = latency_ratio(other.result, one.result)
    return ratio is not None and ratio.high < 1 and ratio.value <= FASTER


def _alternative(taken: Row, possible: Sequence[Row]) -> Row | None:
    """Return the next better student that costs more, or else the next cheaper one that is worse.

    Cost is the median latency, or bytes where nothing was timed.
    """

    def cost(row: Row) -> float:
        p50 = row.cells["p50_s"].value
        return p50 if p50 is not None else float(row.result.size_bytes)

    scored = [row for row in possible if row is not taken and row.main.value is not None]
    score = taken.main.value
    if score is None:
        return None
    better = [row for row in scored if (row.main.value or 0.0) > score]
    if better:
        return min(better, key=cost)
    cheaper = [row for row in scored if cost(row) < cost(taken)]
    return max(cheaper, key=lambda row: row.main.value or 0.0) if cheaper else None
