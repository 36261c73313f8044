"""Static int8: calibration texts of every kind, ranges, and which texts are chosen."""

import pytest

pytest.importorskip("onnx")

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from edgekd.compress.calibration import choose_calibration
from edgekd.compress.graph import array, initializers, load, operator_counts
from edgekd.compress.static_int8 import static_int8
from edgekd.devices import Int8
from edgekd.errors import DataError, NotApplicable
from edgekd.steps import StaticInt8Step
from edgekd.tasks import Task, TaskKind
from tests.graphs import VOCABULARY, make_graph, mean_graph, run, some_rows

U8S8 = Int8(activation="uint8", weight="int8", reason="test")
METHODS = ["minmax", "entropy", "percentile"]
SINGLE = Task(TaskKind.SINGLE_LABEL, ("bad", "good"))
MULTI = Task(TaskKind.MULTI_LABEL, ("a", "b", "c"))
NUMBER = Task(TaskKind.REGRESSION, ("value",))


def quantize(path, target, rows, flavour=U8S8, **options):
    static_int8(path, target, flavour, step=StaticInt8Step(**options), rows=rows, pad_token_id=0)


@pytest.mark.parametrize("method", METHODS)
def test_answers_stay_close_with_each_calibration(tmp_path, method):
    path, target = mean_graph(tmp_path / "m.onnx"), tmp_path / "q.onnx"
    rows = some_rows(40)
    quantize(path, target, rows, calibration=method)
    counts = operator_counts(load(target))
    assert counts["QuantizeLinear"] == 1  # of what goes into the hidden layer
    assert counts["DequantizeLinear"] == 3  # of it, of its weights and of its bias
    # Texts of one token have the widest means; the histograms clip those.
    worst = max(np.abs(run(target, row) - run(path, row)).max() for row in rows[5:15])
    assert 0 < worst < (0.1 if method == "minmax" else 0.5)


def test_ranges_are_those_of_the_texts(tmp_path):
    """The mean of one token is its vector, so the range of the hidden layer's input is that of the rows read."""
    table = np.zeros((VOCABULARY, 32), np.float32)
    table[1], table[2], table[3] = 2.0, -0.55, 50.0
    path, target = mean_graph(tmp_path / "m.onnx", table=table), tmp_path / "q.onnx"
    quantize(path, target, [[1], [2], [1, 2]])
    scale = array(initializers(load(target))["mean_scale"])
    assert scale == pytest.approx(2.55 / 255, rel=1e-2)  # token 3 was never seen


def test_a_percentile_cuts_what_is_rare(tmp_path):
    rng = np.random.default_rng(0)
    table = rng.uniform(-1, 1, (VOCABULARY, 32)).astype(np.float32)
    table[0, 0] = 100
    path, target = mean_graph(tmp_path / "m.onnx", table=table), tmp_path / "q.onnx"
    rows = [[i] for i in range(60)]
    scales = {}
    for percentile in (100, 99):
        quantize(path, target, rows, calibration="percentile", percentile=percentile)
        scales[percentile] = float(array(initializers(load(target))["mean_scale"]))
    assert scales[100] == pytest.approx(101 / 255, rel=0.01)
    assert scales[99] < 5 / 255


@settings(max_examples=12)
@given(
    rows=st.one_of(
        st.lists(st.lists(st.integers(0, VOCABULARY - 1), max_size=12), min_size=1, max_size=1),  # one text
        st.lists(st.just([]), min_size=1, max_size=3),  # no tokens at all
        st.lists(st.just([2, 3]), min_size=1, max_size=3),  # only special tokens
        st.lists(st.lists(st.integers(0, VOCABULARY - 1), min_size=200, max_size=210), min_size=1, max_size=2),
    ),
    method=st.sampled_from(METHODS),
)
def test_any_calibration_set_gives_a_graph_that_runs(tmp_path_factory, rows, method):
    folder = tmp_path_factory.mktemp("static")
    path = mean_graph(folder / "m.onnx")
    quantize(path, folder / "q.onnx", rows, calibration=method)
    for row in ([1], list(range(40))):
        assert np.isfinite(run(folder / "q.onnx", row)).all()


@pytest.mark.parametrize("method", METHODS)
def test_a_constant_tensor_does_not_stop_the_calibration(tmp_path, method):
    table = np.zeros((VOCABULARY, 32), np.float32)
    path = mean_graph(tmp_path / "m.onnx", table=table)
    quantize(path, tmp_path / "q.onnx", [[1], [2, 3]], calibration=method)
    np.testing.assert_allclose(run(tmp_path / "q.onnx", [1]), run(path, [1]), atol=0.05)
    table[:] = 0.5
    path = mean_graph(tmp_path / "m.onnx", table=table)
    quantize(path, tmp_path / "q.onnx", [[1], [2, 3]], calibration=method)
    np.testing.assert_allclose(run(tmp_path / "q.onnx", [1]), run(path, [1]), atol=0.1)


