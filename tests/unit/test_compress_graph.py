"""Graphs as data: lean files, names, where the weights are; convolutions as products."""

import sys

import pytest

pytest.importorskip("onnx")

import numpy as np
import onnx
from onnx import helper

from edgekd.compress.convolution import convolutions_as_products
from edgekd.compress.graph import (
    check_block,
    consumers,
    load,
    operator_counts,
    quantizing,
    save,
    save_smaller,
    table_gathers,
    weight_nodes,
)
from edgekd.errors import ConfigError, InvalidArtifact, NotApplicable
from tests.graphs import VOCABULARY, make_graph, mean_graph, run


def test_weights_are_found_with_their_fp32_bytes(tmp_path):
    model = load(mean_graph(tmp_path / "m.onnx"))
    found = [(node.name, node.op_type, node.weight_bytes) for node in weight_nodes(model)]
    # "last" has 48 x 2 = 96 values, which is not worth it.
    assert found == [("read", "Gather", 4 * 60 * 32), ("first", "Gemm", 4 * 48 * 32)]
    assert [node.name for node in weight_nodes(model, ("MatMul", "Gemm"))] == ["first"]


def test_operators_and_readers_are_counted(tmp_path):
    model = load(mean_graph(tmp_path / "m.onnx"))
    assert operator_counts(model) == {"Gather": 1, "ReduceMean": 1, "Gemm": 1, "Relu": 1, "MatMul": 1}
    assert [node.name for node in consumers(model)["active"]] == ["last"]


def test_a_saved_graph_has_no_documentation_metadata_or_inner_shapes(tmp_path):
    path = mean_graph(tmp_path / "m.onnx")
    before = run(path, [1, 2, 3])
    model = onnx.shape_inference.infer_shapes(onnx.load(path))
    assert model.graph.value_info
    model.doc_string = model.graph.doc_string = "made by hand"
    for part in (model, model.graph, *model.graph.node, *model.graph.input, *model.graph.initializer):
        part.metadata_props.add(key="stack", value="long " * 100)
        part.doc_string = "about it"
    fat = len(model.SerializeToString())
    save(model, tmp_path / "lean.onnx")
    lean = onnx.load(tmp_path / "lean.onnx")
    assert fat - (tmp_path / "lean.onnx").stat().st_size > 500 * 13
    assert b"long" not in lean.SerializeToString()
    assert b"about it" not in lean.SerializeToString()
    assert not lean.graph.value_info
    np.testing.assert_array_equal(run(tmp_path / "lean.onnx", [1, 2, 3]), before)


def test_nodes_without_names_get_the_same_ones_each_time(tmp_path):
    path = mean_graph(tmp_path / "m.onnx")
    model = onnx.load(path)
    for node in model.graph.node:
        node.name = ""
    onnx.save(model, path)
    names = [node.name for node in load(path).graph.node]
    assert names == ["Gather_0", "ReduceMean_1", "Gemm_2", "Relu_3", "MatMul_4"]
    assert names == [node.name for node in load(path).graph.node]


def test_what_is_no_graph_is_refused(tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"\xff\xff not a graph")
    with pytest.raises(InvalidArtifact, match=r"m\.onnx' is not a readable ONNX graph"):
        load(tmp_path / "m.onnx")


def test_a_graph_that_did_not_get_smaller_is_not_written(tmp_path):
    path = mean_graph(tmp_path / "m.onnx")
    model = load(path)
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.zeros(1000, np.float32), "more"))
    with pytest.raises(NotApplicable, match="int8 does not make this graph smaller: "):
        save_smaller(model, path, tmp_path / "out.onnx", "int8")
    assert not (tmp_path / "out.onnx").exists()


@pytest.mark.parametrize(
    ("error", "expected"),
    [(ValueError("boom"), InvalidArtifact), (AssertionError(), InvalidArtifact), (NotApplicable("no"), NotApplicable)],
)
def test_errors_of_a_library_become_one_of_ours_and_it_prints_nothing(capsys, error, expected):
    def work():
        with quantizing("int8"):
            sys.stdout.write("chatter")
            raise error

    with pytest.raises(expected, match=r"^ONNX Runtime could not make the graph int8: (boom)?$|^no$"):
        work()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("block", [16, 32, 64, 128, 256])
def test_blocks_that_the_runtime_has_are_allowed(block):
    check_block(block)


@pytest.mark.parametrize("block", [0, 8, 17, 48, 100])
def test_other_blocks_are_refused(block):
    with pytest.raises(ConfigError, match=f"block is {block}; ONNX Runtime needs a power of two"):
        check_block(block)


