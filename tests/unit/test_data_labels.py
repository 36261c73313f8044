"""Label cells to indexes: names shared by all tasks, and the single-label task."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekd.data.labels import label_name, order_labels
from edgekd.data.rows import Rows
from edgekd.data.table import Table, table_from_columns
from edgekd.data.targets import TASK_READERS, check_label_names, has_labels
from edgekd.errors import ConfigError, DataError, EdgekdError
from edgekd.tasks import TaskKind

SINGLE = TASK_READERS[TaskKind.SINGLE_LABEL]


def rows_of(cells, *, source="t.csv", names=None) -> Rows:
    """Return rows whose first label stands in line 2, as below a header."""
    table = table_from_columns(source, {"label": cells}, positions=range(2, len(cells) + 2), unit="line")
    if names is not None:
        table = Table(source, ("label",), lambda _: cells, table.positions, "line", label_names={"label": names})
    return Rows(table, "label", [f"text {i}" for i in range(len(cells))], cells, list(range(len(cells))), [])


def labels_of(cells, configured=None, **kwargs):
    rows = rows_of(cells, **kwargs)
    return SINGLE.labels(rows, SINGLE.parse(rows), configured)


def targets_of(cells, labels, *, numbers=False):
    rows = rows_of(cells)
    return SINGLE.targets(rows, SINGLE.parse(rows), labels, numbers_are_indexes=numbers)


def test_names_of_every_kind_of_value():
    values = [" spam ", 1, 2.0, True, None, "", "  ", float("nan")]
    assert SINGLE.parse(rows_of(values)) == ["spam", "1", "2", "true", None, None, None, None]


def test_integers_that_the_source_names():
    assert SINGLE.parse(rows_of([1, 0, -1], names=("neg", "pos"))) == ["pos", "neg", None]
    with pytest.raises(DataError, match=r"'hub', line 2, column 'label': label 2 has no name.*0 to 1"):
        SINGLE.parse(rows_of([2], source="hub", names=("neg", "pos")))


def test_something_that_is_no_name():
    with pytest.raises(DataError, match="here: expected a label name or number, found bytes"):
        label_name(b"a", None, "here")


def test_order():
    assert order_labels(["b", "a", "b"]) == ["a", "b"]
    assert order_labels(["10", "9", "-1"]) == ["-1", "9", "10"]
    assert order_labels(["10", "9", "x"]) == ["10", "9", "x"]


def test_labels_are_configured_or_named_by_the_source_or_sorted():
    assert labels_of(["b", "a"]) == ["a", "b"]
    assert labels_of(["b", "a"], ["b", "a", "c"]) == ["b", "a", "c"]
    assert labels_of([1, 0], names=("pos", "neg")) == ["pos", "neg"]


def test_names_win_over_numbers():
    assert targets_of(["2", "1"], ["1", "2"], numbers=True) == [1, 0]
    assert targets_of(["1", "0", "pos"], ["neg", "pos"], numbers=True) == [1, 0, 1]


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
        targets_of(["neg", name], ["neg", "positive"], numbers=numbers)
    assert "data.labels" in (caught.value.hint or "")


def test_missing_label_names_the_row():
    with pytest.raises(DataError, match=r"line 3, column 'label': the label is missing"):
        labels_of(["a", None])


@pytest.mark.parametrize(
    ("cells", "message", "task"),
    [
        (["a", "b", "a|b"], r"line 4, column 'label': 'a\|b': this looks like multi-label", "multi-label"),
        (["a", "b", "a, b"], "multi-label", "multi-label"),
        ([["a", "b"]], "line 2, column 'label': this looks like multi-label", "multi-label"),
        (["1", "0.5", "2"], r"line 3, column 'label': 0\.5: this looks like regression", "regression"),
        ([0.25], r"line 2, column 'label': 0\.25: this looks like regression", "regression"),
    ],
)
def test_data_that_look_like_another_task_say_which_to_set(cells, message, task):
    with pytest.raises(ConfigError, match=message) as caught:
        labels_of(cells)
    assert f"data.task: {task}" in (caught.value.hint or "")
    assert f"--task {task}" in (caught.value.hint or "")


@pytest.mark.parametrize("cells", [["a", "b|c"], ["1.0", "2.0"], ["v0.5", "x"], ["rock, pop", "jazz"], ["1.5", "x"]])
def test_unusual_single_labels_are_accepted(cells):
    assert labels_of(cells) == sorted(cells)


def test_joined_unknown_label_is_called_multi_label():
    with pytest.raises(ConfigError, match=r"line 3.*'a\|b': this looks like multi-label"):
        targets_of(["a", "a|b"], ["a", "b"])


def test_one_class_cannot_be_learned():
    with pytest.raises(DataError, match=r"'here' have one class only: 'b'"):
        SINGLE.check_training([1, 1], ["a", "b"], "here")


@pytest.mark.parametrize(
    ("parsed", "expected"),
    [([None, None], False), (["", ()], False), (["a", None], True), ([0.0], True), ([("a",)], True), ([], False)],
)
def test_withheld_labels(parsed, expected):
    assert has_labels(parsed) is expected


@pytest.mark.parametrize(
    ("kind", "labels", "message"),
    [
        (TaskKind.SINGLE_LABEL, ["a", "a"], "names 'a' twice"),
        (TaskKind.MULTI_LABEL, ["a"], r"has 1 name\(s\)"),
        (TaskKind.MULTI_LABEL, [], r"has 0 name\(s\)"),
        (TaskKind.REGRESSION, ["a", "b"], r"has 2 name\(s\).*one output"),
    ],
)
def test_configured_labels_must_fit_the_task(kind, labels, message):
    with pytest.raises(ConfigError, match=rf"data\.labels {message}"):
        check_label_names(kind, labels)
    check_label_names(kind, None)


scalars = st.one_of(
    *(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary()),
    st.sampled_from(["a", "a|b", "[1, 2]", "[[", "['a'", "[{}]", "1" * 5000, "|", "nan"]),
)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=2)
)


@given(st.lists(anything, max_size=6), st.sampled_from(TaskKind), st.none() | st.just(["a", "b"]), st.booleans())
def test_any_cell_gives_targets_or_an_error_for_people(cells, kind, configured, named):
    rows = rows_of(cells, names=("a", "b") if named else None)
    reader = TASK_READERS[kind]
    with contextlib.suppress(EdgekdError):
        parsed = reader.parse(rows)
        labels = reader.labels(rows, parsed, configured)
        targets = reader.targets(rows, parsed, labels, numbers_are_indexes=configured is not None)
        assert len(targets) == len(cells)
        outputs = range(len(labels))
        for target in targets:
            if kind is TaskKind.SINGLE_LABEL:
                assert target in outputs
            elif kind is TaskKind.MULTI_LABEL:
                assert list(target) == sorted(set(target) & set(outputs))
            else:
                assert abs(target) < 1e39
