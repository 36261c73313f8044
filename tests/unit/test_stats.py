from __future__ import annotations

import time
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekd.analysis.bootstrap import Draws, clusters, draw, percentile_estimates, resampled_percentiles
from edgekd.analysis.stats import (
    agreement,
    macro_f1,
    needed_samples,
    per_class,
    percentile,
    share_difference,
    speed_up,
    summarize,
    supported_percentile,
    trimmed_mean,
    wilson,
)
from edgekd.results import Quality, Samples
from tests.results import make_result, make_samples, make_teacher


def test_percentile_interpolates_linearly():
    assert percentile([1.0, 2.0, 3.0, 4.0], 0.5) == 2.5
    assert percentile([10.0, 0.0], 0.95) == pytest.approx(9.5)
    assert percentile([7.0], 0.99) == 7.0
    with pytest.raises(ValueError, match="at least one sample"):
        percentile([], 0.5)


def test_needed_samples_are_the_floors_of_loadgen():
    assert [needed_samples(q) for q in (0.5, 0.9, 0.95, 0.99)] == [11, 64, 130, 662]


@pytest.mark.parametrize("q", [0.5, 0.9, 0.95, 0.99])
def test_needed_samples_is_the_smallest_that_leaves_two_above(q):
    def at_most_one_above(n):
        return sum(comb(n, k) * (1 - q) ** k * q ** (n - k) for k in (0, 1))

    n = needed_samples(q)
    assert at_most_one_above(n) <= 0.01 < at_most_one_above(n - 1)
    assert supported_percentile(n, q)
    assert not supported_percentile(n - 1, q)


def test_needed_samples_rejects_the_maximum():
    with pytest.raises(ValueError, match="between 0 and 1"):
        needed_samples(1.0)


def test_trimmed_mean_by_hand():
    assert trimmed_mean([100.0, 1.0, 2.0, 3.0, 0.0], 0.2) == 2.0
    assert trimmed_mean([1.0, 2.0, 6.0], 0.0) == 3.0
    with pytest.raises(ValueError, match=r"below 0\.5"):
        trimmed_mean([1.0], 0.5)


def test_wilson_by_hand():
    # Newcombe 1998, Statistics in Medicine 17, table I: 81 of 263 and 0 of 20.
    e = wilson(81, 263)
    assert (e.value, e.low, e.high) == pytest.approx((0.3080, 0.2553, 0.3662), abs=5e-5)
    assert (wilson(0, 20).low, wilson(0, 20).high) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson(20, 20).high == 1.0


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_contains_its_share(pair):
    e = wilson(*pair)
    assert 0 <= e.low <= e.value <= e.high <= 1


def test_wilson_of_nothing():
    with pytest.raises(ValueError, match="0 successes of 0"):
        wilson(0, 0)


