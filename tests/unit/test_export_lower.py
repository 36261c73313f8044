"""Older opsets for exported graphs: the same answers, in operators that old runtimes have."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, defs, helper, numpy_helper
from typer.testing import CliRunner

from edgekd.cli.app import app
from edgekd.errors import InvalidArtifact
from edgekd.export.lower import lower_opset
from tests.students import write_student


def graph_of(nodes, inputs, outputs, *, constants=None, opset=18):
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()]
    given = [helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in inputs]
    wanted = [helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in outputs]
    graph = helper.make_graph(nodes, "g", given, wanted, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    onnx.checker.check_model(model)
    return model


def answer(model, **feeds):
    onnx.checker.check_model(model, full_check=True)
    return ort.InferenceSession(model.SerializeToString()).run(None, feeds)[0]


def opset_of(model):
    return model.opset_import[0].version


ROWS = np.random.default_rng(0).standard_normal((3, 5, 8)).astype(np.float32)
FLOAT = TensorProto.FLOAT


@pytest.mark.parametrize("operator", ["ReduceMax", "ReduceMin", "ReduceMean", "ReduceL2"])
@pytest.mark.parametrize("keepdims", [0, 1])
def test_axes_of_reductions_become_attributes(operator, keepdims):
    node = helper.make_node(operator, ["x", "axes"], ["y"], keepdims=keepdims)
    shape = [3, 1, 8] if keepdims else [3, 8]
    model = graph_of([node], [("x", FLOAT, [3, 5, 8])], [("y", FLOAT, shape)], constants={"axes": np.array([1])})
    before = answer(model, x=ROWS)
    lower_opset(model, 15)
    assert (opset_of(model), model.ir_version) == (15, 8)
    assert [tensor.name for tensor in model.graph.initializer] == []
    assert np.array_equal(answer(model, x=ROWS), before)


@pytest.mark.parametrize("with_bias", [True, False])
def test_layer_normalization_is_written_as_its_definition(with_bias):
    inputs = ["x", "scale", *(["bias"] if with_bias else [])]
    constants = {name: np.linspace(0.5, 2, 8, dtype=np.float32) for name in inputs[1:]}
    node = helper.make_node("LayerNormalization", inputs, ["y"], axis=-1, epsilon=1e-12)
    model = graph_of([node], [("x", FLOAT, [3, 5, 8])], [("y", FLOAT, [3, 5, 8])], constants=constants, opset=17)
    before = answer(model, x=ROWS)
    lower_opset(model, 15)
    assert "LayerNormalization" not in {node.op_type for node in model.graph.node}
    assert np.abs(answer(model, x=ROWS) - before).max() < 1e-5


def test_what_only_gained_types_keeps_its_form():
    nodes = [
        helper.make_node("GreaterOrEqual", ["x", "zero"], ["positive"]),
        helper.make_node("Where", ["positive", "x", "zero"], ["y"]),
    ]
    constants = {"zero": np.float32(0)}
    model = graph_of(nodes, [("x", FLOAT, [3, 5, 8])], [("y", FLOAT, [3, 5, 8])], constants=constants)
    lower_opset(model, 15)
    assert [node.op_type for node in model.graph.node] == ["GreaterOrEqual", "Where"]
    assert np.array_equal(answer(model, x=ROWS), np.maximum(ROWS, 0))


def test_operators_without_an_older_form_are_named():
    bits = [("x", TensorProto.INT32, [2])], [("y", TensorProto.INT32, [2])]
    model = graph_of([helper.make_node("BitwiseAnd", ["x", "x"], ["y"])], *bits)
    with pytest.raises(InvalidArtifact, match="needs opset 18, the target allows 15: BitwiseAnd cannot") as caught:
        lower_opset(model, 15)
    assert "--opset" in caught.value.hint


def test_reductions_over_axes_that_are_computed_are_refused():
    node = helper.make_node("ReduceMax", ["x", "axes"], ["y"])
    inputs = [("x", FLOAT, [3, 5, 8]), ("axes", TensorProto.INT64, [1])]
    model = graph_of([node], inputs, [("y", FLOAT, ["a", "b", "c"])])
    with pytest.raises(InvalidArtifact, match="ReduceMax"):
        lower_opset(model, 15)


def test_a_graph_that_is_old_enough_stays_as_it_is():
    model = graph_of([helper.make_node("Relu", ["x"], ["y"])], [("x", FLOAT, [1])], [("y", FLOAT, [1])], opset=14)
    before = model.SerializeToString()
    lower_opset(model, 15)
    assert model.SerializeToString() == before


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["bag", "cnn", "bilstm", "cut transformer"])
def test_students_answer_the_same_with_opset_15(tmp_path, kind):
    from transformers import AutoModelForSequenceClassification

    from edgekd.export.onnx import export_onnx

    model = AutoModelForSequenceClassification.from_pretrained(write_student(tmp_path / "model", kind))
    ids = np.array([[5, 9, 7, 11, 6]])
    logits = []
    for opset in (15, 18):
        path = tmp_path / f"{opset}.onnx"
        export_onnx(model, path, opset=opset)
        graph = onnx.load(path)
        assert opset_of(graph) <= opset
        # Every operator exists in this opset as it is written.
        onnx.checker.check_model(graph, full_check=True)
        logits.append(answer(graph, input_ids=ids, attention_mask=np.ones_like(ids)))
    assert np.abs(logits[0] - logits[1]).max() < 1e-5


def test_a_model_is_exported_for_a_jetson_nano(tmp_path):
    """Its runtime reads opset 15; the export itself compares the graph with the model."""
    source = write_student(tmp_path / "model", "cut transformer")
    out = tmp_path / "out"
    done = CliRunner().invoke(app, ["export", str(source), "--target", "jetson-nano", "--out", str(out), "--name", "s"])
    assert done.exit_code == 0, (done.stdout, done.exception)
    model = onnx.load(out / "s-onnx" / "model.onnx")
    assert opset_of(model) == 15
    assert model.ir_version <= 8
    assert all(defs.get_schema(node.op_type, 15, "").since_version <= 15 for node in model.graph.node)


def test_the_tensorrt_of_a_jetson_nano_is_refused_with_the_way_out(tmp_path):
    source = write_student(tmp_path / "model", "bag")
    arguments = ["export", str(source), "--target", "jetson-nano", "--to", "tensorrt", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code != 0
    assert "has TensorRT 8.2; 10.0 or later is needed" in done.exception.message
    assert "Export --to onnx" in done.exception.hint
