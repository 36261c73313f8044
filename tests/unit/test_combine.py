"""Several teachers as one."""

import numpy as np
import pytest

from edgekd.analysis.combine import combine
from edgekd.tasks import Calibration, Task, TaskKind

SINGLE = Task(TaskKind.SINGLE_LABEL, ("a", "b"))
MULTI = Task(TaskKind.MULTI_LABEL, ("a", "b"))
VALUE = Task(TaskKind.REGRESSION, ("rating",))
PLAIN = [Calibration(), Calibration()]


def logits(*rows):
    return np.log(np.array(rows, dtype=np.float64))


def shares(z):
    powers = np.exp(z)
    return powers / powers.sum(axis=-1, keepdims=True)


def together(how, first, second, weights=(1.0, 1.0), calibrations=PLAIN):
    return shares(combine(SINGLE, [first, second], how, weights=weights, calibrations=calibrations))


def test_the_mean_is_that_of_the_probabilities():
    assert together("mean", logits([0.8, 0.2]), logits([0.4, 0.6])) == pytest.approx(np.array([[0.6, 0.4]]), abs=1e-6)


def test_weights_count_only_where_they_are_asked_for():
    first, second = logits([0.8, 0.2]), logits([0.4, 0.6])
    assert together("weighted", first, second, (3, 1)) == pytest.approx(np.array([[0.7, 0.3]]), abs=1e-6)
    assert together("mean", first, second, (3, 1)) == pytest.approx(np.array([[0.6, 0.4]]), abs=1e-6)
    assert together("weighted", first, second, (0, 0)) == pytest.approx(np.array([[0.6, 0.4]]), abs=1e-6)


def test_the_surest_teacher_is_chosen_for_each_text():
    first, second = logits([0.9, 0.1], [0.5, 0.5]), logits([0.4, 0.6], [0.2, 0.8])
    expected = np.array([[0.9, 0.1], [0.2, 0.8]])
    assert together("confident", first, second) == pytest.approx(expected, abs=1e-6)


def test_an_overconfident_teacher_is_calibrated_first():
    loud, calm = logits([0.99, 0.01]), logits([0.3, 0.7])
    tamed = [Calibration(temperature=10.0), Calibration()]
    assert together("confident", loud, calm)[0].argmax() == 0
    assert together("confident", loud, calm, calibrations=tamed)[0].argmax() == 1


def test_labels_of_a_multi_label_task_are_averaged_one_by_one():
    odds = np.array([[0.0, 2.0]]), np.array([[2.0, 0.0]])
    result = combine(MULTI, odds, "mean", weights=(1, 1), calibrations=PLAIN)
    mean = (0.5 + 1 / (1 + np.exp(-2))) / 2
    assert 1 / (1 + np.exp(-result)) == pytest.approx(np.array([[mean, mean]]), abs=1e-6)


def test_values_are_averaged():
    parts = np.array([[1.0]]), np.array([[4.0]])
    assert combine(VALUE, parts, "weighted", weights=(1, 2), calibrations=PLAIN).tolist() == [[3.0]]
    assert combine(VALUE, parts, "mean", weights=(1, 2), calibrations=PLAIN).tolist() == [[2.5]]
    assert combine(VALUE, parts, "confident", weights=(1, 2), calibrations=PLAIN).tolist() == [[3.0]]
