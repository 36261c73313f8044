"""Multi-label cells: lists, joined names, and which separator joins them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekd.data.multi_label import SEPARATORS, find_separator
from edgekd.data.targets import TASK_READERS
from edgekd.errors import ConfigError, DataError
from edgekd.tasks import TaskKind
from tests.unit.test_data_labels import rows_of

READER = TASK_READERS[TaskKind.MULTI_LABEL]


def read(cells, configured=None, **kwargs):
    rows = rows_of(cells, **kwargs)
    parsed = READER.parse(rows)
    labels = READER.labels(rows, parsed, configured)
    return labels, READER.targets(rows, parsed, labels, numbers_are_indexes=configured is not None)


def targets_of(cells, labels, *, numbers=False):
    rows = rows_of(cells)
    return READER.targets(rows, READER.parse(rows), labels, numbers_are_indexes=numbers)


@pytest.mark.parametrize(
    "cells",
    [
        [["b", "a"], ["c"], [], ["a", "a"]],
        [("b", "a"), ("c",), (), ("a",)],
        ["b|a", "c", "", " a | a |"],
        ["b; a", "c", "", "a"],
        ["b,a", "c", "", "a"],
        ["['b', 'a']", '["c"]', "[]", "['a']"],
        [["b", "a"], "c", "", "a"],
    ],
)
def test_every_way_to_write_labels(cells):
    assert read(cells) == (["a", "b", "c"], [(0, 1), (2,), (), (0,)])


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["a", "b"], None),
        (["food, drink", "travel", "food, drink"], None),  # always stands together: one name
        (["food, drink", "food"], ","),
        (["a,b", "c,b"], ","),
        (["a;b", "b"], ";"),
        (["a;b", "c"], None),
        (["a,b|c", "c"], "|"),
        (["a|b"], "|"),
        (["rock, pop;jazz", "jazz"], ";"),
    ],
)
def test_which_separator_counts(cells, expected):
    assert find_separator(cells) == expected


def test_names_with_commas_stay_whole_beside_a_stronger_separator():
    assert read(["food, drink|travel", "travel", ""]) == (["food, drink", "travel"], [(0, 1), (1,), ()])


def test_known_names_are_found_with_any_separator():
    labels = ["food, drink", "travel"]
    assert targets_of(["food, drink", "travel;food, drink", "travel|food, drink", ""], labels) == [
        (0,),
        (0, 1),
        (0, 1),
        (),
    ]


def test_a_whole_cell_that_is_a_name_wins_over_its_parts():
    assert targets_of(["a,b", "b,a", "a|a,b"], ["a", "a,b", "b"]) == [(1,), (0, 2), (0, 1)]


def test_targets_follow_the_configured_order_and_numbers():
    assert read(["a|b", "2", "0|1"], ["c", "b", "a"]) == (["c", "b", "a"], [(1, 2), (2,), (0, 1)])


def test_integers_of_a_list_are_named_by_the_source():
    assert read([[2, 0], [], [1]], names=("z", "y", "x")) == (["z", "y", "x"], [(0, 2), (), (1,)])
    assert read([[10, 9], [], [2]]) == (["2", "9", "10"], [(1, 2), (), (0,)])


def test_unknown_label_names_the_row():
    with pytest.raises(DataError, match=r"'t\.csv', line 3, column 'label': unknown label 'c'\. Allowed: a, b"):
        targets_of(["a|b", "a|c"], ["a", "b"])
    with pytest.raises(DataError, match=r"line 2.*unknown label 'c'"):
        targets_of([["a", "c"]], ["a", "b"])


def test_absent_cell_is_an_error_and_an_empty_one_is_not():
    with pytest.raises(DataError, match=r"line 3, column 'label': the label is missing") as caught:
        read([["a", "b"], None])
    assert "[]" in (caught.value.hint or "")
    with pytest.raises(DataError, match=r"line 2.*a label in the list is missing"):
        read([["a", None]])


@pytest.mark.parametrize(
    ("cells", "task"),
    [
        (["a", "b", "a"], "single-label"),
        ([1, 2, 1], "single-label"),
        (["0.5", "1"], "regression"),
        ([0.5], "regression"),
    ],
)
def test_data_that_look_like_another_task_say_which_to_set(cells, task):
    with pytest.raises(ConfigError, match=f"this looks like {task} data, but the task is multi-label") as caught:
        read(cells)
    assert f"--task {task}" in (caught.value.hint or "")


def test_one_label_each_is_accepted_in_lists_or_with_configured_names():
    assert read([["a"], ["b"]]) == (["a", "b"], [(0,), (1,)])
    assert read(["a", "b"], ["a", "b"]) == (["a", "b"], [(0,), (1,)])


@pytest.mark.parametrize("cells", [["", ""], [[], []]])
def test_no_label_at_all(cells):
    with pytest.raises(DataError, match=r"No text of 't\.csv' has a label in column 'label'"):
        read(cells)


def test_equal_targets_cannot_be_learned():
    with pytest.raises(DataError, match=r"'here' all have the same labels: a, b"):
        READER.check_training([(0, 1), (0, 1)], ["a", "b"], "here")


names = st.lists(st.text("abcXYZ- ", min_size=1).map(str.strip).filter(bool), min_size=2, max_size=6, unique=True)


@given(st.data(), names, st.sampled_from(SEPARATORS))
def test_joining_known_names_and_reading_them_gives_them_back(data, labels, mark):
    chosen = data.draw(st.lists(st.sets(st.sampled_from(labels)).map(sorted), min_size=1, max_size=8))
    expected = [tuple(sorted(labels.index(name) for name in row)) for row in chosen]
    assert targets_of([mark.join(row) for row in chosen], labels) == expected
    assert targets_of(chosen, labels) == expected
