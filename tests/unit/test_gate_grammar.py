"""The rules' language: small, total, and strict about what a rule could mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekd.analysis.sums import METRICS as INTERVALS
from edgekd.errors import ConfigError
from edgekd.gate.grammar import (
    METRICS,
    QUALITY_METRICS,
    UNITS,
    Quantity,
    Reference,
    check_metrics,
    default_rules,
    parse_rule,
    parse_rules,
)
from edgekd.tasks import TaskKind


@pytest.mark.parametrize(
    ("text", "metric", "reference", "limit"),
    [
        ("p95>5%", "p95", Reference.PERCENT, 0.05),
        ("p95>+5%", "p95", Reference.PERCENT, 0.05),
        ("p50 > -5 %", "p50", Reference.PERCENT, -0.05),
        ("p95>20ms", "p95", Reference.ABSOLUTE, 0.02),
        ("p99>+250us", "p99", Reference.DIFFERENCE, 0.00025),
        ("p90>\u00b5".replace("\u00b5", "1.5\u00b5s"), "p90", Reference.ABSOLUTE, 1.5e-6),
        ("size>2MB", "size", Reference.ABSOLUTE, 2_000_000),
        ("size>2kB", "size", Reference.ABSOLUTE, 2000),
        ("size>2MiB", "size", Reference.ABSOLUTE, 2 * 2**20),
        ("size>+200KB", "size", Reference.DIFFERENCE, 200_000),
        ("peak_rss>10%", "peak_rss", Reference.PERCENT, 0.1),
        ("load_time>0.5s", "load_time", Reference.ABSOLUTE, 0.5),
        ("accuracy<-1pt", "accuracy", Reference.DIFFERENCE, -0.01),
        ("accuracy<-0.01", "accuracy", Reference.DIFFERENCE, -0.01),
        ("accuracy<0.85", "accuracy", Reference.ABSOLUTE, 0.85),
        ("macro_f1<+1pt", "macro_f1", Reference.DIFFERENCE, 0.01),
        ("agreement<0.98", "agreement", Reference.ABSOLUTE, 0.98),
        ("pearson<-0.02", "pearson", Reference.DIFFERENCE, -0.02),
        ("pearson<0.8", "pearson", Reference.ABSOLUTE, 0.8),
        ("rmse>5%", "rmse", Reference.PERCENT, 0.05),
        ("rmse>0.8", "rmse", Reference.ABSOLUTE, 0.8),
        ("mae>+0.1", "mae", Reference.DIFFERENCE, 0.1),
        ("micro_f1<-0.5pt", "micro_f1", Reference.DIFFERENCE, -0.005),
    ],
)
def test_rules(text, metric, reference, limit):
    rule = parse_rule(text)
    assert (rule.metric.name, rule.reference, rule.limit) == (metric, reference, limit)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("p96>5%", ["metric 'p96'", "Available: accuracy, agreement", "Did you mean 'p9"]),
        ("p95<5%", ["fail when p95 gets better (lower)", 'Write "p95>5%"']),
        ("accuracy>-1pt", ["fail when accuracy gets better (higher)", 'Write "accuracy<-1pt"']),
        ("p95>=5%", ["'>=' is not allowed", 'Write "p95>5%"']),
        ("p95>5MB", ["p95 cannot have unit 'MB'", "us, ms, s or % (of the baseline)"]),
        ("p95>20", ["a number without a unit", "us, ms, s"]),
        ("size>2mb", ["Did you mean 'MB'?"]),
        ("size>2ms", ["size cannot have unit 'ms'", "KiB"]),
        ("accuracy<-1%", ["two things", "accuracy<-1pt", "accuracy<0.85"]),
        ("accuracy<1pt", ["points need a sign", 'Write "accuracy<-1pt"']),
        ("accuracy<85", ["share above 0 and at most 1"]),
        ("agreement<-1pt", ["agreement already compares", 'Write "agreement<0.98"']),
        ("size>0MB", ["always fails"]),
        ("rmse>0", ["always fails"]),
        ("pearson<-1pt", ["pearson cannot have unit 'pt'", "a correlation from -1 to 1"]),
        ("pearson<-2%", ["two things", "pearson<-0.02", "pearson<0.8"]),
        ("pearson<1.5", ["correlation above 0 and at most 1"]),
        ("pearson>0.02", ["fail when pearson gets better (higher)"]),
        ("rmse<5%", ["fail when rmse gets better (lower)", 'Write "rmse>5%"']),
        ("rmse>5pt", ["rmse cannot have unit 'pt'", "in the units of the data", "% (of the baseline)"]),
        ("faster please", ["expected METRIC", "p50, p90"]),
        ("p95>", ["expected METRIC"]),
        ("", ["expected METRIC"]),
        ("p95>" + "9" * 400 + "s", ["too large"]),
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
    lambda metric, sign, number, unit: f"{metric.name}{metric.fails_when}{sign}{number}{unit}",
    st.sampled_from([m for m in METRICS.values() if m.quantity not in (Quantity.SHARE, Quantity.CORRELATION)]),
    st.sampled_from(["", "+", "-"]),
    st.decimals(min_value=0, max_value=1000, places=3).map(lambda d: f"{d:f}"),
    st.sampled_from(["%"]),
)


@given(RULE_TEXTS)
def test_a_rule_reads_the_same_when_it_is_read_again(text):
    rule = parse_rule(text)
    again = parse_rule(rule.text)
    assert (again, again.text) == (rule, rule.text)


@given(st.sampled_from(sorted(UNITS[Quantity.BYTES])), st.integers(1, 10**6))
def test_the_limit_itself_is_not_beyond_the_limit(unit, number):
    rule = parse_rule(f"size>{number}{unit}")
    assert not rule.beyond(float(number * UNITS[Quantity.BYTES][unit]))
    assert rule.beyond(rule.limit + 1)


def test_two_spellings_of_a_rule_count_once():
    assert [rule.text for rule in parse_rules(["p95>5%", "p95>+5%", "size>2MB"])] == ["p95>5%", "size>2MB"]


@pytest.mark.parametrize(
    ("task", "quality"),
    [
        (TaskKind.SINGLE_LABEL, "accuracy<-1pt"),
        (TaskKind.MULTI_LABEL, "macro_f1<-1pt"),
        (TaskKind.REGRESSION, "pearson<-0.01"),
    ],
)
def test_the_default_rules_follow_the_task(task, quality):
    rules = parse_rules(default_rules(task))
    assert [rule.text for rule in rules] == ["p95>5%", quality, "size>5%"]
    check_metrics(rules, task)


def test_a_quality_that_the_task_does_not_have_is_refused_with_those_it_has():
    check_metrics(parse_rules(["p95>5%", "rmse>5%", "pearson<0.8", "mae>0.5"]), TaskKind.REGRESSION)
    with pytest.raises(ConfigError, match=r"a regression model has no accuracy.*pearson, mae, rmse"):
        check_metrics(parse_rules(["size>5%", "accuracy<-1pt"]), TaskKind.REGRESSION)
    with pytest.raises(ConfigError, match=r"a single-label model has no micro_f1.*accuracy, macro_f1, agreement"):
        check_metrics(parse_rules(["micro_f1<-1pt"]), TaskKind.SINGLE_LABEL)


def test_the_quality_metrics_are_those_that_have_intervals():
    for task, names in QUALITY_METRICS.items():
        assert set(names) - {"agreement"} == set(INTERVALS[task])
        assert set(names) <= set(METRICS)


def test_only_absolute_rules_do_without_a_baseline():
    needs = {text: parse_rule(text).needs_baseline for text in ("p95>5%", "p95>5ms", "size>+1B", "agreement<0.9")}
    assert needs == {"p95>5%": True, "p95>5ms": False, "size>+1B": True, "agreement<0.9": True}
