"""What was measured against the budgets of the target. An interval that contains a limit proves nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd import units
from edgekd.analysis.gain_words import METRIC_NAMES
from edgekd.analysis.paired_quality import score_change
from edgekd.analysis.tried import ROUNDING
from edgekd.report.cells import Cell, missing
from edgekd.report.estimates import METHODS
from edgekd.report.recommendation import BudgetCheck
from edgekd.results import Evidence
from edgekd.score_text import change_interval, change_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.devices import Budgets
    from edgekd.report.table import Row
    from edgekd.results import BenchResult

CONTAINS = "its interval contains the limit"


def budget_checks(
    row: Row, teacher: BenchResult | None, budgets: Budgets, *, is_this_machine: bool, invalid: str = ""
) -> list[BudgetCheck]:
    """Check one variant against all budgets that there are.

    Args:
        row: of the variant.
        teacher: whose score the loss is counted from; None: there is none.
        budgets: of the target.
        is_this_machine: the target stands for whatever machine measured; otherwise host numbers prove neither latency
            nor memory of the target.
        invalid: why the latencies must not be compared with anything; empty where they may.
    """
    proves = row.result.evidence is Evidence.DEVICE or (is_this_machine and row.result.evidence is Evidence.HOST)
    checks = []
    if budgets.p95_s is not None:
        checks.append(_p95(row, budgets.p95_s, proves, invalid))
    if budgets.size_bytes is not None:
        limit = Cell(units.short_size(budgets.size_bytes), value=budgets.size_bytes)
        fits = row.result.size_bytes <= budgets.size_bytes
        checks.append(BudgetCheck("size", row.cells["size_bytes"], limit, fits, row.evidence))
    if budgets.peak_rss_bytes is not None:
        checks.append(_peak(row, budgets.peak_rss_bytes, proves))
    if budgets.accuracy_drop is not None:
        checks.append(_loss(row, teacher, budgets.accuracy_drop))
    return checks


def all_fit(checks: Sequence[BudgetCheck]) -> bool | None:
    """Return True when every budget fits, False when one certainly does not, None otherwise and without budgets."""
    answers = [check.fits for check in checks]
    return False if False in answers else True if answers and None not in answers else None


def overshoot(checks: Sequence[BudgetCheck]) -> float:
    """Return how far the budgets that are certainly broken are missed: measured / limit, the largest."""
    shares = [
        abs(check.measured.value / check.limit.value)
        for check in checks
        if check.fits is False and check.measured.value is not None and check.limit.value
    ]
    return max(shares, default=1.0)


def _p95(row: Row, limit_s: float, proves: bool, invalid: str) -> BudgetCheck:
    cell, limit = row.cells["p95_s"], Cell(units.short_duration(limit_s), value=limit_s)
    if not proves:
        note = _elsewhere(row) + _estimated(row)
        return BudgetCheck("p95", cell, limit, None, row.evidence if cell.value is not None else "", note, proves=False)
    if cell.value is None or cell.low is None or cell.high is None:
        return BudgetCheck("p95", cell, limit, None, "", cell.missing)
    if invalid:
        return BudgetCheck("p95", cell, limit, None, row.evidence, f"invalid: {invalid}")
    fits = True if cell.high <= limit_s else False if cell.low > limit_s else None
    return BudgetCheck("p95", cell, limit, fits, row.evidence, CONTAINS if fits is None else "")


def _peak(row: Row, limit_bytes: int, proves: bool) -> BudgetCheck:
    cell, limit = row.cells["peak_rss_bytes"], Cell(units.short_size(limit_bytes), value=limit_bytes)
    if cell.value is None:
        return BudgetCheck("peak RSS", cell, limit, None, "", cell.missing, proves=proves)
    fits = cell.value <= limit_bytes if proves else None
    note = "" if proves else _elsewhere(row)
    return BudgetCheck("peak RSS", cell, limit, fits, row.evidence, note, proves=proves)


def _elsewhere(row: Row) -> str:
    if row.result.evidence is Evidence.EMULATED:
        return "an emulator tells nothing about it"
    return f"measured on this host, not on {row.result.target}"


def _estimated(row: Row) -> str:
    """Add the estimate for the longest texts that were estimated, where the target has one."""
    mine = [each for each in row.result.estimates if each.target == row.result.target and each.processor == "cpu"]
    if not mine:
        return ""
    longest = max(mine, key=lambda each: each.tokens)
    value, low, high = (units.rough_duration(each) for each in (longest.latency_s, longest.low_s, longest.high_s))
    return (
        f"; estimated ({METHODS[longest.kind]}, not measured): {value} for a text of {longest.tokens} tokens, expected "
        f"within {low} to {high}"
    )


def _loss(row: Row, teacher: BenchResult | None, allowed: float) -> BudgetCheck:
    quality = row.result.quality
    metric = quality.as_task.main_metric
    name, limit = f"{METRIC_NAMES[metric]} against the teacher", Cell(change_text(metric, -allowed), value=-allowed)
    answers = teacher.quality.predictions if teacher is not None else quality.teacher_predictions
    if answers is None:
        return BudgetCheck(name, missing("no teacher was measured"), limit, None, "", "no teacher was measured")
    if not quality.targets or (teacher is not None and teacher.quality.targets != quality.targets):
        return BudgetCheck(name, missing("no true labels"), limit, None, "", "the texts have no true labels")
    change = score_change(quality.as_task, quality.targets, answers, quality.predictions)
    cell = Cell(
        change_text(metric, change.value),
        change_interval(metric, change.low, change.high),
        change.value,
        change.low,
        change.high,
        change.n,
    )
    fits = True if change.low >= -allowed - ROUNDING else False if change.high < -allowed - ROUNDING else None
    return BudgetCheck(name, cell, limit, fits, row.evidence, CONTAINS if fits is None else "")
