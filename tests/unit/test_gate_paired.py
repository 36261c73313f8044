"""Statistics of paired latency and paired quality, against hand-computed and simulated values."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekd.analysis.bootstrap import resampled_percentiles
from edgekd.analysis.paired import (
    Rounds,
    latency,
    median_change,
    nested_draws,
    percentile_change,
    round_log_ratios,
    stretch,
    trimmed_means,
    unpaired_change,
)
from edgekd.analysis.paired_quality import accuracy_change, score_change
from edgekd.analysis.quality import macro_f1
from edgekd.tasks import Task, TaskKind


def simulate(ratio, *, processes=4, rounds=20, calls=10, noise=0.1, layout=0.0, seed=0):
    """Both sides share drift and text length; the candidate takes ``ratio`` times as long."""
    rng = np.random.default_rng(seed)
    count = processes * rounds
    drift = np.repeat(np.exp(rng.normal(0, 0.1, count)), calls)
    length = np.exp(rng.normal(0, 0.3, count * calls))
    own = np.repeat(np.exp(rng.normal(0, layout, processes)), rounds * calls) if layout else 1.0
    base = 1e-3 * drift * length
    before = base * np.exp(rng.normal(0, noise, count * calls))
    after = base * ratio * own * np.exp(rng.normal(0, noise, count * calls))
    return Rounds((before, after), np.repeat(np.arange(count), calls), np.repeat(np.arange(processes), rounds))


def test_round_ratios_use_the_median_of_each_round():
    rounds = Rounds(
        (np.array([1.0, 2.0, 9.0, 4.0]), np.array([2.0, 4.0, 18.0, 4.0])), np.array([0, 0, 0, 1]), np.array([0, 0])
    )
    assert round_log_ratios(rounds) == pytest.approx([math.log(2), 0.0])


def test_trimmed_means_of_weights_are_those_of_repeated_values():
    values = np.array([5.0, 1.0, 100.0, 2.0])
    counts = np.array([[1, 1, 1, 1], [2, 3, 0, 0]], dtype=np.int32)
    # Sorted 1 2 5 100: 20 % of 4 is 0.8, so 1 and 100 count 0.2 each. Then 1 1 1 5 5: one value off each end.
    expected = [(0.2 * 1 + 2 + 5 + 0.2 * 100) / 2.4, (1 + 1 + 5) / 3]
    assert trimmed_means(values, counts) == pytest.approx(expected)


def test_draws_take_whole_processes():
    rounds = Rounds((np.ones(6),), np.arange(6), np.array([0, 0, 0, 0, 1, 1]))
    counts = nested_draws(rounds, resamples=500).counts
    first, second = counts[:, :4].sum(axis=1), counts[:, 4:].sum(axis=1)
    assert {tuple(pair) for pair in np.stack([first, second], 1)} == {(8, 0), (4, 2), (0, 4)}


def test_resampled_percentiles_follow_the_draws():
    rounds = Rounds((np.array([1.0, 2.0, 3.0]),), np.arange(3), np.zeros(3, dtype=np.int64))
    draws = nested_draws(rounds, resamples=50)
    expected = [np.quantile(np.repeat(rounds.seconds[0], counts), 0.95) for counts in draws.counts]
    assert resampled_percentiles(rounds.seconds[0], draws, [0.95])[:, 0] == pytest.approx(expected)


@pytest.mark.parametrize("ratio", [0.95, 1.1])
def test_the_interval_holds_the_true_change(ratio):
    covered = [0, 0]
    for seed in range(30):
        rounds = simulate(ratio, seed=seed)
        for kind, interval in enumerate(
            (median_change(rounds, resamples=400), percentile_change(rounds, 0.95, resamples=400))
        ):
            assert interval.low <= interval.value <= interval.high
            covered[kind] += interval.low <= ratio - 1 <= interval.high
    assert min(covered) >= 29  # 99 % nominal


@pytest.mark.parametrize("processes", [4, 6, 12])
def test_few_processes_do_not_make_it_too_sure(processes):
    found = []
    for seed in range(150):
        rounds = simulate(1.0, processes=processes, rounds=5, layout=0.02, noise=0.001, seed=seed)
        found.append(median_change(rounds, resamples=400))
    right = sum(interval.low <= 0 <= interval.high for interval in found)
    assert right >= 145  # 99 % nominal


def test_an_interval_is_stretched_as_students_distribution_says():
    assert stretch(1) == 1.0
    assert stretch(4) == pytest.approx(5.8409 / (2.5758 * math.sqrt(3 / 4)), abs=1e-3)
    factors = [stretch(processes) for processes in range(2, 200)]
    assert factors == sorted(factors, reverse=True)
    assert factors[-1] == pytest.approx(1.0, abs=0.02)


def test_what_differs_between_processes_widens_the_interval():
    same, other = (median_change(simulate(1.0, layout=layout, noise=0.02, seed=3)) for layout in (0.0, 0.06))
    assert other.high - other.low > 3 * (same.high - same.low)


def test_a_difference_in_seconds():
    rounds = simulate(1.5, noise=0.0)
    interval = percentile_change(rounds, 0.5, relative=False)
    median = float(np.quantile(rounds.seconds[0], 0.5))
    assert interval.value == pytest.approx(0.5 * median)
    assert interval.low < 0.5 * median < interval.high


def test_identical_samples_do_not_differ_at_all():
    before = simulate(1.0).seconds[0]
    rounds = Rounds((before, before), np.repeat(np.arange(80), 10), np.repeat(np.arange(4), 20))
    for interval in (median_change(rounds), percentile_change(rounds, 0.95)):
        assert (interval.value, interval.low, interval.high) == (0, 0, 0)


def test_the_latency_of_one_side_is_in_its_interval():
    interval = latency(simulate(1.0), 0.9)
    assert interval.low < interval.value < interval.high
    assert interval.n == 800


def test_drift_widens_an_unpaired_change():
    before, after = simulate(1.0, seed=1), simulate(1.0, seed=2)
    narrow, wide = (unpaired_change(before, after, 0.5, drift=drift) for drift in (0.0, 0.1))
    assert wide.low == pytest.approx((1 + narrow.low) / 1.1 - 1)
    assert wide.high == pytest.approx((1 + narrow.high) * 1.1 - 1)
    seconds = unpaired_change(before, after, 0.5, drift=0.1, relative=False)
    assert seconds.value == pytest.approx(wide.value * np.quantile(before.seconds[0], 0.5))


def test_accuracy_change_by_hand():
    # 4 texts gained, 1 lost, of 10: p_g = 5/12, p_l = 2/12, half = 1.96 sqrt((7/12 - (3/12)^2) / 12).
    targets = [1] * 10
    before = [0, 0, 0, 0, 1, 1, 1, 1, 1, 1]
    after = [1, 1, 1, 1, 0, 1, 1, 1, 1, 1]
    change = accuracy_change(targets, before, after)
    half = 1.959963984540054 * math.sqrt((7 / 12 - (3 / 12) ** 2) / 12)
    assert (change.value, change.low, change.high) == pytest.approx((0.3, 3 / 12 - half, 3 / 12 + half))


def test_one_point_of_a_hundred_is_exactly_one_point():
    targets = [0] * 100
    change = accuracy_change(targets, targets, [*targets[1:], 1])
    assert change.value == -0.01


LABELLED = st.integers(1, 60).flatmap(
    lambda n: st.tuples(*(st.lists(st.integers(0, 2), min_size=n, max_size=n) for _ in range(3)))
)


@given(LABELLED)
def test_quality_changes_are_differences_of_the_plain_scores(columns):
    targets, before, after = columns
    accuracy = accuracy_change(targets, before, after)
    hits = [sum(t == p for t, p in zip(targets, side, strict=True)) for side in (before, after)]
    assert accuracy.value == pytest.approx((hits[1] - hits[0]) / len(targets))
    labels = ["a", "b", "c"]
    task = Task(TaskKind.SINGLE_LABEL, tuple(labels))
    f1 = score_change(task, targets, before, after, "macro_f1", resamples=50)
    assert f1.value == pytest.approx(macro_f1(labels, targets, after) - macro_f1(labels, targets, before))
    for change in (accuracy, f1):
        assert -1 <= change.low <= change.value <= change.high <= 1


def test_the_interval_of_macro_f1_shrinks_with_more_texts():
    rng = np.random.default_rng(0)
    widths = []
    for n in (50, 500, 5000):
        targets = rng.integers(0, 2, n)
        before, after = (np.where(rng.random(n) < 0.8, targets, 1 - targets) for _ in range(2))
        columns = (targets.tolist(), before.tolist(), after.tolist())
        change = score_change(Task(TaskKind.SINGLE_LABEL, ("a", "b")), *columns, "macro_f1")
        widths.append(change.high - change.low)
    assert all(2 < one / other < 5 for one, other in pairwise(widths))
