"""Intervals of scores and their changes, against definitions, simulation and each other."""

import math

import numpy as np
import pytest

from edgekd.analysis.multilabel import LabelCounts, indicator
from edgekd.analysis.paired_quality import accuracy_change, score_change, score_interval
from edgekd.analysis.quality import macro_f1
from edgekd.analysis.regression import pearson
from edgekd.analysis.sums import METRICS, draws, resampled, text_sums
from edgekd.errors import ConfigError
from edgekd.tasks import Task, TaskKind

SINGLE = Task(TaskKind.SINGLE_LABEL, ("a", "b", "c"))
MULTI = Task(TaskKind.MULTI_LABEL, ("a", "b", "c"))
VALUE = Task(TaskKind.REGRESSION, ("rating",))


def sample(task, texts, *, seed=0, noise=0.3):
    """Targets and predictions that are right most of the time."""
    rng = np.random.default_rng(seed)
    if task is VALUE:
        truth = rng.normal(3, 1, texts)
        return truth.tolist(), (truth + rng.normal(0, noise, texts)).tolist()
    if task is SINGLE:
        truth = rng.integers(3, size=texts)
        return truth.tolist(), np.where(rng.random(texts) < noise, rng.integers(3, size=texts), truth).tolist()
    truth = rng.random((texts, 3)) < 0.3
    chosen = truth ^ (rng.random(truth.shape) < noise / 2)
    return [[tuple(np.flatnonzero(row).tolist()) for row in rows] for rows in (truth, chosen)]


def plain(task, metric, targets, predictions):
    """The metric by its definition."""
    if task is VALUE:
        truth, given = np.array(targets), np.array(predictions)
        if metric == "pearson":
            return pearson(truth, given)
        return np.abs(given - truth).mean() if metric == "mae" else math.sqrt(np.square(given - truth).mean())
    if metric in {"accuracy", "subset_accuracy"}:
        return np.mean([t == p for t, p in zip(targets, predictions, strict=True)])
    if task is MULTI:
        counts = LabelCounts.of(indicator(targets, 3), indicator(predictions, 3))
        return counts.f1.mean() if metric == "macro_f1" else counts.summed().f1[0]
    counts = LabelCounts.of(np.eye(3, dtype=bool)[targets], np.eye(3, dtype=bool)[predictions])
    return counts.f1[counts.predicted + counts.support > 0].mean()


ALL = [(task, metric) for task in (SINGLE, MULTI, VALUE) for metric in METRICS[task.kind]]


@pytest.mark.parametrize(("task", "metric"), ALL)
def test_a_resample_is_scored_like_the_texts_it_drew(task, metric):
    targets, predictions = sample(task, 12, seed=3)
    sums = text_sums(task, targets, predictions, metric)
    assert sums.value() == pytest.approx(plain(task, metric, targets, predictions))
    found = resampled([sums], resamples=40, seed=5)[:, 0]
    [counts] = draws(12, resamples=40, seed=5)
    for value, times in zip(found, counts, strict=True):
        texts = np.repeat(np.arange(12), times)
        expected = plain(task, metric, [targets[i] for i in texts], [predictions[i] for i in texts])
        assert value == pytest.approx(expected, abs=1e-9)


def test_draws_are_repeatable_and_of_all_texts_alike():
    first, again = (np.concatenate(list(draws(50, resamples=400, seed=1))) for _ in range(2))
    assert first.shape == (400, 50)
    assert (first == again).all()
    assert (first.sum(axis=1) == 50).all()
    assert first.mean(axis=0) == pytest.approx(np.ones(50), abs=0.25)


def test_many_texts_are_drawn_in_parts(monkeypatch):
    monkeypatch.setattr("edgekd.analysis.sums.CELLS", 70)
    parts = list(draws(10, resamples=20, seed=1))
    assert [len(part) for part in parts] == [7, 7, 6]
    assert resampled([text_sums(VALUE, *sample(VALUE, 10))], resamples=20).shape == (20, 1)


@pytest.mark.parametrize(("task", "metric"), ALL)
def test_a_score_is_inside_its_interval_which_shrinks_with_more_texts(task, metric):
    widths = []
    for texts in (100, 1600):
        interval = score_interval(task, *sample(task, texts, noise=0.6), metric, resamples=400)
        assert interval.low <= interval.value <= interval.high
        assert interval.n == texts
        widths.append(interval.high - interval.low)
    assert 2.5 < widths[0] / widths[1] < 7  # sqrt(16) = 4


