"""The ORT format: the same answers, the list of operators that a minimal build needs, and bundles of it."""

import shutil

import numpy as np
import pytest

pytest.importorskip("onnx")

import onnx
from onnx import helper

from edgekd.bundle import MODEL_FILE, load_bundle, write_manifest
from edgekd.compress.int8 import dynamic_int8
from edgekd.devices import Int8, find_profile
from edgekd.errors import InvalidArtifact
from edgekd.export.ort_format import OPERATORS_FILE, ORT_FILE, TYPES_FILE, count_operators, to_ort_format
from edgekd.runtime import RuntimeModel, session_for
from edgekd.runtime.provider_options import TENSORRT, with_options
from tests.bundles import make_bundle
from tests.graphs import make_graph, mean_graph, run, some_rows

TEXTS = ["great", "the film was not very good and it is dull", "", "awful movie!"]


def gelu_graph(path):
    """Write a graph with an operator of ONNX Runtime's own, as fused graphs have."""
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["vectors"]),
        helper.make_node("Identity", ["vectors"], ["active"]),
        helper.make_node("ReduceMean", ["active", "axis"], ["logits"], keepdims=0),
    ]
    table = np.random.default_rng(0).normal(size=(60, 2)).astype(np.float32)
    constants = {"table": table, "bias": np.ones(2, np.float32), "axis": np.array([1])}
    model = onnx.load(make_graph(path, nodes, constants))
    [node] = [node for node in model.graph.node if node.op_type == "Identity"]
    node.op_type, node.domain = "BiasGelu", "com.microsoft"
    node.input.append("bias")
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    onnx.save(model, str(path))
    return path


def int8_graph(path):
    source = mean_graph(path.with_name("fp32.onnx"))
    dynamic_int8(source, path, Int8(activation="uint8", weight="int8", reason="test"))
    return path


@pytest.mark.parametrize(
    ("make", "operator"),
    [
        (mean_graph, "com.microsoft::FusedGemm"),
        (int8_graph, "com.microsoft::DynamicQuantizeMatMul"),
        (gelu_graph, "com.microsoft::BiasGelu"),
    ],
)
def test_answers_stay_the_same(tmp_path, make, operator):
    source = make(tmp_path / "m.onnx")
    counts = to_ort_format(source, tmp_path)
    assert counts == count_operators(tmp_path / ORT_FILE)
    assert counts[operator] == 1
    for row in some_rows():
        np.testing.assert_allclose(run(tmp_path / ORT_FILE, row), run(source, row), atol=1e-6)


def test_the_lists_name_every_operator_and_no_path(tmp_path):
    counts = to_ort_format(mean_graph(tmp_path / "m.onnx"), tmp_path)
    lists = {name: (tmp_path / name).read_text().splitlines() for name in (OPERATORS_FILE, TYPES_FILE)}
    assert lists[OPERATORS_FILE] == [
        "# Operators of model.ort",
        "ai.onnx;13;Gather,MatMul",
        "ai.onnx;18;ReduceMean",
        "com.microsoft;1;FusedGemm",
    ]
    assert lists[TYPES_FILE][1].startswith('ai.onnx;13;Gather{"inputs": {"0": ["float"], "1": ["int64_t"]}},MatMul')
    assert set(counts) == {"Gather", "MatMul", "ReduceMean", "com.microsoft::FusedGemm"}
    assert not any(str(tmp_path) in line for lines in lists.values() for line in lines)


def test_the_same_graph_gives_the_same_lists(tmp_path):
    source = mean_graph(tmp_path / "m.onnx")
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        to_ort_format(source, tmp_path / name, profile=find_profile("pi5"))
    # model.ort itself is not compared: onnxruntime writes its parts in the order of a hash table.
    for name in (OPERATORS_FILE, TYPES_FILE):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize("content", [None, b"", b"no graph"])
def test_a_file_that_is_no_graph_is_refused(tmp_path, content):
    source = tmp_path / "m.onnx"
    if content is not None:
        source.write_bytes(content)
    with pytest.raises(InvalidArtifact, match="onnxruntime cannot convert"):
        to_ort_format(source, tmp_path)
    (tmp_path / "x.ort").write_bytes(b"\0" * 64)
    with pytest.raises(InvalidArtifact, match="is no graph of the ORT format"):
        count_operators(tmp_path / "x.ort")


def test_a_bundle_of_the_format_runs_like_any_other(tmp_path):
    source = make_bundle(tmp_path / "onnx")
    shutil.copytree(source.folder, tmp_path / "ort")
    to_ort_format(source.model_path, tmp_path / "ort")
    (tmp_path / "ort" / MODEL_FILE).unlink()
    write_manifest(tmp_path / "ort", source.manifest.model_copy(update={"runtime": "ort-format"}))
    sessions = [session_for(load_bundle(tmp_path / name), 1) for name in ("onnx", "ort")]
    for session in sessions:
        session.load()
    np.testing.assert_allclose(sessions[0].run(TEXTS), sessions[1].run(TEXTS), atol=1e-5)


# Options of ONNX Runtime's TensorRT provider


def test_the_tensorrt_provider_builds_for_the_shapes_of_the_bundle(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    model = RuntimeModel.of(make_bundle(tmp_path / "bundle"))
    cpu, (name, options) = with_options(["CPUExecutionProvider", TENSORRT], model)
    assert (cpu, name) == ("CPUExecutionProvider", TENSORRT)
    assert options["trt_profile_max_shapes"] == "input_ids:8x64,attention_mask:8x64"
    assert options["trt_engine_cache_path"].startswith(str(tmp_path / "cache" / "edgekd" / "tensorrt"))
    model.model_path.write_bytes(model.model_path.read_bytes() + b"\0")
    [(_, changed)] = with_options([TENSORRT], model)
    assert changed["trt_engine_cache_path"] != options["trt_engine_cache_path"]
