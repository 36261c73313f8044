"""Matrices in blocks of int8 or int4, activations in fp32."""

import pytest

pytest.importorskip("onnx")

import numpy as np

from edgekd.compress.graph import array, initializers, load, operator_counts
from edgekd.compress.weight_only import weight_only
from edgekd.errors import ConfigError, NotApplicable
from edgekd.steps import WeightsStep
from tests.graphs import mean_graph, run, some_rows


@pytest.mark.parametrize(("name", "worst", "values"), [("int8-weights", 0.1, 64), ("int4-weights", 0.8, 32)])
@pytest.mark.parametrize("accuracy_level", [0, 4])
def test_matrices_become_blocks(tmp_path, name, worst, values, accuracy_level):
    path, target = mean_graph(tmp_path / "m.onnx", width=64), tmp_path / "q.onnx"
    weight_only(path, target, step=WeightsStep(step=name, accuracy_level=accuracy_level))
    model = load(target)
    assert operator_counts(model)["MatMulNBits"] == 1
    assert operator_counts(model)["MatMul"] == 1  # the last one, of 96 values
    [node] = [node for node in model.graph.node if node.op_type == "MatMulNBits"]
    attributes = {entry.name: entry.i for entry in node.attribute}
    assert (attributes["K"], attributes["N"]) == (64, 48)
    assert attributes["block_size"] == 32
    assert attributes.get("accuracy_level", 0) == accuracy_level
    constants = initializers(model)
    assert array(constants[node.input[1]]).nbytes == 48 * values
    assert array(constants[node.input[2]]).nbytes == 48 * 2 * 4  # a scale for each block of 32
    assert array(constants["table"]).dtype == np.float32  # token vectors are not touched
    errors = [np.abs(run(target, row) - run(path, row)).max() for row in some_rows()]
    assert 0 < max(errors) < worst


def test_larger_blocks_are_smaller_files(tmp_path):
    path = mean_graph(tmp_path / "m.onnx", width=256)
    sizes = []
    for block in (16, 64, 256):
        weight_only(path, tmp_path / "q.onnx", step=WeightsStep(step="int4-weights", block=block))
        sizes.append((tmp_path / "q.onnx").stat().st_size)
    assert sizes[0] > sizes[1] > sizes[2]


def test_nothing_to_do_is_said(tmp_path):
    path = mean_graph(tmp_path / "m.onnx", hidden=8)  # 256 values
    with pytest.raises(NotApplicable, match="no constant matrices whose weights"):
        weight_only(path, tmp_path / "q.onnx", step=WeightsStep(step="int8-weights"))
    assert not (tmp_path / "q.onnx").exists()


def test_a_block_that_the_runtime_does_not_have_is_refused(tmp_path):
    path = mean_graph(tmp_path / "m.onnx")
    with pytest.raises(ConfigError, match="block is 33"):
        weight_only(path, tmp_path / "q.onnx", step=WeightsStep.model_construct(step="int8-weights", block=33))
