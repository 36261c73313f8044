"""A gate report as JUnit XML: one test case per rule, as CI systems read it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from edgekd.gate.records import Outcome
from edgekd.gate.words import facts, rows_of

if TYPE_CHECKING:
    from edgekd.gate.records import GateReport

# XML 1.0 allows no other control characters, surrogates or non-characters (section 2.2).
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _clean(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)


def _suite(cases: int, failures: int, errors: int) -> tuple[ET.Element, ET.Element]:
    counts = {"tests": str(cases), "failures": str(failures), "errors": str(errors)}
    root = ET.Element("testsuites", {"name": "edgekd", **counts})
    return root, ET.SubElement(root, "testsuite", {"name": "edgekd gate", "skipped": "0", **counts})


def _write(root: ET.Element) -> str:
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def gate_junit(report: GateReport) -> str:
    """Write all rules: a broken one is a failure, one that cannot be told is an error."""
    rows = rows_of(report)
    failures = sum(row.outcome is Outcome.FAIL for row in rows)
    errors = sum(row.outcome in (Outcome.UNDECIDED, Outcome.INVALID) for row in rows)
    root, suite = _suite(len(rows), failures, errors)
    suite.set("timestamp", report.created_at[:19])
    for row in rows:
        name = f"edgekd.gate.{report.target}.{report.candidate.name}"
        case = ET.SubElement(suite, "testcase", {"classname": _clean(name), "name": f"fail if {row.rule}"})
        reason = row.reason
        text = f"measured: {reason.measured}\nwanted: {reason.wanted}"
        if reason.advice:
            text += f"\nadvice: {reason.advice}"
        if row.outcome is Outcome.PASS:
            ET.SubElement(case, "system-out").text = _clean(text)
            continue
        kind, label = ("failure", "regression") if row.outcome is Outcome.FAIL else ("error", row.verdict)
        message = f"{row.verdict}: {reason.measured}"
        ET.SubElement(case, kind, {"type": label, "message": _clean(message)}).text = _clean(text)
    ET.SubElement(suite, "system-out").text = _clean("\n".join([*facts(report), *report.notes]))
    return _write(root)


def problem_junit(message: str, hint: str | None) -> str:
    """Write that a gate could not be run, as one test case with an error."""
    root, suite = _suite(1, 0, 1)
    case = ET.SubElement(suite, "testcase", {"classname": "edgekd.gate", "name": "gate"})
    error = ET.SubElement(case, "error", {"type": "invalid", "message": _clean(message)})
    error.text = _clean(f"{message}\n{hint or ''}".rstrip())
    return _write(root)
