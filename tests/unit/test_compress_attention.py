"""Steps on graphs whose attention is one operator."""

from __future__ import annotations

from collections import Counter

import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

import numpy as np  # noqa: E402

from edgekd.compress.attention import attention_as_products  # noqa: E402
from edgekd.compress.embeddings import quantize_embeddings  # noqa: E402
from edgekd.compress.graph import load, save, weight_nodes  # noqa: E402
from edgekd.compress.half import to_half  # noqa: E402
from edgekd.compress.int8 import dynamic_int8  # noqa: E402
from edgekd.compress.sensitivity import layer_names  # noqa: E402
from edgekd.compress.static_int8 import static_int8  # noqa: E402
from edgekd.compress.weight_only import weight_only  # noqa: E402
from edgekd.devices import find_profile  # noqa: E402
from edgekd.export.onnx import export_onnx  # noqa: E402
from edgekd.export.parity import graph_logits  # noqa: E402
from edgekd.steps import Int8Step, StaticInt8Step, WeightsStep  # noqa: E402
from tests.unit.test_export_fused import make_model  # noqa: E402

FLAVOUR = find_profile("pi5").int8
ROWS = [np.random.default_rng(i).integers(5, 200, 1 + i % 20).tolist() for i in range(24)]
STEPS = {
    "int8": lambda source, target: dynamic_int8(source, target, FLAVOUR),
    "int8 per channel": lambda source, target: dynamic_int8(
        source, target, FLAVOUR, step=Int8Step(step="int8", per_channel=True)
    ),
    "int8-static": lambda source, target: static_int8(
        source, target, FLAVOUR, step=StaticInt8Step(step="int8-static"), rows=ROWS, pad_token_id=0
    ),
    "int8-weights": lambda source, target: weight_only(source, target, step=WeightsStep(step="int8-weights")),
    "int4-weights": lambda source, target: weight_only(source, target, step=WeightsStep(step="int4-weights")),
    "int8-embeddings": lambda source, target: quantize_embeddings(source, target, bits=8),
    "int4-embeddings": lambda source, target: quantize_embeddings(source, target, bits=4),
    "fp16": to_half,
}
# Operators with the weights of two layers: the last layer has query, key and value apart in any case.
FOUND = {
    "int8": {"QAttention": 1, "MultiHeadAttention": 1},
    "int8 per channel": {"QAttention": 1, "MultiHeadAttention": 1},
    "int8-static": {"MultiHeadAttention": 2},
    "int8-weights": {"MultiHeadAttention": 2, "MatMulNBits": 13},
    "int4-weights": {"MultiHeadAttention": 2, "MatMulNBits": 13},
    "int8-embeddings": {"Attention": 1, "MultiHeadAttention": 1},
    "int4-embeddings": {"Attention": 1, "MultiHeadAttention": 1},
    "fp16": {"Attention": 1, "MultiHeadAttention": 1},
}
WATCHED = ("Attention", "QAttention", "MultiHeadAttention", "MatMulNBits")


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    path = tmp_path_factory.mktemp("graph") / "model.onnx"
    export_onnx(make_model("bert"), path, opset=18, flavour="ort-fused")
    return path


def logits(path):
    return graph_logits(path, ROWS, pad_token_id=0)


@pytest.mark.parametrize("name", STEPS)
def test_a_step_works_on_a_fused_graph(graph, name, tmp_path):
    target = tmp_path / "model.onnx"
    STEPS[name](graph, target)
    counts = Counter(node.op_type for node in onnx.load(target).graph.node)
    assert {operator: counts[operator] for operator in WATCHED if counts[operator]} == FOUND[name]
    assert target.stat().st_size < graph.stat().st_size
    expected = logits(graph)
    assert np.abs(logits(target) - expected).max() < 0.15 * np.abs(expected).max() + 0.05


def test_projections_apart_give_the_same_logits(graph, tmp_path):
    model = load(graph)
    before = Counter(node.op_type for node in model.graph.node)
    attention_as_products(model)
    save(model, tmp_path / "model.onnx")
    after = Counter(node.op_type for node in model.graph.node)
    assert {name: after[name] - before[name] for name in after | before if after[name] != before[name]} == {
        "Attention": -1, "MultiHeadAttention": 1, "MatMul": 3, "Add": 3,
    }  # fmt: skip
    assert np.abs(logits(tmp_path / "model.onnx") - logits(graph)).max() < 1e-5


def test_fused_weights_have_the_names_of_their_layers(graph):
    model = load(graph)
    names = layer_names(model)
    found = {names[node.name]: node.op_type for node in weight_nodes(model)}
    layer = "bert.encoder.layer.0"
    assert found[f"{layer}.attention.self.qkv"] == "Attention"
    assert found[f"{layer}.intermediate.dense"] == found["bert.encoder.layer.1.attention.self.query"] == "MatMul"
    attention_as_products(model)
    names = layer_names(model)
    assert f"{layer}.attention.self.value" in {names.get(node.name) for node in weight_nodes(model)}
