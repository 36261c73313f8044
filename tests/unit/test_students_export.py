"""Every form of every student as a graph: the same logits, padded or not, and no more operators than needed."""

from __future__ import annotations

from collections import Counter

import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

import numpy as np  # noqa: E402

from edgekd.batches import predict_logits  # noqa: E402
from edgekd.compress.int8 import dynamic_int8  # noqa: E402
from edgekd.config import StudentConfig  # noqa: E402
from edgekd.devices import find_profile  # noqa: E402
from edgekd.export.onnx import FLAVOURS, export_onnx  # noqa: E402
from edgekd.export.parity import graph_logits  # noqa: E402
from edgekd.student.kinds import build_student  # noqa: E402
from tests.students import SHAPES, make_teacher  # noqa: E402

OPSET = 18
RECURRENT = {"bilstm": ("LSTM", 1), "bilstm of two layers": ("LSTM", 2), "bigru": ("GRU", 1),
             "bigru of two layers": ("GRU", 2)}  # fmt: skip
# Of the portable graph, and of the fused one.
MOST_NODES = {
    "linear": (32, 32),
    "linear of tokens": (10, 10),
    "linear on the teacher": (116, 53),
    "bag": (15, 15),
    "bag with n-grams": (42, 42),
    "cnn": (15, 15),
    "cnn factorised": (14, 14),
    "bilstm": (27, 27),
    "bilstm of two layers": (31, 31),
    "bigru": (27, 27),
    "bigru of two layers": (30, 30),
    "cut transformer": (48, 29),
    "cut transformer made narrower": (82, 41),
    "transformer from scratch": (82, 41),
    "transformer factorised": (54, 31),
}


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return make_teacher(tmp_path_factory.mktemp("teacher"))


@pytest.fixture(scope="module", params=[(shape, flavour) for shape in SHAPES for flavour in FLAVOURS], ids=": ".join)
def exported(request, teacher, tmp_path_factory):
    shape, flavour = request.param
    model = build_student(StudentConfig(**SHAPES[shape]), teacher)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    path = tmp_path_factory.mktemp("graph") / "model.onnx"
    export_onnx(model, path, opset=OPSET, flavour=flavour)
    return shape, flavour, model, path


def some_ids(count=30):
    rng = np.random.default_rng(0)
    return [[2], *([2, *rng.integers(5, 100, rng.integers(0, 40)).tolist(), 3] for _ in range(count))]


def test_the_graph_says_what_the_model_says(exported):
    """Texts of one token and more, one by one and padded in pairs."""
    _, _, model, path = exported
    expected = predict_logits(model, some_ids())
    assert np.abs(expected - graph_logits(path, some_ids(), pad_token_id=0)).max() < 1e-5
    assert expected.std(axis=0).min() > 1e-3


def test_the_graph_is_lean(exported):
    name, flavour, _, path = exported
    graph = onnx.load(path)
    counts = Counter(node.op_type for node in graph.graph.node)
    assert sum(counts.values()) <= MOST_NODES[name][FLAVOURS.index(flavour)]
    assert {entry.domain: entry.version for entry in graph.opset_import}[""] == OPSET
    operator, layers = RECURRENT.get(name, ("LSTM", 0))
    assert counts[operator] == layers
    assert not {"Loop", "Scan", "If"} & set(counts)
    weights = {weight.name for weight in graph.graph.initializer}
    for node in graph.graph.node:
        if node.op_type == operator:
            assert set(node.input[1:4]) <= weights  # constants, which can be quantized
            assert node.input[4]  # the lengths


def test_a_graph_follows_the_weights_of_its_export(teacher, tmp_path):
    """Training goes on after an evaluation: the graph must have the last weights, not those of the evaluation."""
    model = build_student(StudentConfig(**SHAPES["bilstm"]), teacher).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    export_onnx(model, tmp_path / "model.onnx", opset=OPSET)
    difference = predict_logits(model, some_ids()) - graph_logits(tmp_path / "model.onnx", some_ids(), pad_token_id=0)
    assert np.abs(difference).max() < 1e-5


def test_int8_is_smaller_and_close(exported, tmp_path):
    *_, path = exported
    dynamic_int8(path, tmp_path / "int8.onnx", find_profile("pi5").int8)
    assert (tmp_path / "int8.onnx").stat().st_size < path.stat().st_size
    expected = graph_logits(path, some_ids(), pad_token_id=0)
    actual = graph_logits(tmp_path / "int8.onnx", some_ids(), pad_token_id=0)
    assert np.abs(expected - actual).max() < 0.25 * np.abs(expected).max() + 0.1
