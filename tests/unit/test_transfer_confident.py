"""Selecting texts by a model's confidence, and balancing their labels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekd.data.confident import select_confident

# Probabilities of the first label: 0.9, 0.6, 0.2, 0.5, 0.95.
LOGITS = np.log(np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.5, 0.5], [0.95, 0.05]]))


def test_nothing_asked_keeps_all():
    found = select_confident(LOGITS)
    assert found.rows.tolist() == [0, 1, 2, 3, 4]
    assert (found.unsure, found.surplus, found.kept) == (0, 0, (4, 1))
    assert found.report == []


def test_texts_below_the_confidence_are_left_out():
    found = select_confident(LOGITS, min_confidence=0.7)
    assert found.rows.tolist() == [0, 2, 4]
    assert (found.unsure, found.surplus, found.kept) == (2, 0, (2, 1))
    assert found.report == ["left out 2 texts that the model is not sure of"]


def test_confidence_itself_is_kept():
    assert select_confident(np.zeros((1, 2)), min_confidence=0.5).rows.tolist() == [0]
    barely = np.array([[0.0, math.log(3)]])  # 0.75
    assert len(select_confident(barely, min_confidence=0.7499999).rows) == 1
    assert len(select_confident(barely, min_confidence=0.7500001).rows) == 0


def test_balance_keeps_as_many_as_the_rarest_that_occurs():
    found = select_confident(np.array([[2, 0, 0]] * 5 + [[0, 2, 0]] * 2), class_balance=True)
    assert (found.unsure, found.surplus, found.kept) == (0, 3, (2, 2, 0))
    assert {5, 6} <= set(found.rows.tolist())
    assert found.report == ["left out 3 texts of more frequent labels; of each label are left: 2 / 2 / 0"]


def test_draw_depends_on_the_seed_only():
    logits = np.array([[1, 0]] * 50 + [[0, 1]] * 5)
    rows = [select_confident(logits, class_balance=True, seed=seed).rows.tolist() for seed in (0, 0, 1)]
    assert rows[0] == rows[1] != rows[2]


def test_large_logits_do_not_overflow():
    logits = np.array([[3e4, -3e4], [3e4, 3e4]], dtype=np.float32)
    assert select_confident(logits, min_confidence=0.99).rows.tolist() == [0]


def test_nothing_is_sure():
    found = select_confident(np.zeros((3, 2)), min_confidence=0.9, class_balance=True)
    assert (len(found.rows), found.unsure, found.surplus, found.kept) == (0, 3, 0, (0, 0))
    assert select_confident(np.zeros((0, 2)), class_balance=True).rows.tolist() == []


@pytest.mark.parametrize("shape", [(4,), (4, 1), (2, 2, 2)])
def test_logits_of_another_task_are_refused(shape):
    with pytest.raises(ValueError, match="two labels or more"):
        select_confident(np.zeros(shape))


@given(st.lists(st.tuples(*[st.floats(-5, 5)] * 3), min_size=1, max_size=30), st.floats(0, 0.99), st.booleans())
def test_counts_add_up_and_rows_are_sorted(logits, confidence, balance):
    found = select_confident(np.array(logits), min_confidence=confidence, class_balance=balance)
    assert len(found.rows) + found.unsure + found.surplus == len(logits)
    assert sum(found.kept) == len(found.rows)
    assert np.all(np.diff(found.rows) > 0)
    if balance:
        assert len({count for count in found.kept if count}) <= 1
