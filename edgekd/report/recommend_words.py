"""The sentences of a recommendation."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from edgekd import units
from edgekd.analysis.finding import Severity
from edgekd.analysis.gain_words import METRIC_NAMES, POINTS
from edgekd.analysis.latency_ratio import latency_ratio
from edgekd.analysis.paired_quality import score_change
from edgekd.report.findings import TITLE as FINDINGS_TITLE
from edgekd.results import Evidence
from edgekd.score_text import change_interval, change_text
from edgekd.tasks import MAIN_METRIC

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from edgekd.analysis.finding import Finding
    from edgekd.decisions import Decision
    from edgekd.devices import Budgets
    from edgekd.report.recommendation import BudgetCheck
    from edgekd.report.table import Row

LEFT_OUT_SHOWN = 3
SAME_SIZE = 0.02


def sentence(row: Row, target: str, why: str, checks: Sequence[BudgetCheck], fits: bool | None, *, known: bool) -> str:
    """Say what to ship, why, and what is known about the budgets (``known``: the target has a profile)."""
    if fits is False:
        return f"Nothing fits {target}'s budget. Nearest is {row.name}: {_list(_broken(checks))}."
    budget = _fits(target, checks, fits) if known else f"the budgets of {target} are not known"
    told = f"{why}; {budget}."
    if fits or not checks:
        return f"Ship {row.name} to {target}: {told}"
    unproven = ", not yet measured there" if any(not check.proves for check in checks) else ""
    return f"Best candidate for {target}{unproven}: {row.name}, {told}"


def _fits(target: str, checks: Sequence[BudgetCheck], fits: bool | None) -> str:
    if not checks:
        return f"{target} sets no budget"
    if fits:
        every = "every budget" if len(checks) > 1 else "the budget"
        return f"it fits {every} of {target} ({_list(check.name for check in checks)})"
    unknown = [check.name for check in checks if check.fits is None]
    known = [check.name for check in checks if check.fits]
    told = f"it fits {target}'s budget of {_list(known)}, and " if known else ""
    return f"{told}whether it fits that of {_list(unknown)} cannot be told from these numbers"


def budget_clause(target: str, checks: Sequence[BudgetCheck], fits: bool | None) -> str:
    """Say it in a few words for the headline: ", fits raspberry-pi-4's budget"; empty without budgets."""
    if not checks:
        return ""
    if fits:
        return f", fits {target}'s budget"
    names = [check.name for check in checks if check.fits is fits]
    if fits is False:
        return f", breaks {target}'s budget ({_list(names)})"
    return f", may or may not fit {target}'s budget ({_list(names)}: cannot tell)"


def because(row: Row, best: Row) -> str:
    """Say why the rule takes a row."""
    metric = METRIC_NAMES[MAIN_METRIC[row.result.quality.task]]
    timed = row.cells["p50_s"].value is not None
    if row is best:
        return (
            f"the student with the best {metric} ({row.main.text}), and none that is as good is faster"
            if timed
            else (f"the student with the best {metric} ({row.main.text})")
        )
    what = "fastest" if timed else "smallest"
    return (
        f"the {what} student whose {metric} ({row.main.text}) is not proven worse than that of the best, {best.name} "
        f"({best.main.text})"
    )


def recorded(
    choice: Decision,
    chosen: Row | None,
    taken: Row,
    by_rule: Row,
    best: Row,
    checks: Mapping[str, Sequence[BudgetCheck]],
) -> list[str]:
    """Say what was recorded when the bundles were made, and whether the rule agrees."""
    texts = f" on {choice.texts:,} validation texts" if choice.texts else ""
    what = "chose" if choice.status == "best" else "found no variant within the limits; nearest was"
    told = [f"The run {what} {choice.variant}{texts}: {choice.reason.rstrip('.')}."]
    if chosen is None:
        return [*told, f"{choice.variant} is not among these results, so the rule decides."]
    if taken is not chosen:
        return [
            *told,
            f"{choice.variant} is not recommended, because it breaks a budget: {_list(_broken(checks[chosen.name]))}.",
        ]
    if by_rule is chosen:
        return [*told, "The rule of this report, on the texts measured here, takes the same variant."]
    others = " of students only" if chosen.is_teacher else ""
    return [
        *told,
        f"The rule of this report{others} would take {by_rule.name}, {because(by_rule, best)}: it judges the texts "
        "measured here by the profile's budgets, the run judged validation texts by the limits of its recipe.",
        *_behind(chosen, best),
    ]


def _behind(row: Row, best: Row) -> list[str]:
    """Say by how much a row is proven worse than the best; nothing where that is not proven."""
    mine, theirs = row.result.quality, best.result.quality
    if row is best or not mine.targets or mine.targets != theirs.targets:
        return []
    metric = MAIN_METRIC[mine.task]
    change = score_change(mine.as_task, mine.targets, theirs.predictions, mine.predictions)
    if change.high >= 0:
        return []
    told = f"{change_text(metric, change.value)} [{change_interval(metric, change.low, change.high)}]"
    return [f"On the texts measured here {row.name} is proven worse than {best.name}: {METRIC_NAMES[metric]} {told}."]


def unknowns(row: Row, checks: Sequence[BudgetCheck], budgets: Budgets | None, target: str) -> list[str]:
    """Say of each budget that cannot be told why, and what to do."""
    if budgets is None:
        return [f"There is no profile named {target} here, so its budgets are not known."]
    reasons: dict[str, list[str]] = {}
    for check in checks:
        if check.fits is None:
            reasons.setdefault(check.note, []).append(check.name)
    told = [f"{_upper(_list(names))} cannot be told: {note}." for note, names in reasons.items()]
    if any(check.fits is None and not check.proves for check in checks):
        command = ["edgekd", "bench", row.result.artifact, "--target", target, "--on", "ssh://USER@HOST"]
        told.append(f"Measured on the board it could be told: {shlex.join(command)}")
    return told


def elsewhere(row: Row, target: str, *, is_this_machine: bool) -> list[str]:
    """Say that an order by latencies of another machine need not be that of the target."""
    if is_this_machine or row.result.evidence is not Evidence.HOST:
        return []
    return [f"Latencies were measured on this host: on {target} another variant may be the fastest."]


def left_out(rows: Sequence[Row], checks: Mapping[str, Sequence[BudgetCheck]]) -> list[str]:
    """Say which students break a budget."""
    if not rows:
        return []
    told = [f"{row.name} ({_list(_broken(checks[row.name]))})" for row in rows[:LEFT_OUT_SHOWN]]
    more = [f"{len(rows) - LEFT_OUT_SHOWN} more"] if len(rows) > LEFT_OUT_SHOWN else []
    return [f"Left out, because they break a budget: {_list([*told, *more])}."]


def invalid(findings: Iterable[Finding]) -> str:
    """Say what makes latencies worthless; empty where nothing does."""
    return _list(found.measured for found in findings if found.severity is Severity.INVALID)


def doubts(findings: Sequence[Finding]) -> list[str]:
    """Say that something speaks against the numbers of the variant."""
    names = [found.name for found in findings if found.severity is not Severity.INFO]
    return [f"Its numbers are in doubt ({_list(names)}); see '{FINDINGS_TITLE}'."] if names else []


def alternative(taken: Row, other: Row) -> str:
    """Say what the nearest alternative would bring and cost."""
    parts = [_score(taken, other), _speed(taken, other), _size(taken, other)]
    return f"Nearest alternative: {other.name} {_list(part for part in parts if part)}."


def _score(taken: Row, other: Row) -> str:
    mine, theirs = taken.result.quality, other.result.quality
    if not mine.targets or mine.targets != theirs.targets:
        return ""
    metric = MAIN_METRIC[mine.task]
    change = score_change(mine.as_task, mine.targets, mine.predictions, theirs.predictions)
    interval = f"[{change_interval(metric, change.low, change.high)}]"
    unsure = ", not proven" if change.low <= 0 <= change.high else ""
    noun = "" if metric in POINTS else f" of {METRIC_NAMES[metric]}"
    name = f" {METRIC_NAMES[metric]}" if metric in POINTS else ""
    return f"has {change_text(metric, change.value)}{noun} {interval}{name}{unsure}".replace("  ", " ")


def _speed(taken: Row, other: Row) -> str:
    ratio = latency_ratio(taken.result, other.result)
    if ratio is None or taken.cells["p50_s"].value is None or other.cells["p50_s"].value is None:
        return ""
    if ratio.value >= 1:
        bounds = (ratio.value, ratio.low, ratio.high)
        return f"takes {units.ratio(*bounds)} the time [{units.ratio_interval(*bounds)}]"
    bounds = (1 / ratio.value, 1 / ratio.high, 1 / ratio.low)
    return f"is {units.ratio(*bounds)} faster [{units.ratio_interval(*bounds)}]"


def _size(taken: Row, other: Row) -> str:
    share = other.result.size_bytes / taken.result.size_bytes
    if abs(share - 1) < SAME_SIZE:
        return "is as large"
    return f"is {units.ratio(share)} larger" if share > 1 else f"is {units.ratio(1 / share)} smaller"


def _broken(checks: Sequence[BudgetCheck]) -> list[str]:
    return [f"{check.name} {check.measured.text}, limit {check.limit.text}" for check in checks if check.fits is False]


def _list(words: Iterable[str]) -> str:
    *first, last = list(words) or [""]
    return f"{', '.join(first)} and {last}" if first else last


def _upper(text: str) -> str:
    return text if text.startswith("p95") else text[:1].upper() + text[1:]
