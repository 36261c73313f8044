"""Figures of a parity check, by hand and by their laws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekd.analysis.parity import compare_logits, flips, shown
from edgekd.errors import InvalidArtifact
from edgekd.tasks import Calibration, Task, TaskKind

SINGLE = Task(TaskKind.SINGLE_LABEL, ("bad", "good", "so-so"))
TWO = Task(TaskKind.SINGLE_LABEL, ("bad", "good"))
MULTI = Task(TaskKind.MULTI_LABEL, ("anger", "joy"))
VALUE = Task(TaskKind.REGRESSION, ("stars",))


def targets_of(task, count):
    if task.kind is TaskKind.REGRESSION:
        return [float(i % 5) for i in range(count)]
    if task.kind is TaskKind.MULTI_LABEL:
        return [((), (0,), (1,), (0, 1))[i % 4] for i in range(count)]
    return [i % task.num_outputs for i in range(count)]


def random_logits(task, count, seed):
    return np.random.default_rng(seed).normal(0, 2, (count, task.num_outputs)).astype(np.float32)


@pytest.mark.parametrize("task", [SINGLE, MULTI, VALUE], ids=lambda task: task.kind.value)
@given(seed=st.integers(0, 1000), count=st.integers(1, 30))
@settings(max_examples=20)
def test_equal_logits_differ_in_nothing(task, seed, count):
    logits = random_logits(task, count, seed)
    found = compare_logits(logits, logits.copy(), task=task, texts=["text"] * count, targets=targets_of(task, count))
    assert (found.texts, found.max_abs_diff, found.mean_abs_diff, found.label_flips) == (count, 0.0, 0.0, 0)
    assert found.kl == (None if task is VALUE else 0.0)
    assert found.score_change == 0.0
    assert set(found.recall_change.values()) <= {0.0}
    assert found.worst == []


@pytest.mark.parametrize("task", [SINGLE, MULTI, VALUE], ids=lambda task: task.kind.value)
@given(seed=st.integers(0, 1000))
@settings(max_examples=10)
def test_the_order_of_the_texts_does_not_matter(task, seed):
    count = 24
    expected, actual = random_logits(task, count, seed), random_logits(task, count, seed + 1)
    targets, texts = targets_of(task, count), [f"text {i}" for i in range(count)]
    order = np.random.default_rng(seed).permutation(count)
    found = compare_logits(expected, actual, task=task, texts=texts, targets=targets)
    again = compare_logits(
        expected[order],
        actual[order],
        task=task,
        texts=[texts[i] for i in order],
        targets=[targets[i] for i in order],
    )
    assert again.label_flips == found.label_flips
    assert again.max_abs_diff == found.max_abs_diff
    assert again.mean_abs_diff == pytest.approx(found.mean_abs_diff, rel=1e-12)
    assert again.kl == (None if task is VALUE else pytest.approx(found.kl, rel=1e-9))
    assert again.score_change == pytest.approx(found.score_change, abs=1e-6)
    assert again.recall_change == pytest.approx(found.recall_change)
    assert again.worst == found.worst


def test_divergence_by_hand():
    # From (1/2, 1/2) to (3/4, 1/4): 1/2 ln(2/3) + 1/2 ln 2 = 1/2 ln(4/3).
    half = math.log(4 / 3) / 2
    expected, actual = np.zeros((2, 2)), np.array([[math.log(3), 0.0], [0.0, 0.0]])
    assert compare_logits(expected, actual, task=TWO).kl == pytest.approx(half / 2)
    # Two labels of chance 1/2 each that become 3/4: the same, summed over the labels of a text.
    both = np.array([[math.log(3), math.log(3)], [0.0, 0.0]])
    assert compare_logits(expected, both, task=MULTI).kl == pytest.approx(half)
    # At temperature 2 a logit of 2 ln 3 is what ln 3 was.
    warm = Calibration(temperature=2.0)
    assert compare_logits(expected, actual * 2, task=TWO, calibration=warm).kl == pytest.approx(half / 2)


def test_recall_and_score_by_hand():
    def one_hot(labels):
        return np.eye(3)[labels] * 4

    # Of four "bad" texts the model finds 4, the graph 3; of two "good" ones 1 and 2; nobody knows "so-so".
    targets = [0, 0, 0, 0, 1, 1]
    found = compare_logits(
        one_hot([0, 0, 0, 0, 1, 0]), one_hot([0, 0, 0, 2, 1, 1]), task=SINGLE, targets=targets, texts="abcdef"
    )
    assert found.recall_change == {"bad": -0.25, "good": 0.5}
    assert found.label_flips == 2
    assert found.score_change == 0.0
    low, high = found.score_change_interval
    assert low < 0 < high
    assert [(flip.text, flip.expected, flip.actual) for flip in found.worst] == [
        ("d", "bad", "so-so"),
        ("f", "bad", "good"),
    ]


def test_multi_label_answers_follow_the_thresholds():
    calibration = Calibration(thresholds=(0.5, 0.9))  # logits 0 and 2.197
    expected = np.array([[1.0, 1.0], [-1.0, 3.0], [0.5, 0.0]])
    actual = np.array([[1.0, 2.0], [-1.0, 2.0], [-0.5, 0.0]])
    found = compare_logits(expected, actual, task=MULTI, calibration=calibration, texts=["one", "two", "three"])
    assert found.label_flips == 2
    assert [(flip.text, flip.expected, flip.actual) for flip in found.worst] == [
        ("two", "joy", "-"),
        ("three", "anger", "-"),
    ]
    # The label of "three" was 0.5 from its threshold, that of "two" 0.8.
    assert flips(expected, actual, MULTI, calibration, tie=0.6).tolist() == [False, True, False]


def test_the_worst_ten_are_those_with_the_largest_differences():
    size = np.arange(1.0, 13.0)
    expected = np.stack([size, np.zeros(12)], axis=1)
    found = compare_logits(expected, expected[:, ::-1], task=TWO, texts=[f"text {i}" for i in range(1, 13)])
    assert found.label_flips == 12
    assert [flip.text for flip in found.worst] == [f"text {i}" for i in range(12, 2, -1)]
    assert [flip.max_abs_diff for flip in found.worst] == list(range(12, 2, -1))


def test_a_flip_between_labels_that_were_about_equal_is_a_tie():
    expected = np.array([[1.0, 1.00001], [1.0, 1.5]])
    actual = np.array([[1.00001, 1.0], [1.5, 1.0]])
    assert flips(expected, actual, TWO).tolist() == [True, True]
    assert flips(expected, actual, TWO, tie=1e-4).tolist() == [False, True]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused_and_it_is_said_whose_they_are(value):
    good, broken = np.zeros((3, 2)), np.array([[0.0, 0.0], [0.0, value], [0.0, 0.0]])
    with pytest.raises(InvalidArtifact, match="graph returns values that are not finite for 1 of 3 texts"):
        compare_logits(good, broken, task=TWO)
    with pytest.raises(InvalidArtifact, match="model returns values that are not finite"):
        compare_logits(broken, good, task=TWO)


def test_another_number_of_labels_is_refused():
    with pytest.raises(InvalidArtifact, match=r"shape \(3, 3\); its model \(3, 2\)"):
        compare_logits(np.zeros((3, 2)), np.zeros((3, 3)), task=TWO)


def test_a_regression_has_no_flips():
    found = compare_logits(np.array([[1.0], [2.0]]), np.array([[2.0], [1.0]]), task=VALUE, targets=[1.0, 2.0])
    assert (found.label_flips, found.kl, found.worst, found.recall_change) == (0, None, [], {})
    assert found.score_change == pytest.approx(-2.0)  # Pearson from 1 to -1


def test_shown_texts_are_short_and_cannot_command_a_terminal():
    assert shown("\x1b[31mred\u202e") == "\\x1b[31mred\\u202e"
    assert shown("a" * 200) == "a" * 97 + "..."
    assert shown("café 中文") == "café 中文"
