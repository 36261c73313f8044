"""Multi-label counts, average precision and thresholds, against values by hand and brute force."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekd.analysis.multilabel import LabelCounts, average_precision, indicator, mean_average_precision
from edgekd.analysis.thresholds import best_thresholds, common_threshold

# Few different values, so that ties are frequent.
COLUMN = st.lists(st.tuples(st.booleans(), st.sampled_from([0.1, 0.2, 0.4, 0.4001, 0.8, 1.0])), min_size=1, max_size=12)


def matrices(*columns):
    """Columns of (has the label, probability) pairs as two matrices."""
    wanted = np.array([[has for has, _ in column] for column in columns]).T
    return wanted, np.array([[chance for _, chance in column] for column in columns]).T


def f1(wanted, chosen):
    either = wanted.sum() + chosen.sum()
    return 2 * (wanted & chosen).sum() / either if either else 0.0


def test_an_indicator_has_a_row_for_each_text():
    assert indicator([(0, 2), (), [1]], 3).tolist() == [[True, False, True], [False] * 3, [False, True, False]]
    assert indicator([], 3).shape == (0, 3)


@pytest.mark.parametrize("index", [3, -1])
def test_an_index_that_is_no_label_is_refused(index):
    with pytest.raises(ValueError, match="outside 0 to 2"):
        indicator([(0,), (index,)], 3)


def test_counts_by_hand():
    truth, chosen = indicator([(0, 1), (0,), ()], 3), indicator([(0,), (1,), (0,)], 3)
    counts = LabelCounts.of(truth, chosen)
    assert (counts.hits.tolist(), counts.predicted.tolist(), counts.support.tolist()) == (
        [1, 0, 0],
        [2, 1, 0],
        [2, 1, 0],
    )
    assert counts.precision.tolist() == [0.5, 0.0, 0.0]
    assert counts.f1.tolist() == [0.5, 0.0, 0.0]
    assert counts.summed().f1.tolist() == [pytest.approx(2 / 6)]


def test_average_precision_by_hand():
    truth = np.array([[1, 0], [0, 0], [1, 0], [0, 0]], dtype=bool)
    scores = np.array([[0.9, 0.9], [0.8, 0.1], [0.7, 0.1], [0.1, 0.1]])
    found = average_precision(truth, scores)
    assert found[0] == pytest.approx((1 + 2 / 3) / 2)
    assert np.isnan(found[1])
    assert mean_average_precision(found) == pytest.approx(5 / 6)
    assert mean_average_precision(np.array([np.nan])) == 0.0


def test_equal_scores_are_cut_together():
    truth = np.array([[1], [0], [0], [1]], dtype=bool)
    assert average_precision(truth, np.full((4, 1), 0.3)) == pytest.approx([0.5])


@given(COLUMN)
def test_average_precision_is_the_sum_over_cuts(column):
    wanted, chances = matrices(column)
    expected, recall = 0.0, 0.0
    for cut in sorted(set(chances[:, 0]), reverse=True):
        chosen = chances[:, 0] >= cut
        now = (wanted[:, 0] & chosen).sum() / max(1, wanted.sum())
        expected += (now - recall) * (wanted[:, 0] & chosen).sum() / chosen.sum()
        recall = now
    found = average_precision(wanted, chances)[0]
    assert found == pytest.approx(expected) if wanted.any() else np.isnan(found)


@given(COLUMN)
def test_an_own_threshold_has_the_highest_f1_of_all_cuts(column):
    wanted, chances = matrices(column)
    [threshold] = best_thresholds(wanted, chances, shrinkage=0)
    best = max(f1(wanted, chances >= cut) for cut in chances[:, 0])
    assert f1(wanted, chances >= threshold) == pytest.approx(best)


@settings(max_examples=40)
@given(
    st.integers(1, 8).flatmap(lambda n: st.tuples(*[st.lists(COLUMN.map(lambda c: c[0]), min_size=n, max_size=n)] * 3))
)
def test_the_common_threshold_has_the_highest_macro_f1_of_all_cuts(columns):
    wanted, chances = matrices(*columns)
    threshold = common_threshold(wanted, chances)
    best = max(LabelCounts.of(wanted, chances >= cut).f1.mean() for cut in chances.ravel())
    assert LabelCounts.of(wanted, chances >= threshold).f1.mean() == pytest.approx(best)


def test_a_threshold_lies_halfway_between_two_texts():
    wanted = np.array([[1], [1], [0], [0]], dtype=bool)
    chances = np.array([[0.9], [0.6], [0.2], [0.1]])
    assert best_thresholds(wanted, chances, shrinkage=0) == pytest.approx([0.4])
    # Every text has the label: all are chosen.
    assert best_thresholds(np.ones((2, 1), dtype=bool), np.array([[0.9], [0.4]]), shrinkage=0) == pytest.approx([0.2])


@pytest.mark.parametrize("lower", [0.3, np.nextafter(0.3, 1)])
def test_of_neighbouring_floats_only_the_upper_is_chosen(lower):
    """Their mean is rounded to one of the two, up or down."""
    wanted, chances = np.array([[1], [0]], dtype=bool), np.array([[np.nextafter(lower, 1)], [lower]])
    assert (chances >= best_thresholds(wanted, chances, shrinkage=0)).tolist() == [[True], [False]]


def test_a_rare_label_is_drawn_to_the_common_threshold():
    wanted = np.array([[1, 0], [1, 0], [0, 0], [0, 0]], dtype=bool)
    chances = np.array([[0.9, 0.3], [0.6, 0.3], [0.2, 0.3], [0.1, 0.3]])
    common = common_threshold(wanted, chances)
    assert common == pytest.approx(0.45)
    own, never = best_thresholds(wanted, chances, shrinkage=2.0)
    # w = 2 / (2 + 2): the mean of the logits of 0.4 and 0.45.
    odds = np.sqrt(0.4 / 0.6 * 0.45 / 0.55)
    assert own == pytest.approx(odds / (1 + odds))
    assert never == pytest.approx(common)  # no text has it


def test_thresholds_are_finite_for_a_saturated_model():
    wanted, chances = np.array([[1], [0]], dtype=bool), np.array([[1.0], [0.0]])
    [threshold] = best_thresholds(wanted, chances)
    assert 0.0 < threshold < 1.0
