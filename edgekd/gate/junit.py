"""Gates as JUnit XML, as CI systems read it: a test suite a target, a test case a rule.

There is no one standard. What is written here is valid under both schemas that tools check against, the one of Ant's
tasks (windyroad/JUnit-Schema) and the one of Jenkins (junit-10.xsd of its xunit plugin): counts and ``time`` on every
suite, ``properties`` first, ``system-out`` and ``system-err`` last, and nothing but a failure or an error in a case.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from edgekd.gate.records import Outcome
from edgekd.gate.words import facts, headline, rows_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.gate.records import GateReport, GateRun
    from edgekd.gate.words import Row

# XML 1.0 allows no other control characters, surrogates or non-characters (section 2.2).
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NO_TIME = "0"  # of a case: measuring serves all rules together


def _clean(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)


def _suite(root: ET.Element, name: str, created_at: str, outcomes: Sequence[Outcome], seconds: float) -> ET.Element:
    """Add a suite; ``created_at`` is ISO 8601, of which a suite has no time zone."""
    failures = sum(outcome is Outcome.FAIL for outcome in outcomes)
    errors = sum(outcome in (Outcome.UNDECIDED, Outcome.INVALID) for outcome in outcomes)
    attributes = {
        "id": str(len(root)),
        "name": _clean(name),
        "package": "edgekd.gate",
        "hostname": "localhost",  # what the schema asks for where the name is not recorded
        "timestamp": created_at[:19],
        "tests": str(len(outcomes)),
        "failures": str(failures),
        "errors": str(errors),
        "skipped": "0",
        "time": f"{seconds:.3f}",
    }
    return ET.SubElement(root, "testsuite", attributes)


def _properties(suite: ET.Element, values: dict[str, str]) -> None:
    properties = ET.SubElement(suite, "properties")
    for name, value in values.items():
        ET.SubElement(properties, "property", {"name": name, "value": _clean(value)})


def _case(suite: ET.Element, group: str, name: str) -> ET.Element:
    return ET.SubElement(suite, "testcase", {"classname": _clean(group), "name": _clean(name), "time": _NO_TIME})


def _problem(case: ET.Element, kind: str, label: str, message: str, text: str) -> None:
    ET.SubElement(case, kind, {"type": label, "message": _clean(message)}).text = _clean(text)


def _end(suite: ET.Element, lines: Sequence[str]) -> None:
    ET.SubElement(suite, "system-out").text = _clean("\n".join(lines))
    ET.SubElement(suite, "system-err")


def _write(root: ET.Element) -> str:
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def gate_junit(run: GateRun) -> str:
    """Write all gates: a rule that does not hold is a failure, one that cannot be told is an error.

    The outcome is the true one, with ``--report-only`` too; a property of the suite says that it was given.
    """
    root = ET.Element("testsuites")
    for report in run.gates:
        _add(root, report)
    return _write(root)


def _add(root: ET.Element, report: GateReport) -> None:
    group = f"edgekd.gate.{report.target}.{report.candidate.name}"
    rows = rows_of(report)
    outcomes = [Outcome.INVALID] if report.problem else [row.outcome for row in rows]
    suite = _suite(root, f"edgekd gate {report.target}", report.created_at, outcomes, _timed_seconds(report))
    _properties(suite, _identity(report))
    if report.problem:
        message = f"{report.problem} {report.advice}".rstrip()
        _problem(_case(suite, group, "gate"), "error", "invalid", report.problem, message)
    else:
        for row in rows:
            _add_rule(_case(suite, group, row.rule), row)
    lines = [headline(report), *facts(report), *report.notes]
    _end(suite, [*lines, *(f"{row.rule}: {row.verdict}; measured {row.reason.measured}" for row in rows)])


def _add_rule(case: ET.Element, row: Row) -> None:
    if row.outcome is Outcome.PASS:
        return
    reason = row.reason
    text = f"measured: {reason.measured}\nwanted: {reason.wanted}"
    if reason.advice:
        text += f"\nadvice: {reason.advice}"
    kind, label = ("failure", "regression") if row.outcome is Outcome.FAIL else ("error", row.verdict)
    _problem(case, kind, label, f"{row.verdict}: {reason.measured}", text)


def _timed_seconds(report: GateReport) -> float:
    """Return how long the timed calls took together; what is around them is not recorded."""
    processes = [*report.paired, *report.alone, *report.baseline_alone]
    return sum(sum(side) for process in processes for side in process.seconds)


def _identity(report: GateReport) -> dict[str, str]:
    """Say which files and texts were judged."""
    values = {"verdict": report.verdict.value, "report_only": str(report.report_only).lower()}
    values |= {"target": report.target, "candidate": report.candidate.artifact_hash}
    if report.baseline is not None:
        values["baseline"] = report.baseline.artifact_hash
    return {**values, "data": report.data_hash}
