"""A gate report as words, made once for terminal, Markdown and JUnit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgekd import units
from edgekd.analysis.gain_words import METRIC_NAMES
from edgekd.gate.grammar import METRICS, Quantity, Reference
from edgekd.gate.records import Outcome
from edgekd.tasks import MAIN_METRIC, TaskKind

if TYPE_CHECKING:
    from edgekd.gate.records import GateReport, GateRun, RuleResult

WORDS = {
    Outcome.PASS: "pass",
    Outcome.FAIL: "FAIL",
    Outcome.UNDECIDED: "cannot tell",
    Outcome.INVALID: "invalid",
}
COLUMNS = ("must hold", "from", "baseline", "candidate", "change [interval]", "verdict", "evidence")


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
    origin: str
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
        return (self.rule, self.origin, self.baseline, self.candidate, self.change, self.verdict, self.evidence)


def _value(value: float | None, metric: str) -> str:
    if value is None:
        return units.BLANK
    quantity = METRICS[metric].quantity
    if quantity is Quantity.TIME:
        return units.duration(value)
    if quantity is Quantity.BYTES:
        return units.size(value)
    if quantity is Quantity.COUNT:
        return units.instructions(value)
    if quantity is Quantity.CORRELATION:
        return units.correlation(value)
    return units.number(value) if quantity is Quantity.VALUE else units.percent(value)


def _number(value: float, result: RuleResult) -> str:
    """Write what the rule limits: a relative change, a difference with its sign, or a value."""
    if result.reference is Reference.PERCENT:
        return units.relative(value, result.low, result.high)
    if result.reference is Reference.ABSOLUTE:
        return _value(value, result.metric)
    if METRICS[result.metric].quantity is Quantity.SHARE:
        return units.points(value, result.low, result.high)
    return f"{'+' if value > 0 else ''}{_value(value, result.metric)}"


def _change(result: RuleResult) -> str:
    """Write the change with its interval; for an absolute limit the interval of the value."""
    if result.value is None:
        return units.BLANK
    interval = ""
    if result.low is not None and result.high is not None and result.confidence is not None:
        ends = f"{_number(result.low, result)} to {_number(result.high, result)}"
        interval = f"[{units.short_percent(result.confidence)}: {ends}]"
    if result.reference is Reference.ABSOLUTE:
        return interval or units.BLANK
    return f"{_number(result.value, result)} {interval}".rstrip()


def _wanted(result: RuleResult) -> str:
    lower = METRICS[result.metric].direction == "<"
    bound = ("at most" if lower else "at least") if result.inclusive else ("below" if lower else "above")
    against = "" if result.reference is Reference.ABSOLUTE else " against the baseline"
    return f"{result.metric} {bound} {_limit(result)}{against}"


def _limit(result: RuleResult) -> str:
    """Write a limit as round as it was given."""
    limit, quantity = result.limit, METRICS[result.metric].quantity
    if result.reference is Reference.PERCENT:
        return f"{100 * limit:+.6g} %"
    signed = result.reference is Reference.DIFFERENCE
    if quantity is Quantity.SHARE:
        return f"{100 * limit:+.6g} pt" if signed else f"{100 * limit:.6g} %"
    plain = {Quantity.TIME: units.short_duration, Quantity.BYTES: units.short_size, Quantity.COUNT: units.count}
    write = plain.get(quantity, "{:.6g}".format)
    return f"{'-' if limit < 0 else '+' if signed else ''}{write(abs(limit))}"


def _measured(result: RuleResult) -> str:
    if result.value is None:
        problem = result.problem
        return problem if problem.startswith("nothing") else f"nothing: {problem}"
    things = {Quantity.TIME: "calls a side", Quantity.BYTES: "", Quantity.COUNT: ""}
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
        origin=result.origin.value,
        baseline=_value(result.baseline, result.metric),
        candidate=_value(result.candidate, result.metric),
        change=_change(result),
        verdict=WORDS[result.outcome],
        evidence=result.evidence.value,
        outcome=result.outcome,
        reason=Reason(_measured(result), _wanted(result), result.advice),
    )


def reason_line(row: Row) -> str:
    """Say in a line why a rule ended as it did, and what to do."""
    reason = row.reason
    return f"{row.rule}: measured {reason.measured}; wanted {reason.wanted}. {reason.advice}".rstrip()


def rows_of(report: GateReport) -> list[Row]:
    """Write all rules in their order."""
    return [row_of(result) for result in report.rules]


def headline(report: GateReport) -> str:
    """Say the verdict of a target in one sentence."""
    if report.problem:
        return f"INVALID: {report.problem} This is not a pass."
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


def overall_line(run: GateRun) -> str:
    """Say the verdict of all targets in one sentence; of a single one its own."""
    if len(run.gates) == 1:
        return headline(run.gates[0])
    parts = []
    for outcome, word in WORDS.items():
        names = [report.target or report.candidate.name for report in run.gates if report.verdict is outcome]
        if names:
            parts.append(f"{word}: {', '.join(names)}")
    end = "" if run.verdict in (Outcome.PASS, Outcome.FAIL) else " This is not a pass."
    return f"{WORDS[run.verdict].upper()} over {len(run.gates)} targets. {'; '.join(parts[::-1])}.{end}"


def report_only_line(run: GateRun) -> str:
    """Say loudly that the exit code says nothing; empty when it does."""
    if not run.report_only:
        return ""
    return (
        f"REPORT ONLY: the exit code is 0 whatever the verdict; without it this run ends with {run.verdict.exit_code}."
    )


def facts(report: GateReport) -> list[str]:
    """Say what was compared, on what, and how right both sides are."""
    lines = [f"Candidate: {report.candidate.name} ({report.candidate.path})"]
    if report.baseline is not None:
        lines.append(f"Baseline: {report.baseline.name} ({report.baseline.path})")
    if report.problem:
        return lines
    threads = f", {report.threads} thread{'s' if report.threads != 1 else ''}" if report.threads else ""
    machine = f". Machine: {report.machine.cpu_model}" if report.machine else ""
    lines.append(f"Target: {report.target}{threads}{machine}")
    if report.texts:
        lines.append(f"Texts: {report.texts:,} of {report.data_name}")
    lines += [line for line in (_quality(report), _cost(report)) if line]
    return lines


def _cost(report: GateReport) -> str:
    """Say instructions and time side by side, where both were compared: each sees what the other cannot."""
    known = {
        rule.metric: rule for rule in report.rules if rule.reference is Reference.PERCENT and rule.value is not None
    }
    counted = known.get("instructions")
    timed = next((rule for name, rule in known.items() if METRICS[name].percentile is not None), None)
    if counted is None or timed is None:
        return ""
    return f"Cost: {_change(counted)} instructions (exact), {_change(timed)} time at {timed.metric}"


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