def test_convolutions_are_int8_in_both_directions(tmp_path):
    rng = np.random.default_rng(0)
    constants = {
        "table": rng.normal(0, 1, (VOCABULARY, 16)).astype(np.float32),
        "w": rng.normal(0, 0.3, (32, 16, 3)).astype(np.float32),
        "b": rng.normal(0, 1, 32).astype(np.float32),
        "axis": np.array([2], np.int64),
    }
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["vectors"], "read"),
        helper.make_node("Transpose", ["vectors"], ["turned"], "turn", perm=[0, 2, 1]),
        helper.make_node("Conv", ["turned", "w", "b"], ["c"], "conv", pads=[1, 1]),
        helper.make_node("ReduceMax", ["c", "axis"], ["logits"], "max", keepdims=0),
    ]
    path = make_graph(tmp_path / "m.onnx", nodes, constants, outputs=32)
    quantize(path, tmp_path / "q.onnx", some_rows(30))
    # Input and output are quantized: only then the runtime has one int8 kernel for all of it.
    assert operator_counts(load(tmp_path / "q.onnx"))["QuantizeLinear"] == 2
    row = list(range(10))
    np.testing.assert_allclose(run(tmp_path / "q.onnx", row), run(path, row), atol=0.15)


def test_signs_and_scales_follow_the_flavour(tmp_path):
    path, target = mean_graph(tmp_path / "m.onnx"), tmp_path / "q.onnx"
    quantize(path, target, some_rows(), U8S8.model_copy(update={"activation": "int8"}), per_channel=True)
    constants = initializers(load(target))
    assert array(constants["mean_zero_point"]).dtype == np.int8
    assert array(constants["first_quantized"]).dtype == np.int8
    assert array(constants["first_scale"]).shape == (48,)
    quantize(path, target, some_rows())
    constants = initializers(load(target))
    assert array(constants["mean_zero_point"]).dtype == np.uint8
    assert array(constants["first_scale"]).size == 1


def test_what_is_excluded_stays_and_nothing_left_is_said(tmp_path):
    path = mean_graph(tmp_path / "m.onnx")
    with pytest.raises(NotApplicable, match="no matrices or convolutions that static int8"):
        quantize(path, tmp_path / "q.onnx", some_rows(), exclude=["Gemm"])
    quantize(path, tmp_path / "q.onnx", some_rows(), exclude=["read"])
    assert array(initializers(load(tmp_path / "q.onnx"))["table"]).dtype == np.float32


def test_without_texts_nothing_can_be_calibrated(tmp_path):
    with pytest.raises(DataError, match="at least one calibration text"):
        quantize(mean_graph(tmp_path / "m.onnx"), tmp_path / "q.onnx", [])


# Which texts


def test_classes_keep_their_shares_and_lengths_are_spread():
    lengths = list(range(100))
    targets = [0] * 75 + [1] * 25
    chosen = choose_calibration(lengths, targets, SINGLE, 8)
    assert [targets[i] for i in chosen] == [0] * 6 + [1] * 2
    assert chosen == [0, 15, 30, 44, 59, 74, 75, 99]


def test_a_rare_class_is_there_too():
    targets = [0] * 997 + [1, 1, 2]
    chosen = choose_calibration([5] * 1000, targets, SINGLE, 10)
    assert sorted(targets[i] for i in chosen) == [0] * 8 + [1, 2]


def test_a_multi_label_text_counts_for_its_rarest_label():
    targets = [(0,)] * 50 + [(0, 1)] * 40 + [(0, 1, 2)] * 2 + [()] * 8
    chosen = choose_calibration([3] * 100, targets, MULTI, 10)
    assert len(chosen) == 10
    assert any(2 in targets[i] for i in chosen)
    assert any(targets[i] == () for i in chosen)


def test_values_of_a_regression_are_spread():
    targets = [float(i % 40) for i in range(400)]
    chosen = choose_calibration([7] * 400, targets, NUMBER, 8)
    assert [sum(low <= targets[i] < low + 10 for i in chosen) for low in (0, 10, 20, 30)] == [2, 2, 2, 2]


@given(
    lengths=st.lists(st.integers(0, 500), min_size=1, max_size=60),
    count=st.integers(1, 80),
    seed=st.integers(0, 3),
    labelled=st.booleans(),
)
def test_chosen_texts_are_different_ones_and_as_many_as_asked(lengths, count, seed, labelled):
    targets = [length % 3 for length in lengths] if labelled else []
    chosen = choose_calibration(lengths, targets, SINGLE, count, seed)
    assert chosen == sorted(set(chosen))
    assert len(chosen) == min(count, len(lengths))
    assert all(0 <= index < len(lengths) for index in chosen)
    assert chosen == choose_calibration(lengths, targets, SINGLE, count, seed)
    if not labelled and len(chosen) > 1:
        assert {min(lengths), max(lengths)} <= {lengths[i] for i in chosen}
    if labelled and count >= 3:
        assert {targets[i] for i in chosen} == set(targets)
