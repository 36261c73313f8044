"""A gate report as words, made once for terminal, Markdown and JUnit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgekd.analysis.gain_words import METRIC_NAMES
from edgekd.gate.grammar import METRICS, Quantity, Reference
from edgekd.gate.records import Outcome
from edgekd.report import units
from edgekd.tasks import MAIN_METRIC, TaskKind

if TYPE_CHECKING:
    from edgekd.gate.records import GateReport, RuleResult

WORDS = {
    Outcome.PASS: "pass",
    Outcome.FAIL: "FAIL",
    Outcome.UNDECIDED: "cannot tell",
    Outcome.INVALID: "invalid",
}
COLUMNS = ("rule: fail if", "baseline", "candidate", "change [interval]", "verdict", "evidence")


@dataclass(frozen=True)
class Reason:
    """Why a rule ended as it did."""

    measured: str
    wanted: str
    advice: str


@dataclass(frozen=True)
class Row:
    """One rule as text."""

    rule: str
    baseline: str
    candidate: str
    change: str
    verdict: str
    evidence: str
    outcome: Outcome
    reason: Reason

    @property
    def cells(self) -> tuple[str, ...]:
        """The cells in the order of :data:`COLUMNS`."""
        return (self.rule, self.baseline, self.candidate, self.change, self.verdict, self.evidence)


def _value(value: float | None, metric: str) -> str:
    if value is None:
        return units.BLANK
    quantity = METRICS[metric].quantity
    if quantity is Quantity.TIME:
        return units.duration(value)
    if quantity is Quantity.BYTES:
        return units.size(value)
    if quantity is Quantity.CORRELATION:
        return units.correlation(value)
    return units.number(value) if quantity is Quantity.VALUE else units.percent(value)


def _number(value: float, result: RuleResult) -> str:
    """Write what the rule limits: a relative change, a difference with its sign, or a value."""
    if result.reference is Reference.PERCENT:
        return f"{100 * value:+.1f} %"
    if result.reference is Reference.ABSOLUTE:
        return _value(value, result.metric)
    if METRICS[result.metric].quantity is Quantity.SHARE:
        return units.points(value)
    return f"{'+' if value > 0 else ''}{_value(value, result.metric)}"


def _change(result: RuleResult) -> str:
    """Write the change with its interval; for an absolute limit the interval of the value."""
    if result.value is None:
        return units.BLANK
    interval = ""
    if result.low is not None and result.high is not None and result.confidence is not None:
        ends = f"{_number(result.low, result)} to {_number(result.high, result)}"
        interval = f"[{100 * result.confidence:.3g} %: {ends}]"
    if result.reference is Reference.ABSOLUTE:
        return interval or units.BLANK
    return f"{_number(result.value, result)} {interval}".rstrip()


def _wanted(result: RuleResult) -> str:
    bound = "at most" if METRICS[result.metric].fails_when == ">" else "at least"
    against = "" if result.reference is Reference.ABSOLUTE else " against the baseline"
    return f"{result.metric} {bound} {_number(result.limit, result)}{against}"


def _measured(result: RuleResult) -> str:
    if result.value is None:
        return result.problem or "nothing"
    things = {Quantity.TIME: "calls a side", Quantity.BYTES: ""}
    thing = things.get(METRICS[result.metric].quantity, "texts")
    if METRICS[result.metric].percentile is None and thing.startswith("calls"):
        thing = "processes a side"
    count = f"; {result.count:,} {thing}" if result.count and thing else ""
    sides = _value(result.candidate, result.metric)
    if result.baseline is not None:
        sides += f" against {_value(result.baseline, result.metric)}"
    problem = f"; {result.problem}" if result.problem else ""
    change = _change(result)
    shown = "" if change == units.BLANK else f", {change}"
    return f"{result.metric} {sides}{shown}{count}{problem}"


def row_of(result: RuleResult) -> Row:
    """Write one rule."""
    return Row(
        rule=result.rule,
        baseline=_value(result.baseline, result.metric),
        candidate=_value(result.candidate, result.metric),
        change=_change(result),
        verdict=WORDS[result.outcome],
        evidence=result.evidence.value,
        outcome=result.outcome,
        reason=Reason(_measured(result), _wanted(result), result.advice),
    )


def rows_of(report: GateReport) -> list[Row]:
    """Write all rules in their order."""
    return [row_of(result) for result in report.rules]


def headline(report: GateReport) -> str:
    """Say the verdict in one sentence."""
    broken = [result.rule for result in report.rules if result.outcome is report.verdict]
    total = len(report.rules)
    what = "self-test" if report.self_test else "gate"
    if report.verdict is Outcome.PASS:
        if report.self_test:
            return f"PASS: this machine can judge {', '.join(r.rule for r in report.rules)}."
        return f"PASS: {'the rule holds' if total == 1 else f'all {total} rules hold'}."
    listed = f"{', '.join(broken)} ({len(broken)} of {total} rule{'s' if total != 1 else ''})"
    if report.verdict is Outcome.FAIL:
        return f"FAIL: {listed}."
    if report.verdict is Outcome.UNDECIDED:
        return f"CANNOT TELL: {listed}. This is not a pass."
    return f"INVALID: the {what} could not measure {listed}. This is not a pass."


def facts(report: GateReport) -> list[str]:
    """Say what was compared, on what, and how right both sides are."""
    lines = [f"Candidate: {report.candidate.name} ({report.candidate.path})"]
    if report.baseline is not None:
        lines.append(f"Baseline: {report.baseline.name} ({report.baseline.path})")
    threads = f"{report.threads} thread{'s' if report.threads != 1 else ''}"
    machine = report.machine.cpu_model if report.machine else "unknown"
    lines.append(f"Target: {report.target}, {threads}. Machine: {machine}")
    if report.texts:
        lines.append(f"Texts: {report.texts:,} of {report.data_name}")
    quality = _quality(report)
    if quality:
        lines.append(quality)
    return lines


def _quality(report: GateReport) -> str:
    metric = MAIN_METRIC[report.task]
    sides = []
    for label, side in (("baseline", report.baseline), ("candidate", report.candidate)):
        if side is not None and side.accuracy is not None:
            sides.append(f"{label} {units.percent(side.accuracy)} ({side.correct:,} of {report.texts:,})")
        elif side is not None and side.score is not None:
            sides.append(f"{label} {_value(side.score, metric)}")
    if not sides:
        return ""
    alike = "same label" if report.task is TaskKind.SINGLE_LABEL else "same decision"
    same = "" if report.agreement is None else f"; {alike} on {units.percent(report.agreement)}"
    name = METRIC_NAMES[metric]
    return f"{name[0].upper()}{name[1:]}: {', '.join(sides)}{same}"
