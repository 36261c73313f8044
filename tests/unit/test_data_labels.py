"""Label values to indexes."""

from __future__ import annotations

import pytest

from edgekd.data.labels import (
    label_indexes,
    label_names_of,
    order_labels,
    refuse_other_tasks,
    require_single_label,
)
from edgekd.data.table import Table, table_from_columns
from edgekd.errors import ConfigError, DataError
from edgekd.tasks import TaskKind


def names_of(values, **kwargs):
    return label_names_of(table_from_columns("t.csv", {"label": values}, unit="line", **kwargs), "label")


def indexes(names, labels, *, numbers=False):
    table = table_from_columns("t.csv", {"label": names}, positions=range(2, len(names) + 2), unit="line")
    places = range(len(names))
    return label_indexes(names, labels, places, table, "label", numbers_are_indexes=numbers)


def test_names_of_every_kind_of_value():
    values = [" spam ", 1, 2.0, True, None, "", "  ", float("nan")]
    assert names_of(values) == ["spam", "1", "2", "true", None, None, None, None]


def test_integers_that_the_source_names():
    table = Table("hub", ("label",), lambda _: [1, 0, -1], range(3), label_names={"label": ("neg", "pos")})
    assert label_names_of(table, "label") == ["pos", "neg", None]
    bad = Table("hub", ("label",), lambda _: [2], range(1, 2), label_names={"label": ("neg", "pos")})
    with pytest.raises(DataError, match=r"'hub', row 1, column 'label': label 2 has no name.*0 to 1"):
        label_names_of(bad, "label")


def test_order():
    assert order_labels(["b", "a", "b"]) == ["a", "b"]
    assert order_labels(["10", "9", "-1"]) == ["-1", "9", "10"]
    assert order_labels(["10", "9", "x"]) == ["10", "9", "x"]


def test_names_win_over_numbers():
    assert indexes(["2", "1"], ["1", "2"], numbers=True) == [1, 0]
    assert indexes(["1", "0", "pos"], ["neg", "pos"], numbers=True) == [1, 0, 1]


@pytest.mark.parametrize(
    ("name", "numbers", "message"),
    [
        ("postive", False, r"'t\.csv', line 3, column 'label': unknown label 'postive'\. Allowed: neg, positive\. "
                           r"Did you mean 'positive'\?"),
        ("2", True, r"unknown label '2'\. Allowed: neg, positive \(or their numbers, 0 to 1\)"),
        ("1", False, r"unknown label '1'"),
    ],
)  # fmt: skip
def test_unknown_label_names_the_row(name, numbers, message):
    with pytest.raises(DataError, match=message) as caught:
        indexes(["neg", name], ["neg", "positive"], numbers=numbers)
    assert "data.labels" in (caught.value.hint or "")


@pytest.mark.parametrize("kind", [TaskKind.MULTI_LABEL, TaskKind.REGRESSION])
def test_other_tasks_are_refused(kind):
    with pytest.raises(ConfigError, match=rf"'{kind.value}' is not supported yet.*Allowed: single-label"):
        require_single_label(kind)
    require_single_label(TaskKind.SINGLE_LABEL)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["a", "b", "a|b"], r"t\.csv', row 3, column 'label': 'a\|b': this looks like multi-label"),
        (["a", "b", "a, b"], "multi-label"),
        (["1", "0.5", "2"], r"row 2, column 'label'.*regression"),
    ],
)
def test_data_that_look_like_another_task(values, message):
    table = table_from_columns("t.csv", {"label": values})
    with pytest.raises(ConfigError, match=message):
        refuse_other_tasks(values, range(len(values)), table, "label")


@pytest.mark.parametrize("values", [["a", "b|c"], ["1.0", "2.0"], ["v0.5", "x"], ["rock, pop", "jazz"]])
def test_unusual_single_labels_are_accepted(values):
    refuse_other_tasks(values, range(2), table_from_columns("t", {"label": values}), "label")


@pytest.mark.parametrize(("value", "task"), [(["a", "b"], "multi-label"), (0.25, "regression")])
def test_values_of_another_task(value, task):
    with pytest.raises(ConfigError, match=task):
        names_of([value])


def test_joined_unknown_label_is_called_multi_label():
    with pytest.raises(ConfigError, match="multi-label"):
        indexes(["a", "a|b"], ["a", "b"])
