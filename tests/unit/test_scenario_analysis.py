"""What the scenarios say: exact numbers from made-up records."""

import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekd.analysis.scenarios import (
    Throughput,
    best_batch,
    busy_periods,
    load,
    median_estimate,
    scaling,
    starts,
    throughputs,
)
from edgekd.analysis.sustained import Verdict, endurance, relative_drift
from edgekd.measurements import ColdStart, LengthPoint, Moment, OfflinePoint, ServerPoint, SustainedSlice


@pytest.mark.parametrize(("n", "kth"), [(6, 1), (8, 1), (9, 2), (10, 2), (20, 6), (100, 40)])
def test_the_interval_of_a_median_is_that_of_the_tables(n, kth):
    """Ranks as in the tables of the binomial distribution: 6 values 96.9 %, 9 values 96.1 %, 10 values 97.9 %."""
    found = median_estimate([float(i) for i in range(n, 0, -1)])
    assert (found.low, found.high, found.n) == (kth, n + 1 - kth, n)
    assert found.value == (n + 1) / 2


def test_fewer_than_six_values_say_nothing_about_a_median():
    assert median_estimate([1.0, 2.0, 3.0, 4.0, 5.0]) is None
    assert median_estimate([]) is None


@given(st.lists(st.floats(0.001, 1000), min_size=6, max_size=60))
def test_a_median_lies_in_its_interval(values):
    found = median_estimate(values)
    assert min(values) <= found.low <= found.value <= found.high <= max(values)


def test_the_interval_of_a_median_holds_as_often_as_it_says():
    rng = random.Random(5)
    estimates = [median_estimate([rng.expovariate(math.log(2)) for _ in range(10)]) for _ in range(2000)]
    assert np.mean([found.low <= 1 <= found.high for found in estimates]) == pytest.approx(0.9785, abs=0.012)


def rate(batch_size, per_s, by_length=False):
    return Throughput(batch_size, by_length, median_estimate([per_s] * 6))


def test_throughput_is_texts_by_seconds():
    point = OfflinePoint(batch_size=4, by_length=True, texts=[100] * 6, seconds=[1, 2, 1, 2, 1, 1])
    [found] = throughputs([point])
    assert (found.batch_size, found.by_length, found.per_s.value) == (4, True, 100)
    assert (found.per_s.low, found.per_s.high) == (50, 100)


def test_the_best_batch_is_the_smallest_that_is_nearly_as_good():
    rates = [rate(1, 100), rate(2, 190), rate(4, 195), rate(8, 150), rate(2, 100, True), rate(8, 300, True)]
    assert best_batch(rates, by_length=False).batch_size == 2
    assert best_batch(rates, by_length=True).batch_size == 8
    assert best_batch([rate(1, 100), rate(8, 90)], by_length=False).batch_size == 1
    assert best_batch([Throughput(1, False, None)], by_length=False) is None


def served(arrivals, work, rate_per_s=1.0, rounds=None):
    """Return what one worker that answers in order of arrival measures."""
    rounds = rounds or [len(arrivals)]
    waited, total, first = [], [], 0
    for size in rounds:
        free = -math.inf
        for arrival, needs in zip(arrivals[first : first + size], work[first : first + size], strict=True):
            begun = max(arrival, free)
            free = begun + needs
            waited.append(begun - arrival)
            total.append(free - arrival)
        first += size
    return ServerPoint(
        rate_per_s=rate_per_s, load_share=0.5, rounds=rounds, arrival_s=arrivals, waited_s=waited, total_s=total
    )


def test_a_busy_period_begins_with_a_text_that_finds_nobody():
    point = served([0.0, 1.0, 1.5, 4.0, 4.5], [0.5, 1.0, 1.0, 0.1, 0.1])
    assert busy_periods(point) == [0, 1, 1, 2, 3]


def test_a_round_begins_with_nobody_waiting():
    point = served([0.0, 0.5, 0.0, 0.5], [10.0, 10.0, 10.0, 10.0], rounds=[2, 2])
    assert busy_periods(point) == [0, 0, 1, 1]


def poisson(rate_per_s, work_s, count=3000, seed=0):
    rng = random.Random(seed)
    arrivals = np.cumsum([rng.expovariate(rate_per_s) for _ in range(count)]).tolist()
    return served(arrivals, [work_s] * count, rate_per_s)


def test_load_is_the_share_of_the_time_at_work_and_waiting_is_as_likely():
    found = load(poisson(50, 0.01), resamples=200)
    assert found.utilisation == pytest.approx(0.5)
    assert found.waited == pytest.approx(0.5, abs=0.03)  # Poisson arrivals see time averages (Wolff 1982)
    assert not found.saturated
    assert found.p50.value == pytest.approx(0.01, abs=1e-3)
    assert 0.01 < found.p95.low < found.p95.value < found.p95.high
    assert found.p99.value > found.p95.value


def test_percentiles_cover_the_truth_of_a_long_run():
    truth = np.quantile(poisson(60, 0.01, 200_000, seed=1).total_s, 0.95)
    found = [load(poisson(60, 0.01, 1000, seed=seed), resamples=200).p95 for seed in range(2, 42)]
    assert np.mean([one.low <= truth <= one.high for one in found]) >= 0.8


def test_what_cannot_be_answered_is_saturated():
    found = load(poisson(101, 0.01), resamples=50)
    assert found.saturated
    assert found.p50 is found.p95 is found.p99 is None  # they would tell how long it was watched


def test_a_percentile_that_too_few_texts_support_is_not_shown():
    found = load(poisson(20, 0.01, count=200), resamples=50)
    assert found.p95 is not None
    assert found.p99 is None


