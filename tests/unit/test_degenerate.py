"""Models that only look alive: NaN, constants, answers that are never given any more."""

import numpy as np
import pytest

from edgekd.analysis.degenerate import find_degenerate
from edgekd.errors import InvalidArtifact
from edgekd.tasks import Calibration, Task, TaskKind

SINGLE = Task(TaskKind.SINGLE_LABEL, ("a", "b", "c"))
MULTI = Task(TaskKind.MULTI_LABEL, ("x", "y"))
VALUE = Task(TaskKind.REGRESSION, ("value",))


def one_hot_logits(classes, outputs=3):
    return np.eye(outputs)[classes] * 4.0


def test_a_model_that_answers_like_the_one_before_is_fine():
    classes = [0, 1, 2, 1, 0, 2] * 4
    logits = one_hot_logits(classes)
    noise = np.random.default_rng(0).normal(0, 0.1, logits.shape)
    assert find_degenerate(SINGLE, classes, logits + noise, logits) == []


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_outputs_that_are_not_finite_are_counted(bad):
    logits = one_hot_logits([0, 1, 2, 0])
    broken = logits.copy()
    broken[1:3, 0] = bad
    assert find_degenerate(SINGLE, [0, 1, 2, 0], broken, logits) == ["outputs are not finite numbers for 2 of 4 texts"]


def test_a_constant_is_found_unless_the_reference_is_one_too():
    classes = [0] * 6
    logits = one_hot_logits(classes) + np.arange(6)[:, None]
    constant = np.tile([4.0, 0.0, 0.0], (6, 1))
    assert find_degenerate(SINGLE, classes, constant, logits) == ["the output is the same for all 6 texts"]
    assert find_degenerate(SINGLE, classes, constant, constant + 1) == []
    assert find_degenerate(SINGLE, [0], constant[:1], logits[:1]) == []


@pytest.mark.parametrize(
    ("count", "texts", "found"),
    [(5, 1000, True), (4, 1000, False), (2, 200, True), (2, 201, False), (1, 10, False)],
)
def test_a_class_must_have_been_predicted_often_enough_to_be_missed(count, texts, found):
    before = [2] * count + [0, 1] * ((texts - count) // 2) + [0] * ((texts - count) % 2)
    after = [0] * count + before[count:]
    sentences = find_degenerate(SINGLE, before, one_hot_logits(after), one_hot_logits(before))
    expected = (
        f"the class 'c' is never predicted any more (before: for {count} of {texts} texts; it is true for {count})"
    )
    assert sentences == ([expected] if found else [])


def test_a_class_that_is_still_predicted_once_is_not_missed():
    before = [2] * 50 + [0] * 50
    after = [2] + [0] * 99
    assert find_degenerate(SINGLE, before, one_hot_logits(after), one_hot_logits(before)) == []


def test_a_label_that_is_never_positive_any_more_is_found_at_the_threshold_of_the_model():
    before = np.array([[2.0, -1.0]] * 10 + [[-2.0, 0.5]] * 10)
    after = np.array([[-1.0, -1.0]] * 10 + [[-2.0, 0.5]] * 10)
    targets = [(0,)] * 9 + [()] + [(1,)] * 10
    assert find_degenerate(MULTI, targets, after, before) == [
        "the label 'x' is never predicted any more (before: for 10 of 20 texts; it is true for 9)"
    ]
    lower = Calibration(thresholds=(0.2, 0.5))  # sigmoid(-1) is 0.27
    assert find_degenerate(MULTI, targets, after, before, calibration=lower) == []


@pytest.mark.parametrize(("scale", "found"), [(0.11, False), (0.09, True)])
def test_a_regression_that_hardly_varies_is_found(scale, found):
    reference = np.linspace(-1, 1, 21)[:, None]
    sentences = find_degenerate(VALUE, reference[:, 0].tolist(), reference * scale + 3, reference)
    text = "the values vary by 0.81 % of the variance before (at least 1 % is expected)"
    assert sentences == ([text] if found else [])


def test_what_cannot_be_compared_is_refused():
    logits = one_hot_logits([0, 1])
    with pytest.raises(ValueError, match="differ"):
        find_degenerate(SINGLE, [0], logits, logits)
    with pytest.raises(ValueError, match="differ"):
        find_degenerate(SINGLE, [0, 1], logits[:1], logits)
    with pytest.raises(InvalidArtifact):
        find_degenerate(SINGLE, [0, 1], logits, logits * np.nan)