def tables_of(tmp_path, shape, index="input_ids", more=()):
    """Return the names of the nodes that read a table of this shape."""
    nodes = [
        helper.make_node("Shape", ["input_ids"], ["shape"], "shape"),
        helper.make_node("Slice", ["positions", "zero", "shape", "zero"], ["place"], "place"),
        helper.make_node("Gather", ["table", index], ["vectors"], "read"),
        *more,
        helper.make_node("Flatten", ["vectors"], ["logits"], "flat"),
    ]
    constants = {
        "positions": np.arange(10),
        "zero": np.array([0], np.int64),
        "table": np.zeros(shape, np.float32),
    }
    return [node.name for node in table_gathers(load(make_graph(tmp_path / "m.onnx", nodes, constants)))]


@pytest.mark.parametrize(
    ("shape", "index", "large"),
    [
        ((64, 4), "input_ids", True),  # 256 values
        ((63, 4), "input_ids", False),
        ((256, 1), "input_ids", True),
        ((250, 4), "place", False),  # positions: not by token
        ((512, 32), "place", True),  # 65 536 bytes
        ((499, 32), "place", False),  # 63 872 bytes
    ],
)
def test_large_tables_are_found(tmp_path, shape, index, large):
    assert tables_of(tmp_path, shape, index) == (["read"] if large else [])


def test_a_table_that_something_else_reads_stays(tmp_path):
    other = helper.make_node("Relu", ["table"], ["unused"], "other")
    assert tables_of(tmp_path, (250, 4), more=[other]) == []


def convolution_graph(path, convolutions, channels=8, seed=0):
    """Write: token vectors, convolutions ``(width, left, right, bias, options)``, maximum over time, joined."""
    rng = np.random.default_rng(seed)
    constants = {
        "table": rng.normal(0, 1, (VOCABULARY, channels)).astype(np.float32),
        "axis": np.array([2], np.int64),
    }
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["vectors"], "read"),
        helper.make_node("Transpose", ["vectors"], ["turned"], "turn", perm=[0, 2, 1]),
    ]
    for i, (width, left, right, bias, options) in enumerate(convolutions):
        groups = options.get("group", 1)
        constants[f"w{i}"] = rng.normal(0, 0.3, (16, channels // groups, width)).astype(np.float32)
        constants[f"b{i}"] = rng.normal(0, 1, 16).astype(np.float32)
        inputs = ["turned", f"w{i}", *([f"b{i}"] if bias else [])]
        nodes += [
            helper.make_node("Conv", inputs, [f"c{i}"], f"conv{i}", pads=[left, right], **options),
            helper.make_node("ReduceMax", [f"c{i}", "axis"], [f"m{i}"], f"max{i}", keepdims=0),
        ]
    nodes.append(helper.make_node("Concat", [f"m{i}" for i in range(len(convolutions))], ["logits"], "join", axis=1))
    return make_graph(path, nodes, constants, outputs=16 * len(convolutions))


@pytest.mark.parametrize("row", [[5], [1, 2], list(range(20))])
def test_convolutions_as_products_say_the_same(tmp_path, row):
    shapes = [(1, 0, 0, True, {}), (2, 0, 1, True, {}), (3, 1, 1, False, {}), (4, 1, 2, True, {}), (5, 4, 0, True, {})]
    path = convolution_graph(tmp_path / "m.onnx", shapes)
    model = load(path)
    assert convolutions_as_products(model, [f"conv{i}" for i in range(5)]) == [f"conv{i}" for i in range(5)]
    onnx.checker.check_model(model)
    save(model, tmp_path / "products.onnx")
    counts = operator_counts(load(tmp_path / "products.onnx"))
    assert "Conv" not in counts
    assert counts["MatMul"] == 5
    assert counts["Pad"] == 1  # convolutions of one input share its copies
    np.testing.assert_allclose(run(tmp_path / "products.onnx", row), run(path, row), rtol=0, atol=1e-5)


def test_other_convolutions_stay(tmp_path):
    shapes = [
        (3, 1, 1, True, {}),
        (3, 1, 0, True, {}),  # shortens the text
        (3, 1, 1, True, {"strides": [2]}),
        (2, 1, 1, True, {"dilations": [2]}),
        (3, 1, 1, True, {"group": 2}),
        (3, 1, 1, True, {}),  # not asked for
    ]
    path = convolution_graph(tmp_path / "m.onnx", shapes)
    model = load(path)
    assert convolutions_as_products(model, [f"conv{i}" for i in range(5)]) == ["conv0"]
    save(model, tmp_path / "products.onnx")
    assert operator_counts(load(tmp_path / "products.onnx"))["Conv"] == 5
    row = list(range(9))
    np.testing.assert_allclose(run(tmp_path / "products.onnx", row), run(path, row), rtol=0, atol=1e-5)
