"""The rules' language: small, total, and strict about what a rule could mean."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekd.analysis.sums import METRICS as INTERVALS
from edgekd.devices import find_profile
from edgekd.errors import ConfigError
from edgekd.gate.budgets import rules_of
from edgekd.gate.grammar import (
    METRICS,
    UNITS,
    Origin,
    Quantity,
    Reference,
    parse_rule,
    parse_rules,
)
from edgekd.gate.job import GateJob
from edgekd.gate.task_rules import QUALITY_METRICS, check_metrics
from edgekd.tasks import TaskKind


@pytest.mark.parametrize(
    ("text", "metric", "reference", "limit"),
    [
        ("p95<5%", "p95", Reference.PERCENT, 0.05),
        ("p95<+5%", "p95", Reference.PERCENT, 0.05),
        ("p50 < -5 %", "p50", Reference.PERCENT, -0.05),
        ("p95<20ms", "p95", Reference.ABSOLUTE, 0.02),
        ("p99<+250us", "p99", Reference.DIFFERENCE, 0.00025),
        ("p90<1.5\u00b5s", "p90", Reference.ABSOLUTE, 1.5e-6),
        ("size<2MB", "size", Reference.ABSOLUTE, 2_000_000),
        ("size<2kB", "size", Reference.ABSOLUTE, 2000),
        ("size<2MiB", "size", Reference.ABSOLUTE, 2 * 2**20),
        ("size<+200KB", "size", Reference.DIFFERENCE, 200_000),
        ("peak_rss<10%", "peak_rss", Reference.PERCENT, 0.1),
        ("load_time<0.5s", "load_time", Reference.ABSOLUTE, 0.5),
        ("instructions<+1%", "instructions", Reference.PERCENT, 0.01),
        ("instructions<2.5M", "instructions", Reference.ABSOLUTE, 2_500_000),
        ("instructions<+3K", "instructions", Reference.DIFFERENCE, 3000),
        ("instructions<900000", "instructions", Reference.ABSOLUTE, 900_000),
        ("accuracy>-1pt", "accuracy", Reference.DIFFERENCE, -0.01),
        ("accuracy>-0.01", "accuracy", Reference.DIFFERENCE, -0.01),
        ("accuracy>0.85", "accuracy", Reference.ABSOLUTE, 0.85),
        ("macro_f1>+1pt", "macro_f1", Reference.DIFFERENCE, 0.01),
        ("agreement>0.98", "agreement", Reference.ABSOLUTE, 0.98),
        ("pearson>-0.02", "pearson", Reference.DIFFERENCE, -0.02),
        ("pearson>0.8", "pearson", Reference.ABSOLUTE, 0.8),
        ("rmse<5%", "rmse", Reference.PERCENT, 0.05),
        ("rmse<0.8", "rmse", Reference.ABSOLUTE, 0.8),
        ("mae<+0.1", "mae", Reference.DIFFERENCE, 0.1),
        ("micro_f1>-0.5pt", "micro_f1", Reference.DIFFERENCE, -0.005),
    ],
)
def test_rules(text, metric, reference, limit):
    strict, inclusive = parse_rule(text), parse_rule(text.replace("<", "<=").replace(">", ">="))
    assert (strict.metric.name, strict.reference, strict.limit, strict.inclusive) == (metric, reference, limit, False)
    assert inclusive == replace(strict, inclusive=True)
    assert (strict.holds(limit), inclusive.holds(limit)) == (False, True)
    assert (strict.beyond(limit), inclusive.beyond(limit)) == (True, False)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("p96<5%", ["metric 'p96'", "Available: accuracy, agreement", "Did you mean 'p9"]),
        ("energy<1J", ["Unknown metric 'energy'. Available: accuracy, agreement"]),
        ("p95>5%", ["say what must hold, and lower is better for p95", 'Write "p95<+5%"']),
        ("p95>=20ms", ['Write "p95<=20ms"']),
        ("accuracy<-1pt", ["higher is better for accuracy", 'Write "accuracy>-1pt"']),
        ("p95==5%", ["'==' is not allowed; p95 takes '<' or '<='", 'Write "p95<+5%"']),
        ("p95<5MB", ["p95 cannot have unit 'MB'", "us, ms, s or % (of the baseline)"]),
        ("p95<20", ["a number without a unit", "us, ms, s"]),
        ("size<2mb", ["Did you mean 'MB'?"]),
        ("size<2ms", ["size cannot have unit 'ms'", "KiB"]),
        ("instructions<10m", ["no unit (a number), K, M, G or %", "Did you mean 'M'?"]),
        ("accuracy<-1%", ["two things", "accuracy>-1pt", "accuracy>0.85"]),
        ("accuracy<1pt", ["points need a sign", 'Write "accuracy>-1pt"']),
        ("accuracy>85", ["share above 0 and at most 1"]),
        ("accuracy>1", ["nothing is above 1", 'Write "accuracy>=1"']),
        ("agreement>-1pt", ["agreement already compares", 'Write "agreement>0.98"']),
        ("size<0MB", ["never holds"]),
        ("rmse<=0", ["never holds"]),
        ("pearson>-1pt", ["pearson cannot have unit 'pt'", "a correlation from -1 to 1"]),
        ("pearson>-2%", ["two things", "pearson>-0.02", "pearson>0.8"]),
        ("pearson>1.5", ["correlation above 0 and at most 1"]),
        ("rmse>5%", ["lower is better for rmse", 'Write "rmse<+5%"']),
        ("rmse<5pt", ["rmse cannot have unit 'pt'", "in the units of the data", "% (of the baseline)"]),
        ("faster please", ["expected METRIC", "p50, p90"]),
        ("p95<", ["expected METRIC"]),
        ("", ["expected METRIC"]),
        ("p95<" + "9" * 400 + "s", ["too large"]),
    ],
)
def test_a_wrong_rule_says_what_is_allowed(text, parts):
    with pytest.raises(ConfigError) as caught:
        parse_rule(text)
    assert f'Rule "{text}"' in caught.value.message
    assert caught.value.hint
    assert caught.value.exit_code == 2
    for part in parts:
        assert part in caught.value.message


@given(st.text())
def test_any_text_is_a_rule_or_a_clear_error(text):
    try:
        found = parse_rule(text).metric.name
    except ConfigError as error:
        found = error.message
    assert found in METRICS or text in found


RULE_TEXTS = st.builds(
    lambda metric, op, sign, number: f"{metric.name}{metric.direction}{op}{sign}{number}%",
    st.sampled_from([m for m in METRICS.values() if m.quantity not in (Quantity.SHARE, Quantity.CORRELATION)]),
    st.sampled_from(["", "="]),
    st.sampled_from(["", "+", "-"]),
    st.decimals(min_value=0, max_value=1000, places=3).map(lambda d: f"{d:f}"),
)


@given(RULE_TEXTS)
def test_a_rule_reads_the_same_when_it_is_read_again(text):
    rule = parse_rule(text)
    again = parse_rule(rule.text)
    assert (again, again.text) == (rule, rule.text)


@given(st.sampled_from(sorted(UNITS[Quantity.BYTES])), st.integers(1, 10**6))
def test_a_byte_decides(unit, number):
    limit = float(number * UNITS[Quantity.BYTES][unit])
    rule, inclusive = parse_rule(f"size<{number}{unit}"), parse_rule(f"size<={number}{unit}")
    assert [rule.holds(limit - 1), rule.holds(limit), rule.holds(limit + 1)] == [True, False, False]
    assert [inclusive.holds(limit - 1), inclusive.holds(limit), inclusive.holds(limit + 1)] == [True, True, False]


def test_two_spellings_of_a_rule_count_once():
    assert [rule.text for rule in parse_rules(["p50<3%", "p50<+3%", "size<2MB"])] == ["p50<+3%", "size<2MB"]
    assert parse_rule("p50<3%", Origin.FILE) == parse_rule("p50<+3%", Origin.FLAG)
    assert parse_rule("p50<3%") != parse_rule("p50<=3%")


def test_a_quality_that_the_task_does_not_have_is_refused_with_those_it_has():
    check_metrics(parse_rules(["p95<5%", "rmse<5%", "pearson>0.8", "mae<0.5"]), TaskKind.REGRESSION)
    with pytest.raises(ConfigError, match=r"a regression model has no accuracy.*pearson, mae, rmse"):
        check_metrics(parse_rules(["size<5%", "accuracy>-1pt"]), TaskKind.REGRESSION)
    with pytest.raises(ConfigError, match=r"a single-label model has no micro_f1.*accuracy, macro_f1, agreement"):
        check_metrics(parse_rules(["micro_f1>-1pt"]), TaskKind.SINGLE_LABEL)


def test_the_quality_metrics_are_those_that_have_intervals():
    for task, names in QUALITY_METRICS.items():
        assert set(names) - {"agreement"} == set(INTERVALS[task])
        assert set(names) <= set(METRICS)


def test_only_absolute_rules_do_without_a_baseline():
    needs = {text: parse_rule(text).needs_baseline for text in ("p95<5%", "p95<5ms", "size<+1B", "agreement>0.9")}
    assert needs == {"p95<5%": True, "p95<5ms": False, "size<+1B": True, "agreement>0.9": True}


# Which rules a gate has

PI4 = find_profile("pi4")
BUDGETS = ["p95<=20ms", "size<=25MB", "peak_rss<=200MB"]


def rules(task=TaskKind.SINGLE_LABEL, *, has_baseline=True, profile=PI4, **options):
    job = GateJob(Path("candidate"), **options)
    found = rules_of(job, task, profile, has_baseline=has_baseline)
    return [(rule.text, rule.origin.value) for rule in found.rules], found.notes


@pytest.mark.parametrize(
    ("task", "quality"),
    [
        (TaskKind.SINGLE_LABEL, "accuracy>-1pt"),
        (TaskKind.MULTI_LABEL, "macro_f1>-1pt"),
        (TaskKind.REGRESSION, "pearson>-0.01"),
    ],
)
def test_without_rules_the_budgets_and_the_usual_changes_hold(task, quality):
    usual = [(text, "default") for text in ("p95<+5%", quality, "size<+5%")]
    assert rules(task) == (usual, [])
    assert rules(task, profile_budgets=True) == ([(text, "profile") for text in BUDGETS] + usual, [])


def test_without_a_baseline_only_absolute_budgets_hold_and_that_is_said():
    found, [note] = rules(has_baseline=False, profile_budgets=True)
    assert found == [(text, "profile") for text in BUDGETS]
    assert note == "Without a baseline the budget accuracy>=-10pt of raspberry-pi-4 is not judged."


def test_a_flag_wins_over_the_file_and_both_over_the_budget_of_a_metric():
    found, _ = rules(rules=("p95<5ms",), file_rules=("p95<9ms", "size<+1%", "p50<+3%"), profile_budgets=True)
    assert found == [
        ("p95<5ms", "flag"),
        ("size<+1%", "file"),
        ("p50<+3%", "file"),
        ("peak_rss<=200MB", "profile"),
        ("accuracy>=-10pt", "profile"),
    ]


def test_the_loss_of_a_regression_is_a_correlation():
    found, _ = rules(TaskKind.REGRESSION, rules=("p50<1s",), profile_budgets=True)
    assert found[-1] == ("pearson>=-0.1", "profile")


def test_a_self_test_keeps_the_changes_of_latency():
    asked = ("p50<+3%", "p95<20ms", "accuracy>-1pt")
    assert rules(rules=asked, self_test=True, profile_budgets=True) == ([("p50<+3%", "flag")], [])
    assert rules(self_test=True) == ([("p95<+5%", "default")], [])


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"rules": ("p95<5%", "size<2MB")}, "compare with a baseline, and none is given: p95<.5%"),
        ({}, "nothing to judge by: no rule is required, no baseline is given, and the profile raspberry-pi-4 was told"),
    ],
)
def test_a_gate_without_a_rule_it_can_judge_is_refused(options, parts):
    with pytest.raises(ConfigError, match=parts):
        rules(has_baseline=False, **options)
