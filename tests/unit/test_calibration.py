"""Temperature, thresholds and calibration errors against values by hand, brute force and known truth."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekd.analysis.calibration import expected_calibration_error, minimise
from edgekd.analysis.scores import choose, fit_calibration, probabilities, score
from edgekd.errors import InvalidArtifact
from edgekd.tasks import Calibration, Task, TaskKind

SINGLE = Task(TaskKind.SINGLE_LABEL, ("a", "b", "c"))
MULTI = Task(TaskKind.MULTI_LABEL, ("a", "b"))


def single_label(texts, *, factor, seed=0):
    """Targets drawn from the softmax of some logits, and those logits times a factor."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (texts, 3))
    noise = rng.gumbel(size=logits.shape)
    return (logits + noise).argmax(axis=1).tolist(), (logits * factor).astype(np.float32)


def multi_label(texts, *, factor, seed=0):
    rng = np.random.default_rng(seed)
    logits = rng.normal(-1, 2, (texts, 2))
    truth = rng.random(logits.shape) < 1 / (1 + np.exp(-logits))
    return [tuple(np.flatnonzero(row).tolist()) for row in truth], (logits * factor).astype(np.float32)


@pytest.mark.parametrize("factor", [0.25, 1.0, 3.0])
@pytest.mark.parametrize(("task", "make"), [(SINGLE, single_label), (MULTI, multi_label)])
def test_the_temperature_undoes_a_factor(task, make, factor):
    targets, logits = make(20_000, factor=factor)
    assert fit_calibration(task, targets, logits).temperature == pytest.approx(factor, rel=0.04)


def test_the_temperature_is_the_best_of_a_grid():
    targets, logits = single_label(300, factor=2.0, seed=1)
    fitted = fit_calibration(SINGLE, targets, logits)
    best = min(score(SINGLE, targets, logits, Calibration(t))["nll"] for t in np.geomspace(0.05, 20, 400))
    assert score(SINGLE, targets, logits, fitted)["nll"] == pytest.approx(best, abs=1e-4)


def test_calibration_lowers_the_errors_on_other_texts():
    fitted = fit_calibration(SINGLE, *single_label(2000, factor=3.0, seed=2))
    targets, logits = single_label(2000, factor=3.0, seed=3)
    before, after = (score(SINGLE, targets, logits, c) for c in (None, fitted))
    assert after["accuracy"] == before["accuracy"]
    for name in ("ece", "nll", "brier"):
        assert after[name] < before[name]
    assert after["ece"] < 0.04 < 0.08 < before["ece"]


def test_a_perfect_model_is_not_made_infinitely_sure():
    targets = [0, 1, 2] * 10
    fitted = fit_calibration(SINGLE, targets, 2.0 * np.eye(3)[targets])
    # One of 31 texts is taken as unknown: p / (1 - p) of the smoothed target, whose logarithm is 2 / T.
    wanted = 1 - 1 / 31 + 1 / 93
    assert 2 / fitted.temperature == pytest.approx(math.log(2 * wanted / (1 - wanted)), rel=1e-3)
    assert 0.97 < probabilities(SINGLE, 2.0 * np.eye(3), fitted).max() < 0.99


def test_outputs_that_say_nothing_are_kept_as_they_are():
    fitted = fit_calibration(SINGLE, [0, 1, 2], np.zeros((3, 3)))
    assert fitted == Calibration(temperature=1.0)
    assert fit_calibration(Task(TaskKind.REGRESSION, ("y",)), [1.0, 2.0], np.ones((2, 1))) == Calibration()


def test_a_model_that_is_always_wrong_gets_the_highest_temperature():
    assert fit_calibration(SINGLE, [1, 2, 0], 5.0 * np.eye(3)).temperature == pytest.approx(20.0)


def test_thresholds_raise_f1_on_other_texts():
    fitted = fit_calibration(MULTI, *multi_label(3000, factor=1.0))
    targets, logits = multi_label(3000, factor=1.0, seed=1)
    assert score(MULTI, targets, logits, fitted)["macro_f1"] > score(MULTI, targets, logits)["macro_f1"] + 0.01
    # Lipton et al. 2014 (arXiv 1402.1892): the best threshold of true probabilities is half the best F1.
    f1 = score(MULTI, targets, logits, fitted)["macro_f1"]
    assert fitted.thresholds == pytest.approx((f1 / 2, f1 / 2), abs=0.06)


@settings(max_examples=30)
@given(st.integers(0, 1000), st.integers(1, 12))
def test_any_small_validation_split_can_be_fitted_and_gives_the_same_again(seed, texts):
    targets, logits = multi_label(texts, factor=4.0, seed=seed)
    fitted = fit_calibration(MULTI, targets, logits)
    assert fitted == fit_calibration(MULTI, targets, logits)
    assert 0.05 <= fitted.temperature <= 20
    assert all(0 < threshold < 1 for threshold in fitted.thresholds)
    assert len(choose(MULTI, logits, fitted)) == texts


@pytest.mark.parametrize(("targets", "logits"), [([], np.zeros((0, 3))), ([0], np.zeros((2, 3)))])
def test_nothing_to_calibrate(targets, logits):
    with pytest.raises(ValueError, match="cannot be calibrated"):
        fit_calibration(SINGLE, targets, logits)


def test_a_model_that_diverged_cannot_be_calibrated():
    with pytest.raises(InvalidArtifact, match="not finite"):
        fit_calibration(SINGLE, [0], np.array([[np.nan, 0.0, 0.0]]))


def test_calibration_error_by_hand():
    # Two bins: (0, 0.5] holds 0.2 and 0.5, (0.5, 1] holds the others.
    confidence = np.array([0.2, 0.5, 0.6, 0.9, 0.9])
    right = np.array([False, True, True, True, False])
    expected = 2 / 5 * abs(1 / 2 - 0.35) + 3 / 5 * abs(2 / 3 - 0.8)
    assert expected_calibration_error(confidence, right, bins=2) == pytest.approx(expected)
    assert expected_calibration_error(np.array([0.0, 1.0]), np.array([False, True])) == 0.0


@given(st.floats(-3, 3))
def test_the_search_finds_a_minimum_inside_or_at_the_border(place):
    found = minimise(lambda x: (x - place) ** 2, -1.0, 2.0)
    assert found == pytest.approx(min(2.0, max(-1.0, place)), abs=1e-4)