def test_parts_of_a_cold_start_add_up_and_caches_stay_apart():
    def start(load_s, cached):
        return ColdStart(
            spawned_s=0.1 + 0.2 + load_s + 0.01, import_s=0.2, load_s=load_s, first_answer_s=0.01, cached=cached
        )

    warm, cold = starts([*[start(0.3, True)] * 10, *[start(0.5, False)] * 10])
    assert (warm.cached, warm.starts, cold.cached) == (True, 10, False)
    assert warm.interpreter.value == pytest.approx(0.1)
    assert cold.whole.value - warm.whole.value == pytest.approx(0.2)
    assert [one.cached for one in starts([start(0.3, True)] * 3)] == [True]
    assert starts([start(0.3, True)] * 3)[0].whole is None


def lengths(latency, noise=0.0, calls=60):
    rng = random.Random(1)
    return [
        LengthPoint(
            tokens=n,
            total_s=[latency(n) * (1 + rng.uniform(-noise, noise)) for _ in range(calls)],
            tokenize_s=[1e-6] * calls,
            infer_s=[1e-6] * calls,
        )
        for n in (8, 16, 32, 64, 128)
    ]


def test_a_line_is_found_exactly():
    found = scaling(lengths(lambda n: 50e-6 + 3e-6 * n), resamples=50)
    assert found.per_token.value == pytest.approx(3e-6)
    assert found.fixed.value == pytest.approx(50e-6)
    assert found.off_line < 1e-6
    assert found.is_linear
    assert [estimate.value for estimate in found.p50] == pytest.approx([50e-6 + 3e-6 * n for n in found.tokens])


def test_the_interval_of_the_slope_contains_it():
    found = scaling(lengths(lambda n: 50e-6 + 3e-6 * n, noise=0.2), resamples=500)
    assert found.per_token.low < 3e-6 < found.per_token.high
    assert found.fixed.low < 50e-6 < found.fixed.high


def test_attention_that_grows_with_the_square_is_no_line():
    assert not scaling(lengths(lambda n: 50e-6 + 1e-8 * n**2), resamples=50).is_linear


def test_two_lengths_make_no_curve():
    assert scaling(lengths(lambda n: n)[:2]) is None


def slices(p50s, *, clocks=None, flags=(), waited=None):
    clocks = clocks or [None] * len(p50s)
    return [
        SustainedSlice(
            start_s=5.0 * i,
            seconds=5.0,
            calls=1000,
            p50_s=p50,
            p95_s=2 * p50,
            moment=Moment(
                at_s=5.0 * i, clock_hz=clock, temperature_c=50.0 + i, throttled=list(flags), waited_share=waited
            ),
        )
        for i, (p50, clock) in enumerate(zip(p50s, clocks, strict=True))
    ]


def test_the_drift_of_a_line_is_its_rise_over_the_run():
    found = relative_drift(slices([0.010 + 0.0001 * i for i in range(20)]))
    assert found.value == pytest.approx(0.0001 * 20 / 0.01095)
    assert [found.low, found.high] == pytest.approx([found.value] * 2)


def test_noise_without_a_trend_is_steady():
    outcomes = []
    for seed in range(40):
        rng = random.Random(seed)
        found = endurance(slices([0.01 * rng.lognormvariate(0, 0.05) for _ in range(60)]))
        outcomes.append(found.drift.low <= 0 <= found.drift.high)
        assert found.verdict in (Verdict.STEADY, Verdict.SLOWER, Verdict.FASTER)
    assert np.mean(outcomes) >= 0.85


def test_a_drift_is_named_by_its_direction():
    up = [0.010 + 0.0001 * i for i in range(20)]
    assert endurance(slices(up)).verdict is Verdict.SLOWER
    assert endurance(slices(up[::-1])).verdict is Verdict.FASTER
    assert endurance(slices([0.01 + 1e-6 * i for i in range(20)])).verdict is Verdict.STEADY  # 0.2 %: too little


def test_a_clock_that_falls_while_latency_rises_is_throttled():
    up, falls = [0.010 + 0.0001 * i for i in range(20)], [1.5e9 - 1e7 * i for i in range(20)]
    found = endurance(slices(up, clocks=falls))
    assert found.verdict is Verdict.THROTTLED
    assert found.clock_hz == (1.5e9, 1.31e9)
    assert found.temperature_c == (50.0, 69.0)
    assert endurance(slices([0.01] * 20, clocks=falls)).verdict is Verdict.STEADY  # nobody lost anything


def test_who_says_that_it_throttles_is_believed_but_for_what_was_before():
    assert endurance(slices([0.01] * 20, flags=["frequency capped"])).verdict is Verdict.THROTTLED
    assert endurance(slices([0.01] * 20, flags=["frequency capped"])).throttled == ["frequency capped"]
    assert endurance(slices([0.01] * 20, flags=["under-voltage since boot"])).verdict is Verdict.STEADY


def test_a_few_slices_are_too_short_for_a_verdict():
    assert endurance(slices([0.01] * 9)).verdict is Verdict.TOO_SHORT
    assert endurance([]) is None


def test_first_and_last_are_a_tenth_each():
    found = endurance(slices([1.0, 2.0, *[3.0] * 16, 4.0, 5.0], waited=0.25))
    assert (found.first_p50_s, found.last_p50_s, found.worst_p95_s) == (1.5, 4.5, 10.0)
    assert (found.seconds, found.calls, found.waited_share) == (100.0, 20_000, 0.25)
