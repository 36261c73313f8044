"""The margin of a failure, and when a machine is too noisy to judge. Made-up intervals: nothing is measured."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekd.analysis.paired import Rounds
from edgekd.errors import ConfigError
from edgekd.gate.config import GateConfig, read_config
from edgekd.gate.evidence import Comparison, Facts
from edgekd.gate.grammar import parse_rule
from edgekd.gate.jobs import Flags, jobs_of
from edgekd.gate.latency import STRADDLES, WITHIN_MARGIN, decide_latency, judge_interval, settled
from edgekd.gate.margin import DEFAULT_MARGIN, parse_margin
from edgekd.gate.outcomes import blank
from edgekd.gate.records import Outcome
from edgekd.gate.self_test import judge_self_test
from edgekd.results import Evidence

PASS, FAIL, UNDECIDED = Outcome.PASS, Outcome.FAIL, Outcome.UNDECIDED
RULE = parse_rule("p50<+3%")
SHARES = st.floats(-0.2, 0.2)


def exactly(ratio):
    """Rounds without any noise: the interval is a point."""
    before = np.full(400, 1e-3)
    return Rounds((before, ratio * before), np.arange(400) // 10, np.arange(40) // 10)


def judged(ratio, rule="p50<+3%", margin=DEFAULT_MARGIN):
    facts = Facts(1)
    compared = Comparison(facts, Evidence.HOST, baseline=facts, paired=exactly(ratio), margin=margin)
    return decide_latency(parse_rule(rule), compared)


@pytest.mark.parametrize(
    ("given", "value"), [("0.5%", 0.005), ("0.005", 0.005), (0.01, 0.01), ("0", 0.0), (" 1 % ", 0.01), (".5%", 0.005)]
)
def test_a_margin_is_a_share(given, value):
    assert parse_margin(given) == value


@pytest.mark.parametrize("given", ["", "-1%", "21%", "1", "half", "1pt", "nan", True])
def test_another_margin_is_refused_with_an_example(given):
    with pytest.raises(ConfigError, match="is not a share from 0 to 20 %") as error:
        parse_margin(given)
    assert "0.5%" in error.value.hint


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (-0.01, 0.02, PASS),
        (0.02, 0.029, PASS),  # a pass needs no margin
        (0.02, 0.06, UNDECIDED),
        (0.032, 0.034, UNDECIDED),  # beyond the limit, but layout alone could be it
        (0.032, 0.09, UNDECIDED),
        (0.036, 0.09, FAIL),
    ],
)
def test_a_failure_is_beyond_the_limit_and_its_margin(low, high, expected):
    assert judge_interval(RULE, low, high, 0.005) is expected


@given(SHARES, SHARES, st.floats(0, 0.1), st.floats(0, 0.1))
def test_a_larger_margin_only_turns_failures_into_doubt(one, other, margin, more):
    low, high = min(one, other), max(one, other)
    before, after = (judge_interval(RULE, low, high, share) for share in (margin, margin + more))
    assert after is before or (before, after) == (FAIL, UNDECIDED)


def test_what_lies_within_the_margin_is_said_and_not_measured_on():
    within = judged(1.034)
    assert within.outcome is UNDECIDED
    assert within.problem == WITHIN_MARGIN
    assert within.margin == DEFAULT_MARGIN
    assert "instructions<+1%" in within.advice
    assert settled(within)
    assert not settled(within.model_copy(update={"high": 0.05}))
    assert not settled(within.model_copy(update={"problem": STRADDLES}))
    assert settled(judged(1.0))
    assert settled(judged(1.04))


@pytest.mark.parametrize(
    ("ratio", "rule", "margin", "expected"),
    [
        (1.034, "p50<+3%", 0.0, FAIL),
        (1.034, "p95<+3%", 0.005, UNDECIDED),
        (1.036, "p95<+3%", 0.005, FAIL),
        (1.014, "p50<+10us", 0.005, UNDECIDED),  # a share of the baseline's millisecond: 5 us
        (1.016, "p50<+10us", 0.005, FAIL),
    ],
)
def test_the_margin_is_a_share_of_the_baseline(ratio, rule, margin, expected):
    assert judged(ratio, rule, margin).outcome is expected


def test_an_absolute_limit_has_no_margin():
    facts = Facts(1)
    alone = Rounds(exactly(1.001).seconds[1:], *(getattr(exactly(1.0), name) for name in ("round", "process")))
    result = decide_latency(parse_rule("p50<1ms"), Comparison(facts, Evidence.HOST, alone=alone, margin=0.1))
    assert result.outcome is FAIL
    assert result.margin is None


@pytest.mark.parametrize(
    ("low", "high", "expected", "words"),
    [
        (-0.014, 0.014, PASS, ""),
        (0.001, 0.02, PASS, ""),
        (-0.016, 0.016, UNDECIDED, "too noisy"),  # half-width above half of 3 %
        (0.02, 0.031, UNDECIDED, "differ from themselves"),
        (-0.031, -0.02, UNDECIDED, "differ from themselves"),
    ],
)
def test_a_machine_may_judge_when_no_change_is_known_within_half_the_limit(low, high, expected, words):
    found = blank(RULE, Evidence.HOST).model_copy(update={"low": low, "high": high, "outcome": FAIL})
    result = judge_self_test(found)
    assert result.outcome is expected
    assert words in result.problem
    assert bool(result.problem) == (expected is UNDECIDED)


def test_a_self_test_of_too_few_calls_stays_that():
    found = blank(RULE, Evidence.HOST).model_copy(update={"low": 0.0, "high": 0.0, "problem": "too few calls: 5"})
    assert judge_self_test(found) is found


def test_flags_win_over_the_file(tmp_path):
    path = tmp_path / "edgekd.gate.yaml"
    path.write_text("margin: 1%\ntargets: {pi4: {candidate: bundle}}\n", encoding="utf-8")
    file = read_config(path)
    assert jobs_of(Flags(), file)[0].margin == 0.01
    assert jobs_of(Flags(margin="0"), file)[0].margin == 0.0
    assert jobs_of(Flags(candidate=path), None)[0].margin == DEFAULT_MARGIN


def test_a_wrong_margin_in_the_file_is_told(tmp_path):
    path = tmp_path / "edgekd.gate.yaml"
    path.write_text("margin: a lot\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="a lot"):
        read_config(path)
    assert GateConfig().margin == DEFAULT_MARGIN
