"""fp16: half the bytes, the same inputs and outputs, finite values."""

import pytest

pytest.importorskip("onnx")

import numpy as np
import onnx
from onnx import helper

from edgekd.compress.graph import array, initializers, load
from edgekd.compress.half import to_half
from edgekd.errors import NotApplicable
from tests.graphs import make_graph, mean_graph, run, some_rows


def test_weights_are_fp16_and_inputs_and_outputs_stay(tmp_path):
    path, target = mean_graph(tmp_path / "m.onnx", width=64), tmp_path / "half.onnx"
    to_half(path, target)
    before, after = onnx.load(path), onnx.load(target)
    assert list(before.graph.input) == list(after.graph.input)
    assert list(before.graph.output) == list(after.graph.output)
    constants = initializers(load(target))
    assert {array(constants[name]).dtype for name in ("table", "first", "last")} == {np.dtype(np.float16)}
    assert target.stat().st_size < 0.56 * path.stat().st_size
    for row in some_rows():
        logits = run(target, row)
        assert logits.dtype == np.float32
        np.testing.assert_allclose(logits, run(path, row), rtol=0, atol=0.01)


def test_a_mask_beyond_the_range_of_fp16_stays_finite(tmp_path):
    """-3.4e38, with which attention masks are made, would be minus infinity, and 0 times it not a number."""
    table = np.full((60, 32), np.finfo(np.float32).min, np.float32)
    table[:, :4] = 1
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["vectors"], "read"),
        helper.make_node("Softmax", ["vectors"], ["soft"], "soft", axis=-1),
        helper.make_node("ReduceMean", ["soft", "axis"], ["logits"], "mean", keepdims=0),
    ]
    path = make_graph(tmp_path / "m.onnx", nodes, {"table": table, "axis": np.array([1], np.int64)}, outputs=32)
    to_half(path, tmp_path / "half.onnx")
    assert np.isfinite(array(initializers(load(tmp_path / "half.onnx"))["table"])).all()
    np.testing.assert_allclose(run(tmp_path / "half.onnx", [1, 2])[0], [0.25] * 4 + [0] * 28, atol=1e-3)


def test_a_graph_that_is_fp16_already_is_said(tmp_path):
    to_half(mean_graph(tmp_path / "m.onnx"), tmp_path / "half.onnx")
    with pytest.raises(NotApplicable, match="fp16 does not make this graph smaller"):
        to_half(tmp_path / "half.onnx", tmp_path / "again.onnx")
    assert not (tmp_path / "again.onnx").exists()
