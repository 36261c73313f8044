"""Scores against values computed by hand."""

import pytest

from edgekd.analysis.scores import classification_scores


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
