"""A gate report as words."""

from __future__ import annotations

import pytest

from edgekd.gate.account import run_of
from edgekd.gate.grammar import METRICS, Origin, Reference, parse_rule
from edgekd.gate.records import GateReport, Outcome, RuleResult, SideInfo
from edgekd.gate.words import COLUMNS, headline, overall_line, reason_line, report_only_line, row_of
from tests.gates import make_rule as rule
from tests.results import make_machine

ACCURACY = rule(
    rule="accuracy>-1pt",
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
    rule="p50<+5%",
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
        "p95<+5%",
        "flag",
        "2.00 ms",
        "2.20 ms",
        "+10.0 % [99 %: +8.0 % to +12.0 %]",
        "FAIL",
        "host",
    )
    assert len(row_of(rule()).cells) == len(COLUMNS)
    assert row_of(ACCURACY).change == "-0.5 pt [95 %: -1.2 pt to +0.2 pt]"


def test_a_reason_says_measured_wanted_and_advice():
    reason = row_of(UNCLEAR).reason
    assert reason.measured == (
        "p50 2.20 ms against 2.00 ms, +10.0 % [99 %: +3.0 % to +12.0 %]; 1,200 calls a side; "
        "the interval contains the limit"
    )
    assert reason.wanted == "p50 below +5 % against the baseline"
    assert reason.advice == "Raise --max-seconds."
    assert reason_line(row_of(UNCLEAR)).endswith("; wanted p50 below +5 % against the baseline. Raise --max-seconds.")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("p95<=20ms", "p95 at most 20 ms"),
        ("p95<+1.5ms", "p95 below +1.5 ms against the baseline"),
        ("p50<=-2.5%", "p50 at most -2.5 % against the baseline"),
        ("p50<+0.25%", "p50 below +0.25 % against the baseline"),
        ("size<2MB", "size below 2 MB"),
        ("size<-10KB", "size below -10 kB against the baseline"),
        ("instructions<+1%", "instructions below +1 % against the baseline"),
        ("instructions<2M", "instructions below 2.00 M"),
        ("accuracy>=0.885", "accuracy at least 88.5 %"),
        ("accuracy>-0.25pt", "accuracy above -0.25 pt against the baseline"),
        ("pearson>-0.02", "pearson above -0.02 against the baseline"),
        ("rmse<0.8", "rmse below 0.8"),
    ],
)
def test_what_is_wanted_reads_like_the_rule(text, wanted):
    asked = parse_rule(text)
    facts = {"rule": text, "metric": asked.metric.name, "reference": asked.reference, "limit": asked.limit}
    result = RuleResult(**facts, inclusive=asked.inclusive, outcome=Outcome.INVALID)
    assert row_of(result).reason.wanted == wanted


def test_every_metric_can_be_written():
    for name in METRICS:
        row = row_of(rule(metric=name, reference=Reference.ABSOLUTE, origin=Origin.PROFILE))
        assert row.origin == "profile"
        assert all(row.cells)


def test_an_absolute_rule_shows_the_interval_of_the_value():
    row = row_of(
        rule(
            rule="size<2MB",
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


def test_a_difference_in_milliseconds_has_a_sign():
    row = row_of(rule(rule="p95<+1ms", reference=Reference.DIFFERENCE, limit=1e-3, value=2e-3, low=1.5e-3, high=2.5e-3))
    assert row.change == "+2.00 ms [99 %: +1.50 ms to +2.50 ms]"


@pytest.mark.parametrize(
    ("verdict", "rules", "text"),
    [
        (Outcome.PASS, [ACCURACY], "PASS: the rule holds."),
        (Outcome.FAIL, [rule(), ACCURACY], "FAIL: p95<+5% (1 of 2 rules)."),
        (Outcome.UNDECIDED, [UNCLEAR], "CANNOT TELL: p50<+5% (1 of 1 rule). This is not a pass."),
    ],
)
def test_the_headline(verdict, rules, text):
    assert headline(report(*rules, verdict=verdict)) == text


def test_a_target_that_could_not_be_judged_says_why():
    broken = report(verdict=Outcome.INVALID, problem="'new' is damaged.", advice="Build it again.")
    assert headline(broken) == "INVALID: 'new' is damaged. This is not a pass."


PASSED = report(ACCURACY, verdict=Outcome.PASS, target="pi4")
FAILED = report(rule(), target="pi5")
UNKNOWN = report(UNCLEAR, verdict=Outcome.UNDECIDED, target="cpu")


@pytest.mark.parametrize(
    ("gates", "code", "text"),
    [
        ([PASSED], 0, "PASS: the rule holds."),
        ([PASSED, PASSED], 0, "PASS over 2 targets. pass: pi4, pi4."),
        ([PASSED, FAILED, UNKNOWN], 1, "FAIL over 3 targets. cannot tell: cpu; FAIL: pi5; pass: pi4."),
        ([UNKNOWN, PASSED], 3, "CANNOT TELL over 2 targets. cannot tell: cpu; pass: pi4. This is not a pass."),
    ],
)
def test_the_worst_target_decides(gates, code, text):
    run = run_of(gates)
    assert (run.exit_code, overall_line(run), report_only_line(run)) == (code, text, "")


def test_report_only_changes_the_exit_code_and_nothing_else():
    run = run_of([FAILED.model_copy(update={"report_only": True})])
    assert (run.exit_code, run.verdict) == (0, Outcome.FAIL)
    assert overall_line(run) == "FAIL: p95<+5% (1 of 1 rule)."
    assert report_only_line(run).startswith("REPORT ONLY: the exit code is 0 whatever the verdict; without it")
    assert report_only_line(run).endswith("ends with 1.")