@pytest.mark.parametrize("task", [SINGLE, MULTI, VALUE])
def test_the_same_predictions_do_not_change_the_score(task):
    targets, predictions = sample(task, 60)
    interval = score_change(task, targets, predictions, predictions)
    assert interval.value == 0.0
    assert interval.low <= 0 <= interval.high


def test_accuracy_keeps_its_closed_form_and_the_bootstrap_agrees_with_it():
    targets, before = sample(SINGLE, 800)
    _, noise = sample(SINGLE, 800, seed=1)
    after = [t if i % 3 else n for i, (t, n) in enumerate(zip(targets, noise, strict=True))]
    closed = score_change(SINGLE, targets, before, after)
    assert closed == accuracy_change(targets, before, after)
    both = [text_sums(SINGLE, targets, side) for side in (before, after)]
    spread = resampled(both)
    assert np.std(spread[:, 1] - spread[:, 0]) == pytest.approx((closed.high - closed.low) / 2 / 1.96, rel=0.06)


def test_macro_f1_of_single_labels_agrees_with_texts_drawn_one_by_one():
    targets, before = sample(SINGLE, 300)
    after = [t if i % 2 else b for i, (t, b) in enumerate(zip(targets, before, strict=True))]
    change = score_change(SINGLE, targets, before, after, "macro_f1")
    assert change.value == pytest.approx(
        macro_f1(SINGLE.labels, targets, after) - macro_f1(SINGLE.labels, targets, before)
    )
    rng, columns = np.random.default_rng(1), np.array([targets, before, after])
    drawn = [columns[:, rng.integers(300, size=300)].tolist() for _ in range(1000)]
    spread = [macro_f1(SINGLE.labels, t, a) - macro_f1(SINGLE.labels, t, b) for t, b, a in drawn]
    assert (change.low, change.high) == pytest.approx(np.quantile(spread, [0.025, 0.975]), abs=0.006)


@pytest.mark.parametrize(("task", "low", "high"), [(MULTI, 0.1, 0.3), (VALUE, 0.3, 0.8)])
def test_the_interval_holds_the_true_change(task, low, high):
    """The truth is the change on many texts of the same kind."""

    def change(texts, seed, **options):
        targets, before = sample(task, texts, seed=seed, noise=high)
        # The same generator with less noise makes the same mistakes, only fewer or smaller ones.
        _, after = sample(task, texts, seed=seed, noise=low)
        return score_change(task, targets, before, after, **options)

    truth = change(40_000, 99, resamples=2).value
    covered = [found.low <= truth <= found.high for found in (change(150, s, resamples=300) for s in range(100))]
    assert 89 <= sum(covered) <= 100


def test_a_relative_change_of_an_error():
    targets, before, after = [0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [1.5, 1.5, 1.5]
    found = score_change(VALUE, targets, before, after, "rmse", relative=True)
    assert (found.value, found.low, found.high) == pytest.approx((0.5, 0.5, 0.5))
    assert score_change(VALUE, targets, targets, targets, "rmse", relative=True).value == 0.0
    assert score_change(VALUE, targets, targets, after, "rmse", relative=True).low == math.inf


def test_constant_predictions_have_no_correlation_in_any_resample():
    truth = [1.0, 2.0, 3.0, 4.0]
    found = score_interval(VALUE, truth, [0.1] * 4)
    assert (found.value, found.low, found.high) == (0.0, 0.0, 0.0)
    assert np.isfinite(resampled([text_sums(VALUE, truth, [0.1, 0.1, 0.1, 0.7])])).all()


def test_a_metric_without_an_interval_names_those_that_have_one():
    with pytest.raises(ConfigError, match="Available: macro_f1, micro_f1, subset_accuracy"):
        score_interval(MULTI, [(0,)], [(0,)], "map")


@pytest.mark.parametrize("predictions", [[], [0, 1]])
def test_other_texts_cannot_be_compared(predictions):
    with pytest.raises(ValueError, match="cannot be scored"):
        score_change(SINGLE, [0], [0], predictions)
