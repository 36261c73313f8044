"""A gate report as words, Markdown and JUnit XML."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from edgekd.gate.grammar import Reference
from edgekd.gate.junit import gate_junit, problem_junit
from edgekd.gate.markdown import gate_markdown, problem_markdown
from edgekd.gate.records import GateReport, Outcome, RuleResult, SideInfo
from edgekd.gate.words import headline, row_of
from tests.results import make_machine


def rule(**changes):
    facts = {
        "rule": "p95>5%",
        "metric": "p95",
        "reference": Reference.PERCENT,
        "limit": 0.05,
        "outcome": Outcome.FAIL,
        "baseline": 0.002,
        "candidate": 0.0022,
        "value": 0.1,
        "low": 0.08,
        "high": 0.12,
        "confidence": 0.99,
        "count": 1200,
    }
    return RuleResult(**(facts | changes))


ACCURACY = rule(
    rule="accuracy<-1pt",
    metric="accuracy",
    reference=Reference.DIFFERENCE,
    limit=-0.01,
    outcome=Outcome.PASS,
    baseline=0.9,
    candidate=0.895,
    value=-0.005,
    low=-0.012,
    high=0.002,
    confidence=0.95,
    count=400,
)
UNCLEAR = rule(
    rule="p50>5%",
    metric="p50",
    outcome=Outcome.UNDECIDED,
    low=0.03,
    problem="the interval contains the limit",
    advice="Raise --max-seconds.",
)


def side(name, correct):
    return SideInfo(
        path=f"runs/{name}",
        name=name,
        source="bundle",
        artifact_hash="a" * 64,
        size_bytes=1,
        correct=correct,
        accuracy=correct / 400,
    )


def report(*rules, **changes):
    facts = {
        "edgekd_version": "0.1.0",
        "created_at": "2026-01-02T03:04:05+00:00",
        "verdict": Outcome.FAIL,
        "candidate": side("new", 358),
        "baseline": side("old", 360),
        "target": "cpu",
        "threads": 1,
        "data_name": "test.jsonl",
        "texts": 400,
        "agreement": 0.97,
        "rules": list(rules),
        "notes": ["A note."],
        "machine": make_machine(),
    }
    return GateReport(**(facts | changes))


def test_a_row_has_units_sign_and_interval():
    assert row_of(rule()).cells == (
        "p95>5%",
        "2.00 ms",
        "2.20 ms",
        "+10.0 % [99 %: +8.0 % to +12.0 %]",
        "FAIL",
        "host",
    )
    assert row_of(ACCURACY).change == "-0.5 pt [95 %: -1.2 pt to +0.2 pt]"


def test_a_reason_says_measured_wanted_and_advice():
    reason = row_of(UNCLEAR).reason
    assert reason.measured == (
        "p50 2.20 ms against 2.00 ms, +10.0 % [99 %: +3.0 % to +12.0 %]; 1,200 calls a side; "
        "the interval contains the limit"
    )
    assert reason.wanted == "p50 at most +5.0 % against the baseline"
    assert reason.advice == "Raise --max-seconds."


def test_an_absolute_rule_shows_the_interval_of_the_value():
    row = row_of(
        rule(
            rule="size>2MB",
            metric="size",
            reference=Reference.ABSOLUTE,
            limit=2e6,
            baseline=None,
            candidate=3e6,
            value=3e6,
            low=None,
            high=None,
            confidence=None,
            count=None,
        )
    )
    assert (row.baseline, row.candidate, row.change) == ("-", "3.00 MB", "-")
    assert row.reason.measured == "size 3.00 MB"
    assert row.reason.wanted == "size at most 2.00 MB"


def test_a_difference_in_milliseconds_has_a_sign():
    row = row_of(rule(rule="p95>+1ms", reference=Reference.DIFFERENCE, limit=1e-3, value=2e-3, low=1.5e-3, high=2.5e-3))
    assert row.change == "+2.00 ms [99 %: +1.50 ms to +2.50 ms]"


@pytest.mark.parametrize(
    ("verdict", "rules", "text"),
    [
        (Outcome.PASS, [ACCURACY], "PASS: the rule holds."),
        (Outcome.FAIL, [rule(), ACCURACY], "FAIL: p95>5% (1 of 2 rules)."),
        (Outcome.UNDECIDED, [UNCLEAR], "CANNOT TELL: p50>5% (1 of 1 rule). This is not a pass."),
    ],
)
def test_the_headline(verdict, rules, text):
    assert headline(report(*rules, verdict=verdict)) == text


def test_markdown_has_table_reasons_and_facts():
    text = gate_markdown(report(rule(), ACCURACY))
    assert text.startswith("## edgekd gate: FAIL: p95&gt;5% (1 of 2 rules).")
    assert "| p95&gt;5% | 2.00 ms | 2.20 ms | +10.0 % \\[99 %: +8.0 % to +12.0 %\\] | FAIL | host |" in text
    assert "**p95&gt;5%**: measured p95 2.20 ms against 2.00 ms" in text
    assert "baseline 90.0 % (360 of 400), candidate 89.5 % (358 of 400); same label on 97.0 %" in text
    assert "- A note." in text


def test_markdown_escapes_names():
    evil = side("a|b <script>\nx", 1)
    text = gate_markdown(report(ACCURACY, candidate=evil))
    assert "<script>" not in text
    assert "a\\|b &lt;script&gt; x" in text


def test_junit_has_a_case_for_every_rule():
    root = ET.fromstring(gate_junit(report(rule(), ACCURACY, UNCLEAR)))
    [suite] = root
    assert {key: suite.get(key) for key in ("tests", "failures", "errors")} == {
        "tests": "3",
        "failures": "1",
        "errors": "1",
    }
    failed, passed, unclear = suite.findall("testcase")
    assert failed.get("name") == "fail if p95>5%"
    assert failed.get("classname") == "edgekd.gate.cpu.new"
    assert failed.find("failure").get("message").startswith("FAIL: p95 2.20 ms against 2.00 ms")
    assert "wanted: p95 at most +5.0 %" in failed.find("failure").text
    assert passed.find("failure") is None
    assert passed.find("error") is None
    assert "advice: Raise --max-seconds." in unclear.find("error").text


def test_junit_survives_characters_that_xml_forbids():
    odd = side("bad\x00\x1b name \ud800", 1)
    root = ET.fromstring(gate_junit(report(rule(), candidate=odd)).encode("utf-8"))
    assert root.find(".//testcase").get("classname") == "edgekd.gate.cpu.bad\ufffd\ufffd name \ufffd"


def test_a_gate_that_could_not_run_leaves_an_error():
    root = ET.fromstring(problem_junit("They differ.", "Do this."))
    assert root.get("errors") == "1"
    assert root.find(".//error").get("message") == "They differ."
    assert root.find(".//error").text == "They differ.\nDo this."
    assert "They differ." in problem_markdown("They differ.", "Do this.")
