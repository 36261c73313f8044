"""What differs from process to process, as a part of intervals: by hand, and how often the truth is inside."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekd.analysis.bootstrap import clusters, draw, percentile_estimates, percentile_ratio
from edgekd.analysis.estimators import Estimate
from edgekd.analysis.latency_ratio import latency_ratio
from edgekd.analysis.precision import half_width
from edgekd.analysis.processes import noise_variance, process_error, student_t, widened
from edgekd.analysis.stats import speed_up, summarize
from edgekd.results import Samples
from tests.results import make_result

BLOCKS, IN_BLOCK = 20, 5


def test_students_quantiles():
    # Abramowitz & Stegun (1964), table 26.10, column 0.95.
    table = {1: 12.706, 2: 4.303, 3: 3.182, 10: 2.228, 11: 2.201, 15: 2.131, 30: 2.042, 120: 1.980}
    assert {df: round(student_t(df), 3) for df in table} == table
    with pytest.raises(ValueError, match="0 degrees"):
        student_t(0)


@given(st.integers(1, 500))
def test_students_quantile_falls_to_that_of_the_normal_distribution(degrees):
    assert student_t(degrees) > student_t(degrees + 1) > 1.95996


def test_without_noise_the_error_is_students():
    effects = np.array([0.0, 0.03, 0.06])
    error = process_error(effects, np.repeat(effects[:, None], 100, axis=1), [10, 10, 10])
    assert error == pytest.approx(4.3027 * 0.03 / math.sqrt(3))


def test_a_process_with_all_calls_counts_as_if_it_were_alone():
    effects = np.array([0.0, 0.02])
    error = process_error(effects, np.repeat(effects[:, None], 100, axis=1), [999_999, 1])
    assert error == pytest.approx(12.7062 * math.sqrt(0.0002), rel=1e-4)


def test_noise_explains_differences():
    rng = np.random.default_rng(0)
    resampled = rng.normal(0, 0.05, (4, 2000))
    assert noise_variance(resampled) == pytest.approx(0.05**2, rel=0.05)
    assert process_error(np.array([0.0, 0.02, -0.01, 0.03]), resampled, [1] * 4) == 0.0


def test_what_moves_all_processes_alike_is_no_noise():
    texts = np.random.default_rng(0).normal(0, 0.1, 500)
    assert noise_variance(np.tile(texts, (3, 1))) == pytest.approx(0.0, abs=1e-12)


def test_resamples_that_miss_a_process_do_not_count():
    resampled = np.full((2, 60), np.nan)
    resampled[:, :10] = 0.0
    assert noise_variance(resampled) == 0.0
    assert process_error(np.array([0.0, 0.1]), resampled, [1, 1]) == pytest.approx(12.7062 * 0.1 / 2, rel=1e-6)


def test_errors_add_like_the_sides_of_a_right_triangle():
    estimate = Estimate(1.0, math.exp(-0.03), math.exp(0.03), 9)
    wide = widened(estimate, 0.04)
    assert (math.log(wide.low), math.log(wide.high)) == pytest.approx((-0.05, 0.05))
    assert widened(estimate, 0.0) is estimate


def made(rng, *, processes=3, process_sd=0.0, noise_sd=0.1, text_sd=0.0, texts=None, scale=1.0):
    """Return samples of several processes over the same texts, each process in its own blocks."""
    number = BLOCKS * IN_BLOCK
    log_text = rng.normal(0, text_sd, number) if texts is None else texts
    columns = {"text_index": [], "block": [], "process": [], "total_s": []}
    for process in range(processes):
        effect = rng.normal(0, process_sd)
        columns["text_index"] += range(number)
        columns["block"] += [process * BLOCKS + i // IN_BLOCK for i in range(number)]
        columns["process"] += [process] * number
        columns["total_s"] += (scale * np.exp(log_text + effect + rng.normal(0, noise_sd, number))).tolist()
    total = columns["total_s"]
    return Samples(**columns, tokens=[5] * len(total), tokenize_s=total, infer_s=total)


@pytest.mark.parametrize(("processes", "process_sd"), [(3, 0.0), (3, 0.02), (5, 0.1)])
def test_the_interval_of_a_median_holds_the_truth_as_often_as_it_says(processes, process_sd):
    rng = np.random.default_rng(7)
    hits = 0
    for trial in range(100):
        samples = made(rng, processes=processes, process_sd=process_sd)
        draws = draw(clusters(samples), resamples=100, seed=trial)
        [e] = percentile_estimates(samples.total_s, draws, [0.5], samples.process)
        hits += e.low <= 1 <= e.high
    assert 0.88 <= hits / 100 <= 0.99


def test_without_processes_the_same_interval_would_be_wrong_most_of_the_time():
    rng = np.random.default_rng(7)
    hits = 0
    for trial in range(40):
        samples = made(rng, process_sd=0.1)
        [e] = percentile_estimates(samples.total_s, draw(clusters(samples), resamples=100, seed=trial), [0.5])
        hits += e.low <= 1 <= e.high
    assert hits < 20


def pair(rng, *, factor=1.0, process_sd=0.05, text_sd=0.5):
    texts = rng.normal(0, text_sd, BLOCKS * IN_BLOCK)
    sides = [made(rng, process_sd=process_sd, texts=texts, scale=scale) for scale in (1.0, factor)]
    return [make_result(variant=name, samples=side) for name, side in zip(("a", "b"), sides, strict=True)]


@pytest.mark.parametrize("ratio", [speed_up, lambda a, b, **o: latency_ratio(b, a, **o)])
def test_the_interval_of_a_ratio_of_equals_holds_one(ratio):
    rng = np.random.default_rng(3)
    hits = 0
    for seed in range(60):
        found = ratio(*pair(rng), resamples=100, seed=seed)
        hits += found.low <= 1 <= found.high
    assert 0.88 <= hits / 60 <= 1.0


def test_processes_that_took_turns_are_compared_with_one_another():
    rng = np.random.default_rng(1)
    one = made(rng, process_sd=0.2, noise_sd=0.001)
    twice = one.model_copy(update={"total_s": [2 * value for value in one.total_s]})
    draws = draw(clusters(one))
    both = percentile_ratio(
        twice.total_s, one.total_s, draws, draws, processes=(one.process, one.process)
    )  # what is common to a pair of processes cancels
    assert (both.low, both.value, both.high) == pytest.approx((2.0, 2.0, 2.0))
    apart = percentile_ratio(
        twice.total_s, one.total_s, draws, draw(clusters(one), seed=1), processes=(one.process, one.process)
    )
    assert apart.low < 1.5 < 2.5 < apart.high


def test_a_summary_holds_the_differences_between_processes():
    samples = made(np.random.default_rng(1), process_sd=0.2, noise_sd=0.01)
    summary = summarize(make_result(samples=samples), resamples=500)
    alone = summarize(make_result(samples=samples.model_copy(update={"process": []})), resamples=500)
    assert summary.p50.value == alone.p50.value
    assert summary.p50.high - summary.p50.low > 2 * (alone.p50.high - alone.p50.low)


def test_other_texts_are_told_from_noise():
    rng = np.random.default_rng(0)
    by_texts = half_width(made(rng, text_sd=0.5, noise_sd=0.01))
    by_noise = half_width(made(rng, text_sd=0.0, noise_sd=0.5))
    assert by_texts.texts == pytest.approx(by_texts.total, rel=0.2)
    assert by_noise.texts < 0.6 * by_noise.total
    few = half_width(made(rng).model_copy(update={name: [] for name in Samples.model_fields}))
    assert (few.total, few.texts) == (math.inf, 0.0)
