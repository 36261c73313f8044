"""Regression cells: numbers, and what is refused."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekd.data.columns import label_column
from edgekd.data.table import table_from_columns
from edgekd.data.targets import TASK_READERS
from edgekd.errors import ConfigError, DataError
from edgekd.tasks import TaskKind
from tests.unit.test_data_labels import rows_of

READER = TASK_READERS[TaskKind.REGRESSION]


def read(cells, configured=None, **kwargs):
    rows = rows_of(cells, **kwargs)
    parsed = READER.parse(rows)
    labels = READER.labels(rows, parsed, configured)
    return labels, READER.targets(rows, parsed, labels, numbers_are_indexes=configured is not None)


def test_numbers_however_they_are_written():
    labels, targets = read([1, -2.5, " 3 ", "1e-3", "0", Decimal("0.25")])
    assert (labels, targets) == (["label"], [1.0, -2.5, 3.0, 0.001, 0.0, 0.25])
    assert all(type(target) is float for target in targets)


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1))
def test_every_number_is_kept_exactly(values):
    assert read(values)[1] == values
    assert read([repr(value) for value in values])[1] == values


def test_name_is_that_of_the_column_or_the_source_or_the_configuration():
    assert read([1])[0] == ["label"]
    assert read([1], names=("rating",))[0] == ["rating"]
    assert read([1], ["stars"])[0] == ["stars"]


@pytest.mark.parametrize("cell", ["good", "1,5", "1_000", True, b"1", {"a": 1}.keys()])
def test_what_is_no_number_names_the_row(cell):
    with pytest.raises(DataError, match=r"'t\.csv', line 3, column 'label': expected a number") as caught:
        read([1, cell])
    assert "data.task: single-label" in (caught.value.hint or "")


@pytest.mark.parametrize("cell", [float("nan"), float("inf"), "-inf", "nan", 1e39, 10**400])
def test_what_is_not_finite_names_the_row(cell):
    with pytest.raises(DataError, match=r"line 3, column 'label': '.*' is no finite number"):
        read([1, cell])


@pytest.mark.parametrize("cell", [None, "", "  "])
def test_missing_number_names_the_row(cell):
    with pytest.raises(DataError, match="line 3, column 'label': the label is missing"):
        read([1, cell])


def test_data_that_look_like_another_task_say_which_to_set():
    with pytest.raises(ConfigError, match=r"line 2.*looks like multi-label data") as caught:
        read([[1, 2]])
    assert "--task multi-label" in (caught.value.hint or "")
    with pytest.raises(ConfigError, match="looks like single-label data") as caught:
        read([1, 0], names=("no", "yes"))
    assert "--task single-label" in (caught.value.hint or "")


def test_one_value_cannot_be_learned():
    with pytest.raises(DataError, match=r"'here' all have the same 'rating': 0\.5"):
        READER.check_training([0.5, 0.5], ["rating"], "here")


def test_a_table_with_classes_and_ratings_serves_both_tasks():
    table = table_from_columns("t.csv", {"text": ["a"], "label": ["b"], "Rating": [1]})
    assert label_column(table, None, TaskKind.REGRESSION, text="text") == "Rating"
    assert label_column(table, None, TaskKind.SINGLE_LABEL, text="text") == "label"