def test_difference_of_shares_by_hand():
    # Newcombe 1998, Statistics in Medicine 17, table II, method 10: 56/70 - 48/80 = 0.2 [0.0524, 0.3339].
    e = share_difference(wilson(56, 70), wilson(48, 80))
    assert (e.value, e.low, e.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


def test_quality_by_hand():
    targets, predictions = [0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 2, 2]
    a, b, c = per_class(["a", "b", "c"], targets, predictions)
    assert (a.precision, a.recall, a.f1, a.support) == pytest.approx((1.0, 2 / 3, 0.8, 3))
    assert (b.precision, b.recall, b.f1, b.support) == pytest.approx((0.5, 0.5, 0.5, 2))
    assert (c.precision, c.recall, c.f1, c.support) == pytest.approx((0.5, 1.0, 2 / 3, 1))
    assert macro_f1(["a", "b", "c"], targets, predictions) == pytest.approx((0.8 + 0.5 + 2 / 3) / 3)


def test_a_label_that_never_occurs_does_not_lower_macro_f1():
    assert macro_f1(["a", "b", "never"], [0, 1], [0, 1]) == 1.0
    never = per_class(["a", "b", "never"], [0, 1], [0, 1])[2]
    assert (never.precision, never.recall, never.f1, never.support) == (0.0, 0.0, 0.0, 0)


def test_agreement_counts_equal_labels():
    assert agreement([0, 1, 1, 0], [0, 1, 0, 0]).value == 0.75
    with pytest.raises(ValueError, match=r"3 \w+ with 2"):
        agreement([1, 1, 1], [1, 1])


# Bootstrap


def samples_of(total_s, block, text_index=None):
    n = len(total_s)
    return Samples(
        text_index=text_index if text_index is not None else list(range(n)),
        tokens=[5] * n,
        block=block,
        total_s=total_s,
        tokenize_s=total_s,
        infer_s=total_s,
    )


@given(st.integers(0, 10_000), st.integers(2, 40), st.sampled_from([0.0, 0.5, 0.9, 1.0]))
def test_a_resample_has_the_percentile_of_what_was_drawn(seed, n, q):
    rng = np.random.default_rng(seed)
    values = rng.choice([0.1, 0.2, 0.3, 0.7, 0.9], n)
    cluster = np.sort(rng.integers(0, 4, n))
    cluster = np.unique(cluster, return_inverse=True)[1]
    draws = draw(cluster, resamples=5, seed=seed)
    found = resampled_percentiles(values, draws, [q])
    for row, counts in zip(found, draws.counts, strict=True):
        assert row[0] == pytest.approx(np.quantile(np.repeat(values, counts[cluster]), q))


def test_a_block_is_drawn_whole():
    draws = draw(np.array([0, 0, 1, 1, 1]), resamples=50)
    assert draws.counts.shape == (50, 2)
    assert (draws.counts.sum(axis=1) == 2).all()


def test_blocks_of_the_same_texts_are_one_cluster():
    text_index = [*range(24), *range(24)]
    block = [i // 2 for i in range(48)]
    cluster = clusters(samples_of([1.0] * 48, block, text_index))
    assert cluster.max() == 11
    assert (cluster[:24] == cluster[24:]).all()


def test_few_blocks_fall_back_to_texts_and_few_texts_to_samples():
    by_text = clusters(samples_of([1.0] * 24, [0] * 24, [*range(12), *range(12)]))
    assert by_text.max() == 11
    by_sample = clusters(samples_of([1.0] * 24, [0] * 24, [0] * 24))
    assert by_sample.tolist() == list(range(24))


def test_the_interval_covers_the_true_median_about_as_often_as_it_says():
    rng = np.random.default_rng(3)
    hits = 0
    for trial in range(200):
        values = rng.exponential(1.0, 200)
        [e] = percentile_estimates(values.tolist(), draw(np.arange(200), resamples=300, seed=trial), [0.5])
        hits += e.low <= np.log(2) <= e.high
    assert 0.90 <= hits / 200 <= 0.99


def test_drift_between_blocks_widens_the_interval():
    rng = np.random.default_rng(0)
    block = np.repeat(np.arange(20), 20)
    values = 1 + 0.3 * rng.random(20)[block] + 0.01 * rng.random(400)
    [by_block] = percentile_estimates(values.tolist(), draw(block), [0.5])
    [by_sample] = percentile_estimates(values.tolist(), draw(np.arange(400)), [0.5])
    assert by_block.high - by_block.low > 1.5 * (by_sample.high - by_sample.low)


def test_the_same_result_gives_the_same_numbers():
    assert summarize(make_result()) == summarize(make_result())


def test_four_thousand_samples_take_less_than_a_second():
    result = make_result(samples=make_samples(calls=4000, blocks=80))
    started = time.process_time()
    summarize(result)
    assert time.process_time() - started < 1.0


# Summary


def test_a_percentile_without_support_is_absent():
    summary = summarize(make_result(calls=100))
    assert summary.p90 is not None
    assert (summary.p95, summary.p99) == (None, None)
    few = summarize(make_result(calls=10))
    assert (few.p50, few.tokenize_p50, few.tokens_p50) == (None, None, None)
    all_of_them = summarize(make_result(calls=700))
    assert all_of_them.p50.value < all_of_them.p90.value < all_of_them.p95.value < all_of_them.p99.value


def test_warm_up_calls_do_not_count():
    slow_start = make_samples(p50_s=5.0, calls=50, blocks=1)
    assert summarize(make_result(warm_up=slow_start)).p50 == summarize(make_result()).p50


def test_summary_of_known_quality():
    result = make_result(accuracy=0.86, agreement=0.9, control=(0.83, 332))
    summary = summarize(result)
    assert summary.accuracy.value == 0.86
    assert summary.agreement.value == 0.9
    assert summary.gain.value == pytest.approx(0.03)
    assert summary.gain.low < 0.03 < summary.gain.high
    assert [c.label for c in summary.per_class] == ["negative", "positive"]


def test_a_control_on_other_texts_keeps_its_own_number_of_texts():
    few = summarize(make_result(texts=400, control=(0.8, 80))).gain
    many = summarize(make_result(texts=400, control=(0.8, 8000))).gain
    assert few.value == pytest.approx(many.value)
    assert few.high - few.low > many.high - many.low


def test_without_targets_or_teacher_nothing_is_claimed():
    nothing = Quality(labels=["a", "b"], targets=[], predictions=[0, 1])
    summary = summarize(make_result(quality=nothing, control=(0.8, None)))
    assert (summary.accuracy, summary.agreement, summary.macro_f1, summary.gain) == (None,) * 4
    assert summary.per_class == ()


def test_speed_up_of_one_session_cancels_drift():
    rng = np.random.default_rng(1)
    block = [i // 20 for i in range(400)]
    drift = (1 + rng.random(20))[block]
    slow = samples_of((0.010 * drift * (1 + 0.01 * rng.random(400))).tolist(), block)
    fast = samples_of((0.001 * drift * (1 + 0.01 * rng.random(400))).tolist(), block)
    paired = speed_up(make_teacher(samples=slow), make_result(samples=fast))
    apart = speed_up(make_teacher(samples=slow), make_result(samples=fast, session="s2"))
    assert paired.value == pytest.approx(10, rel=0.02)
    assert paired.low < paired.value < paired.high
    assert paired.high - paired.low < 0.2 * (apart.high - apart.low)


def test_speed_up_needs_samples():
    assert speed_up(make_teacher(calls=5, blocks=1), make_result()) is None


def test_draws_are_data():
    counts = np.array([[2, 0], [0, 2]], dtype=np.int32)
    found = resampled_percentiles(np.array([1.0, 5.0]), Draws(np.array([0, 1]), counts), [0.5])
    assert found.tolist() == [[1.0], [5.0]]
