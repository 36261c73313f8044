"""Scores, choices and fidelity of every task against values computed by hand."""

import json
import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekd.analysis.scores import choose, classification_scores, fidelity, probabilities, score, selection_score
from edgekd.errors import InvalidArtifact
from edgekd.tasks import Calibration, Task, TaskKind

SINGLE = Task(TaskKind.SINGLE_LABEL, ("a", "b", "c"))
MULTI = Task(TaskKind.MULTI_LABEL, ("a", "b", "c"))
VALUE = Task(TaskKind.REGRESSION, ("rating",))


def logit(chances):
    chances = np.asarray(chances, dtype=np.float64)
    return np.log(chances / (1 - chances))


def test_by_hand():
    scores = classification_scores([0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 2, 2], ["a", "b", "c"])
    assert (scores["count"], scores["correct"]) == (6, 4)
    assert scores["accuracy"] == pytest.approx(4 / 6)
    assert scores["confusion"] == [[2, 1, 0], [0, 1, 1], [0, 0, 1]]
    assert scores["macro_precision"] == pytest.approx((1 + 1 / 2 + 1 / 2) / 3)
    assert scores["macro_recall"] == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)
    assert scores["macro_f1"] == pytest.approx((0.8 + 0.5 + 2 / 3) / 3)
    assert scores["classes"][1] == {"label": "b", "precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 2}


@pytest.mark.parametrize(("targets", "predictions"), [([], []), ([0], [0, 1])])
def test_nothing_to_score(targets, predictions):
    with pytest.raises(ValueError, match="cannot be scored"):
        classification_scores(targets, predictions, ["a", "b"])


def test_single_label_by_hand():
    logits = np.log([[0.7, 0.2, 0.1], [0.3, 0.6, 0.1], [0.5, 0.25, 0.25]])
    scores = score(SINGLE, [0, 1, 2], logits)
    assert scores["accuracy"] == scores["micro_f1"] == pytest.approx(2 / 3)
    assert scores["confusion"] == [[1, 0, 0], [0, 1, 0], [1, 0, 0]]
    assert scores["nll"] == pytest.approx(-(math.log(0.7) + math.log(0.6) + math.log(0.25)) / 3)
    squared = (0.09 + 0.04 + 0.01) + (0.09 + 0.16 + 0.01) + (0.25 + 0.0625 + 0.5625)
    assert scores["brier"] == pytest.approx(squared / 3)
    # Each text has a bin of its own: |1 - 0.7|, |1 - 0.6|, |0 - 0.5|.
    assert scores["ece"] == pytest.approx((0.3 + 0.4 + 0.5) / 3)


def test_the_temperature_changes_probabilities_but_no_label():
    logits = np.log([[0.7, 0.2, 0.1], [0.3, 0.6, 0.1]])
    cold = Calibration(temperature=0.5)
    assert probabilities(SINGLE, logits, cold)[0] == pytest.approx(np.array([0.49, 0.04, 0.01]) / 0.54)
    plain, calibrated = (score(SINGLE, [0, 0], logits, c) for c in (None, cold))
    assert plain["accuracy"] == calibrated["accuracy"]
    assert calibrated["nll"] == pytest.approx(-(math.log(0.49 / 0.54) + math.log(0.09 / 0.46)) / 2)


def test_multi_label_by_hand():
    logits = logit([[0.9, 0.6, 0.1], [0.8, 0.3, 0.1], [0.2, 0.7, 0.1]])
    targets = [(0, 1), (0,), ()]
    scores = score(MULTI, targets, logits)
    assert choose(MULTI, logits) == [(0, 1), (0,), (1,)]
    assert scores["count"] == 3
    # a: 2 hits of 2 and 2; b: 1 hit, 2 chosen, 1 true; c: nothing at all, which counts as 0.
    assert scores["macro_f1"] == pytest.approx((1 + 2 / 3 + 0) / 3)
    assert scores["macro_precision"] == pytest.approx((1 + 0.5 + 0) / 3)
    assert scores["macro_recall"] == pytest.approx(2 / 3)
    assert (scores["micro_precision"], scores["micro_recall"]) == (pytest.approx(3 / 4), pytest.approx(1.0))
    assert scores["micro_f1"] == pytest.approx(6 / 7)
    assert scores["subset_accuracy"] == pytest.approx(2 / 3)
    assert scores["map"] == pytest.approx((1 + 1 / 2) / 2)
    assert scores["classes"][1] == {
        "label": "b", "precision": 0.5, "recall": 1.0, "f1": pytest.approx(2 / 3), "support": 1, "threshold": 0.5,
        "average_precision": 0.5,
    }  # fmt: skip
    assert scores["classes"][2]["average_precision"] is None
    wrong = [0.1, 0.4, 0.1, 0.2, 0.3, 0.1, 0.2, 0.7, 0.1]
    assert scores["nll"] == pytest.approx(-np.log(1 - np.array(wrong)).mean())
    assert scores["brier"] == pytest.approx(np.square(wrong).mean())
    # Bins of 1/15; only the three 0.1 share one.
    assert scores["ece"] == pytest.approx(sum(wrong) / 9)


def test_thresholds_decide_from_their_value_on():
    logits = logit([[0.5, 0.3, 0.9]])
    assert choose(MULTI, logits) == [(0, 2)]
    assert choose(MULTI, logits, Calibration(thresholds=(0.6, 0.2, 0.95))) == [(1,)]
    assert choose(MULTI, np.zeros((2, 3)), Calibration(thresholds=(0.5, 0.51, 0.5))) == [(0, 2), (0, 2)]
    assert choose(MULTI, np.zeros((0, 3))) == []
    with pytest.raises(ValueError, match="2 thresholds for 3 labels"):
        choose(MULTI, logits, Calibration(thresholds=(0.5, 0.5)))


@given(st.lists(st.sets(st.integers(0, 2)), min_size=1, max_size=8))
def test_a_sure_and_right_model_chooses_the_targets(chosen):
    targets = [tuple(sorted(labels)) for labels in chosen]
    logits = np.full((len(targets), 3), -800.0)
    for row, labels in zip(logits, targets, strict=True):
        row[list(labels)] = 800.0
    assert choose(MULTI, logits) == targets
    scores = score(MULTI, targets, logits)
    assert scores["subset_accuracy"] == 1.0
    assert (scores["nll"], scores["brier"], scores["ece"]) == (0.0, 0.0, 0.0)
    occurring = len({label for labels in targets for label in labels})
    assert scores["macro_f1"] == pytest.approx(occurring / 3)
    assert scores["map"] == float(occurring > 0)


def test_regression_by_hand():
    logits = np.array([[1.0], [2.0], [3.0], [6.0]], dtype=np.float32)
    scores = score(VALUE, [1.0, 2.0, 3.0, 4.0], logits)
    assert scores == {
        "count": 4, "mae": 0.5, "rmse": 1.0, "pearson": pytest.approx(8 / math.sqrt(70)), "spearman": 1.0,
        "r2": pytest.approx(0.2),
    }  # fmt: skip
    assert choose(VALUE, logits) == [1.0, 2.0, 3.0, 6.0]
    assert probabilities(VALUE, logits, Calibration(temperature=2.0)).tolist() == logits.tolist()


@pytest.mark.parametrize(
    ("task", "targets", "outputs"), [(SINGLE, [0, 2], 3), (MULTI, [(), (0, 1)], 3), (VALUE, [0.5, 1.5], 1)]
)
def test_scores_are_plain_json_and_hold_the_main_metric(task, targets, outputs):
    scores = score(task, targets, np.ones((2, outputs), dtype=np.float32))
    assert json.loads(json.dumps(scores, allow_nan=False)) == scores
    assert 0.0 <= scores[task.main_metric] <= 1.0


@pytest.mark.parametrize("task", [SINGLE, MULTI, VALUE])
def test_logits_of_another_shape_are_refused(task):
    for shape in ((2, 5), (2,)):
        with pytest.raises(ValueError, match="logits have shape"):
            score(task, [0, 1], np.zeros(shape))
    for shape in ((0, task.num_outputs), (3, task.num_outputs)):
        for function in (score, selection_score):
            with pytest.raises(ValueError, match="cannot be scored"):
                function(task, [0, 1][: shape[0]], np.zeros(shape))


def test_a_model_that_diverged_is_told_and_never_chosen():
    logits = np.array([[1.0, np.nan, 0.0], [0.0, 1.0, 2.0], [np.inf, 0.0, 0.0]])
    with pytest.raises(InvalidArtifact, match="2 of 3 texts") as found:
        score(SINGLE, [0, 1, 2], logits)
    assert "learning_rate" in found.value.hint
    assert selection_score(SINGLE, [0, 1, 2], logits) == -1.0


def test_selection_needs_no_thresholds():
    assert selection_score(SINGLE, [0, 1, 1, 2], np.eye(3)[[0, 1, 2, 2]]) == 0.75
    low = logit([[0.03, 0.01, 0.01], [0.01, 0.02, 0.01]])
    assert selection_score(MULTI, [(0,), (1,)], low) == 1.0
    assert selection_score(VALUE, [1.0, 2.0, 3.0], np.array([[5.0], [7.0], [9.0]])) == pytest.approx(1.0)
    assert selection_score(VALUE, [1.0, 2.0, 3.0], np.full((3, 1), 0.1)) == -1.0


def test_fidelity_of_labels_by_hand():
    teacher, student = np.log([[0.5, 0.25, 0.25], [0.2, 0.6, 0.2]]), np.log([[0.25, 0.5, 0.25], [0.2, 0.6, 0.2]])
    found = fidelity(SINGLE, student, teacher)
    assert found == {"agreement": 0.5, "kl": pytest.approx(0.25 * math.log(2) / 2)}
    assert fidelity(SINGLE, student / 2, student, None, Calibration(2.0))["kl"] == pytest.approx(0.0, abs=1e-12)


def test_fidelity_of_several_labels_by_hand():
    teacher, student = logit([[0.8, 0.2, 0.5], [0.5, 0.5, 0.5]]), logit([[0.2, 0.2, 0.5], [0.5, 0.5, 0.5]])
    found = fidelity(MULTI, student, teacher)
    kl = 0.8 * math.log(4) + 0.2 * math.log(1 / 4)
    assert found == {"agreement": pytest.approx(5 / 6), "subset_agreement": 0.5, "kl": pytest.approx(kl / 2)}
    strict = fidelity(MULTI, student, teacher, Calibration(thresholds=(0.1, 0.6, 0.6)))
    # The student now chooses only the first label, of both texts; the teacher chooses (0, 2) and all three.
    assert strict["agreement"] == pytest.approx(3 / 6)


def test_fidelity_of_values_by_hand():
    found = fidelity(VALUE, np.array([[1.0], [2.0], [6.0]]), np.array([[2.0], [4.0], [12.0]]))
    assert found == {"pearson": pytest.approx(1.0), "mae": pytest.approx(3.0)}


def test_fidelity_needs_the_same_texts():
    with pytest.raises(ValueError, match="cannot be compared"):
        fidelity(SINGLE, np.zeros((2, 3)), np.zeros((1, 3)))


def test_five_thousand_texts_with_28_labels_take_less_than_50_ms():
    rng = np.random.default_rng(0)
    task = Task(TaskKind.MULTI_LABEL, tuple(f"label {i}" for i in range(28)))
    truth = rng.random((5427, 28)) < 0.04
    logits = (rng.normal(-3, 1, truth.shape) + 2 * truth).astype(np.float32)
    targets = [tuple(np.flatnonzero(row).tolist()) for row in truth]
    seconds = []
    for _ in range(5):
        start = time.process_time()
        score(task, targets, logits)
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.05
