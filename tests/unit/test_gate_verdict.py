"""Rules and scripted evidence in, outcomes out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekd.analysis.paired import Rounds
from edgekd.gate.evidence import Comparison, Facts, rounds_of, rounds_of_stored
from edgekd.gate.grammar import parse_rule
from edgekd.gate.latency import UNPAIRED_DRIFT
from edgekd.gate.outcomes import by_interval, overall
from edgekd.gate.records import Outcome, ProcessSamples
from edgekd.gate.self_test import judge_self_test
from edgekd.gate.verdict import decide
from edgekd.results import Evidence
from edgekd.tasks import Task, TaskKind
from tests.results import make_samples

PASS, FAIL, UNDECIDED, INVALID = Outcome.PASS, Outcome.FAIL, Outcome.UNDECIDED, Outcome.INVALID
MIB = 1 << 20


def rounds(ratio=1.0, *, count=120, noise=0.05, seed=0, sides=2, base=1e-3):
    rng = np.random.default_rng(seed)
    shared = base * np.exp(np.repeat(rng.normal(0, 0.1, count), 10))
    columns = tuple(shared * factor * np.exp(rng.normal(0, noise, 10 * count)) for factor in (1.0, ratio)[:sides])
    return Rounds(columns, np.repeat(np.arange(count), 10), np.arange(count) * min(count, 20) // count)


def comparison(**changes):
    base = Comparison(candidate=Facts(size_bytes=1000), evidence=Evidence.HOST, baseline=Facts(size_bytes=1000))
    return replace(base, **changes)


def outcome(rule, compared):
    return decide(parse_rule(rule), compared).outcome


@pytest.mark.parametrize(
    ("rule", "ratio", "expected"),
    [
        ("p50<+5%", 1.0, PASS),
        ("p95<+5%", 1.0, PASS),
        ("p50<+5%", 1.10, FAIL),
        ("p95<+5%", 1.12, FAIL),
        ("p50<+5%", 1.05, UNDECIDED),
        ("p95<+5%", 1.05, UNDECIDED),
        ("p50<+5%", 0.5, PASS),
        ("p50<-5%", 1.0, FAIL),  # has to be 5 % faster
        ("p50<-5%", 0.9, PASS),
        ("p50<+0.2ms", 1.4, FAIL),
        ("p50<+0.2ms", 1.05, PASS),
        ("p90<+0.2ms", 1.4, FAIL),
    ],
)
def test_a_change_of_latency_is_decided_by_its_interval(rule, ratio, expected):
    assert outcome(rule, comparison(paired=rounds(ratio))) is expected


def test_a_result_says_what_it_was_decided_on():
    result = decide(parse_rule("p95<+5%"), comparison(paired=rounds(1.12)))
    assert result.candidate / result.baseline - 1 == pytest.approx(result.value)
    assert 0.05 < result.low < result.value < result.high
    assert (result.confidence, result.count, result.evidence) == (0.99, 1200, Evidence.HOST)
    assert result.problem == ""


@pytest.mark.parametrize(
    ("rule", "expected"), [("p95<20ms", PASS), ("p95<0.5ms", FAIL), ("p50<1ms", UNDECIDED), ("p50<100ms", PASS)]
)
def test_an_absolute_limit_looks_at_the_candidate_alone(rule, expected):
    slow_pair = rounds(50.0)
    result = decide(parse_rule(rule), comparison(alone=rounds(sides=1), paired=slow_pair, baseline=None))
    assert result.outcome is expected
    assert result.baseline is None
    assert result.candidate < 2e-3


@pytest.mark.parametrize("rule", ["p95<+5%", "p99<+5%", "p95<1s"])
def test_too_few_calls_are_never_enough(rule):
    few = comparison(paired=rounds(3.0, count=12), alone=rounds(count=12, sides=1))
    result = decide(parse_rule(rule), few)
    assert result.outcome is UNDECIDED
    assert "too few calls: 120 a side, needs" in result.problem
    assert "--max-seconds" in result.advice


def test_stored_pairs_cannot_grow_so_the_bundles_are_asked_for():
    result = decide(parse_rule("p50<+5%"), comparison(paired=rounds(1.05), stored=True))
    assert result.outcome is UNDECIDED
    assert "bundle folders" in result.advice


def test_nothing_timed_is_invalid():
    for rule in ("p95<+5%", "p95<1s"):
        assert outcome(rule, comparison()) is INVALID


@pytest.mark.parametrize(
    ("ratio", "rule", "expected"),
    [(1.0, "p50<+5%", UNDECIDED), (1.0, "p50<+30%", PASS), (1.4, "p50<+5%", FAIL), (1.2, "p50<+5%", UNDECIDED)],
)
def test_without_turns_drift_is_allowed_for(ratio, rule, expected):
    apart = comparison(
        baseline_alone=rounds(sides=1, seed=1, noise=0.01, count=400),
        alone=rounds(sides=1, seed=2, noise=0.01, base=1e-3 * ratio, count=400),
    )
    result = decide(parse_rule(rule), apart)
    assert result.outcome is expected
    assert result.high - result.low > 2 * UNPAIRED_DRIFT * 0.9
    if expected is UNDECIDED:
        assert "did not take turns" in result.problem
        assert "bundle folder" in result.advice


@given(st.floats(-1, 1), st.floats(0, 1), st.floats(-1, 1), st.booleans())
def test_an_interval_has_one_outcome_and_moving_it_up_never_helps(low, width, limit, inclusive):
    rule = replace(parse_rule("p95<+5%"), limit=limit, inclusive=inclusive)
    order = [PASS, UNDECIDED, FAIL]
    here, above = by_interval(rule, low, low + width), by_interval(rule, low + 0.1, low + width + 0.1)
    assert order.index(here) <= order.index(above)
    assert (here is FAIL) == rule.beyond(low)
    assert (here is PASS) == rule.holds(low + width)


@pytest.mark.parametrize(
    ("rule", "before", "after", "expected"),
    [
        ("size<=+5%", 1000, 1050, PASS),
        ("size<+5%", 1000, 1050, FAIL),
        ("size<+5%", 1000, 1049, PASS),
        ("size<+5%", 1000, 1051, FAIL),
        ("size<=+200KB", 1_000_000, 1_200_000, PASS),
        ("size<+200KB", 1_000_000, 1_200_000, FAIL),
        ("size<=+200KB", 1_000_000, 1_200_001, FAIL),
        ("size<2MB", 9_000_000, 1_999_999, PASS),
        ("size<2MB", 1, 2_000_000, FAIL),
        ("size<=2MB", 1, 2_000_000, PASS),
        ("size<=+0%", 1000, 1000, PASS),
        ("size<+0%", 1000, 1000, FAIL),
        ("size<-10%", 1000, 950, FAIL),
    ],
)
def test_size_is_exact(rule, before, after, expected):
    assert outcome(rule, comparison(candidate=Facts(after), baseline=Facts(before))) is expected


def quality(lost, gained=0, n=200):
    """Baseline right on all but the first ``gained`` texts; the candidate wrong on the last ``lost``."""
    targets = [i % 2 for i in range(n)]
    before = tuple(1 - t if i < gained else t for i, t in enumerate(targets))
    after = tuple(1 - t if i >= n - lost else t for i, t in enumerate(targets))
    return comparison(
        candidate=Facts(1, after),
        baseline=Facts(1, before),
        targets=tuple(targets),
        task=Task(TaskKind.SINGLE_LABEL, ("no", "yes")),
    )


@pytest.mark.parametrize(
    ("rule", "lost", "gained", "expected"),
    [
        ("accuracy>-1pt", 0, 0, PASS),
        ("accuracy>=-1pt", 2, 0, PASS),  # exactly one point
        ("accuracy>-1pt", 2, 0, FAIL),
        ("accuracy>-1pt", 3, 0, FAIL),
        ("accuracy>=-1pt", 12, 10, PASS),
        ("accuracy>=+1pt", 0, 2, PASS),
        ("accuracy>+1pt", 0, 2, FAIL),
        ("accuracy>=0.95", 10, 0, PASS),
        ("accuracy>0.95", 10, 0, FAIL),
        ("accuracy>0.95", 9, 0, PASS),
        ("agreement>=0.95", 5, 5, PASS),
        ("agreement>=0.95", 6, 5, FAIL),
        ("macro_f1>-1pt", 1, 0, PASS),
        ("macro_f1>-1pt", 10, 0, FAIL),
        ("macro_f1>0.9", 10, 0, PASS),
        ("macro_f1>0.96", 20, 0, FAIL),
    ],
)
def test_quality_is_a_plain_comparison_on_the_same_texts(rule, lost, gained, expected):
    assert outcome(rule, quality(lost, gained)) is expected


@pytest.mark.parametrize(
    ("rule", "after", "expected"),
    [
        ("instructions<+1%", 1_009_999, PASS),
        ("instructions<+1%", 1_010_000, FAIL),
        ("instructions<=+1%", 1_010_000, PASS),
        ("instructions<+5K", 1_004_999, PASS),
        ("instructions<1M", 1_000_000, FAIL),
        ("instructions<-10%", 899_000, PASS),
    ],
)
def test_instructions_are_exact(rule, after, expected):
    counted = comparison(
        candidate=Facts(1, instructions=float(after)),
        baseline=Facts(1, instructions=1e6),
        counter="callgrind",
        counter_evidence=Evidence.EMULATED,
    )
    result = decide(parse_rule(rule), counted)
    assert (result.outcome, result.evidence) == (expected, Evidence.EMULATED)
    assert (result.candidate, result.baseline) == (after, 1e6)


def test_instructions_that_were_not_counted_are_invalid_and_say_why():
    side = Facts(1, instructions=1e6)
    missing = replace(side, instructions=None, instructions_problem="no counter here", instructions_advice="Get one.")
    result = decide(parse_rule("instructions<+1%"), comparison(candidate=side, baseline=missing))
    assert (result.outcome, result.problem, result.advice) == (INVALID, "no counter here", "Get one.")
    assert outcome("instructions<2M", comparison(candidate=side, baseline=missing)) is PASS  # needs no baseline


def of_task(kind, before, after, targets, labels=("a", "b")):
    return comparison(
        candidate=Facts(1, tuple(after)),
        baseline=Facts(1, tuple(before)),
        targets=tuple(targets),
        task=Task(kind, labels),
    )


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        # F1 of a: 1, of b: 2 * 20 / (20 + 40) = 2/3 -> macro 5/6; micro: 2 * 60 / (60 + 80) = 6/7
        ("macro_f1>-17pt", PASS),
        ("macro_f1>-16pt", FAIL),
        ("macro_f1>0.84", FAIL),
        ("macro_f1>0.83", PASS),
        ("micro_f1>0.86", FAIL),
        ("micro_f1>0.85", PASS),
        ("subset_accuracy>=0.5", PASS),
        ("subset_accuracy>0.5", FAIL),
        # 20 of 80 decisions differ
        ("agreement>=0.75", PASS),
        ("agreement>0.75", FAIL),
    ],
)
def test_multi_label_quality_by_hand(rule, expected):
    targets = [(0, 1)] * 40
    after = [(0, 1)] * 20 + [(0,)] * 20
    compared = of_task(TaskKind.MULTI_LABEL, targets, after, targets)
    result = decide(parse_rule(rule), compared)
    assert result.outcome is expected
    assert result.low <= result.value <= result.high


def test_identical_multi_label_answers_pass_the_strictest_rules():
    targets = [(), (0,), (1,), (0, 1)] * 10
    compared = of_task(TaskKind.MULTI_LABEL, targets[::-1], targets[::-1], targets)
    for rule in ("macro_f1>=+0pt", "micro_f1>=+0pt", "agreement>=1"):
        assert outcome(rule, compared) is PASS


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("rmse<+10%", PASS),  # 10 % more, less a hair
        ("rmse<+9%", FAIL),
        ("rmse<+0.1", PASS),
        ("rmse<+0.09", FAIL),
        ("rmse<1.1", PASS),
        ("mae<1.0", FAIL),
        ("pearson>-0.02", PASS),
        ("pearson>0.99", PASS),
    ],
)
def test_regression_quality_by_hand(rule, expected):
    targets = [float(value) for value in range(-50, 50)]
    before = [value + 1.0 for value in targets]  # an error of 1 everywhere
    after = [value + 1.0999999999 for value in targets]
    assert outcome(rule, of_task(TaskKind.REGRESSION, before, after, targets, ("rating",))) is expected


def test_no_per_cent_of_an_error_of_zero():
    targets = [1.0, 2.0, 3.0]
    compared = of_task(TaskKind.REGRESSION, targets, [1.0, 2.0, 4.0], targets, ("rating",))
    result = decide(parse_rule("rmse<+5%"), compared)
    assert (result.outcome, result.value) == (INVALID, None)
    assert "without %" in result.advice
    assert outcome("rmse<+0.1", compared) is FAIL
    assert outcome("rmse<+5%", of_task(TaskKind.REGRESSION, targets, targets, targets, ("rating",))) is PASS


def test_a_lower_correlation_fails_and_has_an_interval():
    rng = np.random.default_rng(0)
    targets = rng.normal(size=200)
    before, after = targets + 0.3 * rng.normal(size=200), targets + rng.normal(size=200)
    compared = of_task(TaskKind.REGRESSION, before.tolist(), after.tolist(), targets.tolist(), ("rating",))
    result = decide(parse_rule("pearson>-0.02"), compared)
    assert result.outcome is FAIL
    assert result.low < result.value < result.high < 0
    assert result.candidate - result.baseline == pytest.approx(result.value)


def test_the_interval_of_accuracy_is_shown_beside_the_plain_value():
    result = decide(parse_rule("accuracy>-1pt"), quality(3))
    assert (result.baseline, result.candidate, result.value) == (1.0, 0.985, -0.015)
    assert result.low < -0.015 < 0 < result.high  # other texts could have said otherwise
    assert (result.confidence, result.count) == (0.95, 200)


def test_quality_without_texts_is_invalid():
    result = decide(parse_rule("accuracy>-1pt"), comparison())
    assert result.outcome is INVALID
    assert "--data" in result.advice


def fresh(loads, peaks=None, **changes):
    return Facts(1, load_times_s=tuple(loads), peak_rss_bytes=tuple(peaks or [MIB] * len(loads)), **changes)


STEADY = [0.1, 0.11, 0.1, 0.12, 0.1, 0.1, 0.11, 0.1, 0.1, 0.12, 0.1, 0.11]


@pytest.mark.parametrize(
    ("rule", "loads", "expected"),
    [
        ("load_time<0.2s", STEADY, PASS),
        ("load_time<0.05s", STEADY, FAIL),
        ("load_time<0.11s", STEADY, UNDECIDED),
        ("load_time<+10%", STEADY, PASS),
        ("load_time<+10%", [2 * load for load in STEADY], FAIL),
        ("load_time<+10%", [*STEADY[:11], 0.9], PASS),
        ("load_time<+10%", [*STEADY[:10], 0.9, 0.9], UNDECIDED),
        ("load_time<+10%", STEADY[:3], UNDECIDED),
        ("load_time<+50ms", [load + 0.06 for load in STEADY], FAIL),
    ],
)
def test_load_time_is_decided_by_the_range_of_fresh_processes(rule, loads, expected):
    result = decide(parse_rule(rule), comparison(candidate=fresh(loads), baseline=fresh(STEADY)))
    assert result.outcome is expected
    assert bool(result.problem) == (expected is UNDECIDED)
    if len(loads) == 12:
        assert result.confidence == pytest.approx(1 - 2 * 13 / 4096)


def test_peak_memory_of_two_stored_results_is_compared_plainly():
    one, other = fresh([0.1], [60 * MIB], stored=True), fresh([0.1], [80 * MIB], stored=True)
    assert outcome("peak_rss<+10%", comparison(candidate=other, baseline=one)) is FAIL
    assert outcome("peak_rss<70MiB", comparison(candidate=one, baseline=None)) is PASS
    assert outcome("load_time<+10%", comparison(candidate=one, baseline=one)) is UNDECIDED


def test_peak_memory_measured_in_two_ways_is_not_compared():
    stored = fresh([0.1], [60 * MIB], stored=True)
    now = fresh(STEADY, [60 * MIB] * 12)
    result = decide(parse_rule("peak_rss<+10%"), comparison(candidate=now, baseline=stored))
    assert result.outcome is INVALID
    assert "bundle folders" in result.advice


@pytest.mark.parametrize(
    ("rule", "part"),
    [
        ("size<+1%", "'edgekd bundle diff BASELINE CANDIDATE' shows what changed; if the change is wanted, make it"),
        ("size<1KB", "'edgekd quantize' and 'edgekd prune' make it smaller"),
        ("accuracy>=-0.1pt", "'edgekd report' show the scores of each label; if the change is wanted"),
        ("accuracy>0.999", "show the scores of each label."),
    ],
)
def test_a_rule_that_does_not_hold_says_what_to_do(rule, part):
    facts = quality(3)
    big = replace(facts, candidate=replace(facts.candidate, size_bytes=2000))
    result = decide(parse_rule(rule), big)
    assert result.outcome is FAIL
    assert part in result.advice


@pytest.mark.parametrize(
    ("outcomes", "expected", "code"),
    [
        ([PASS, PASS], PASS, 0),
        ([PASS, UNDECIDED], UNDECIDED, 3),
        ([INVALID, UNDECIDED], INVALID, 3),
        ([INVALID, FAIL, PASS], FAIL, 1),
    ],
)
def test_the_verdict_and_its_exit_code(outcomes, expected, code):
    result = decide(parse_rule("size<1MB"), comparison())
    verdict = overall([result.model_copy(update={"outcome": one}) for one in outcomes])
    assert verdict is expected
    assert verdict.exit_code == code


@pytest.mark.parametrize(
    ("ratio", "rule", "expected"),
    [(1.0, "p50<+5%", PASS), (1.0, "p50<+0.1%", UNDECIDED), (1.1, "p50<+5%", UNDECIDED), (1.0, "p50<-5%", PASS)],
)
def test_a_self_test_passes_when_nothing_fits_within_the_limit(ratio, rule, expected):
    result = judge_self_test(decide(parse_rule(rule), comparison(paired=rounds(ratio))))
    assert result.outcome is expected
    assert ("differ from themselves" in result.problem or "too noisy" in result.problem) == (expected is UNDECIDED)


def test_too_few_calls_stay_too_few_in_a_self_test():
    result = judge_self_test(decide(parse_rule("p50<+90%"), comparison(paired=rounds(count=5))))
    assert result.outcome is UNDECIDED
    assert "too few calls" in result.problem


def test_processes_are_joined_without_mixing_their_rounds():
    one = ProcessSamples(text_index=[0, 1], round=[0, 1], first_side=[0, 0], seconds=[[1.0, 2.0], [3.0, 4.0]])
    empty = ProcessSamples(text_index=[], round=[], first_side=[], seconds=[[], []])
    joined = rounds_of([one, empty, one])
    assert joined.round.tolist() == [0, 1, 2, 3]
    assert joined.process.tolist() == [0, 0, 1, 1]
    assert joined.seconds[1].tolist() == [3.0, 4.0, 3.0, 4.0]
    assert rounds_of([empty]) is None


def test_stored_samples_of_one_session_stay_paired():
    both = rounds_of_stored(make_samples(blocks=20), make_samples(p50_s=0.001, seed=1, blocks=20))
    assert len(both.seconds) == 2
    assert both.calls == 400
    assert both.process.tolist() == [0] * 20
