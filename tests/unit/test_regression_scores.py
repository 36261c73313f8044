"""Regression scores against values by hand and against numpy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekd.analysis.regression import mean_ranks, pearson, regression_scores, spearman

VALUES = st.lists(st.tuples(st.integers(-50, 50), st.integers(-50, 50)), min_size=2, max_size=20)


def rows(*lists):
    return [np.array(values, dtype=np.float64) for values in lists]


def test_by_hand():
    scores = regression_scores(*rows([1, 2, 3, 4], [1, 2, 3, 6]))
    assert scores["mae"] == pytest.approx(0.5)
    assert scores["rmse"] == pytest.approx(1.0)
    assert scores["r2"] == pytest.approx(1 - 4 / 5)
    # Centred: -1.5 -0.5 0.5 1.5 and -2 -1 0 3: 8 / sqrt(5 * 14).
    assert scores["pearson"] == pytest.approx(8 / np.sqrt(70))
    assert scores["spearman"] == pytest.approx(1.0)


def test_equal_values_share_the_mean_of_their_ranks():
    assert mean_ranks(np.array([3.0, 1.0, 3.0, 2.0, 3.0])).tolist() == [4.0, 1.0, 4.0, 2.0, 4.0]
    assert spearman(*rows([1, 2, 2, 3], [1, 2, 3, 4])) == pytest.approx(4.5 / np.sqrt(4.5 * 5))


@pytest.mark.parametrize("constant", [0.0, 0.1, -3.3, 1e300])
def test_what_is_constant_has_no_correlation(constant):
    varying = np.array([1.0, 2.0, 4.0])
    for pair in ((np.full(3, constant), varying), (varying, np.full(3, constant))):
        assert pearson(*pair) == 0.0
        assert spearman(*pair) == 0.0
    assert regression_scores(np.full(3, 0.1), varying)["r2"] == 0.0


def test_a_model_worse_than_the_mean_has_an_r2_below_0():
    assert regression_scores(*rows([1, 2, 3], [3, 2, 1]))["r2"] == pytest.approx(-3.0)


@given(VALUES)
def test_pearson_is_that_of_numpy(pairs):
    first, second = rows(*zip(*pairs, strict=True))
    if np.ptp(first) and np.ptp(second):
        assert pearson(first, second) == pytest.approx(np.corrcoef(first, second)[0, 1], abs=1e-12)
    assert -1 <= pearson(first, second) <= 1


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_pearson_needs_no_particular_unit(scale):
    first, second = rows([1, 2, 3, 5], [2, 1, 4, 4])
    assert pearson(first * scale, second) == pytest.approx(pearson(first, second))
