"""Dynamic int8: what is quantized, flavours, exclusion, and what stays as it was."""

import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

import numpy as np  # noqa: E402

from edgekd.compress.embeddings import quantize_embeddings  # noqa: E402
from edgekd.compress.graph import array, initializers, load, operator_counts, weight_nodes  # noqa: E402
from edgekd.compress.int8 import dynamic_int8  # noqa: E402
from edgekd.config import StudentConfig  # noqa: E402
from edgekd.devices import Int8, find_profile  # noqa: E402
from edgekd.errors import InvalidArtifact, NotApplicable  # noqa: E402
from edgekd.export.onnx import export_onnx  # noqa: E402
from edgekd.export.parity import graph_logits  # noqa: E402
from edgekd.steps import Int8Step  # noqa: E402
from edgekd.student.kinds import build_student  # noqa: E402
from tests.graphs import mean_graph, run, some_rows  # noqa: E402
from tests.students import make_teacher  # noqa: E402

SHAPES = {
    "bag": {"embedding_dim": 16},
    "cnn": {"embedding_dim": 16, "hidden_dim": 32},
    "bilstm": {"embedding_dim": 16, "hidden_dim": 16},
    "bigru": {"embedding_dim": 16, "hidden_dim": 16},
    "transformer": {"layers": 1},
}
INT8_OPERATORS = {
    "cnn": {"MatMulInteger": 3},
    "bilstm": {"DynamicQuantizeLSTM": 1},
    "bigru": {"GRU": 1, "Cast": 1},
    "transformer": {"MatMulInteger": 7},  # four of attention, two of the feed-forward layer, the pooler
}
U8S8 = Int8(activation="uint8", weight="int8", reason="test")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    teacher = make_teacher(tmp_path_factory.mktemp("teacher"), labels=("negative", "positive"))
    folder = tmp_path_factory.mktemp("graphs")
    paths = {}
    for kind, shape in SHAPES.items():
        paths[kind] = folder / kind / "model.onnx"
        export_onnx(build_student(StudentConfig(kind=kind, **shape), teacher).eval(), paths[kind], opset=18)
    return paths


def some_ids(count=30):
    rng = np.random.default_rng(0)
    return [[2, *rng.integers(5, 100, rng.integers(0, 40)).tolist(), 3] for _ in range(count)]


@pytest.mark.parametrize("kind", SHAPES)
def test_int8_is_smaller_close_and_has_the_same_inputs_and_outputs(exported, kind, tmp_path):
    path, target = exported[kind], tmp_path / "int8.onnx"
    dynamic_int8(path, target, find_profile("pi5").int8)
    assert target.stat().st_size < path.stat().st_size
    before, after = onnx.load(path), onnx.load(target)
    assert list(before.graph.input) == list(after.graph.input)
    assert list(before.graph.output) == list(after.graph.output)
    expected = graph_logits(path, some_ids(), pad_token_id=0)
    difference = np.abs(graph_logits(target, some_ids(), pad_token_id=0) - expected).max()
    assert 0 < difference < 0.2 * np.abs(expected).max() + 0.1


@pytest.mark.parametrize("kind", INT8_OPERATORS)
def test_the_operators_are_int8(exported, kind, tmp_path):
    dynamic_int8(exported[kind], tmp_path / "int8.onnx", U8S8)
    counts = operator_counts(load(tmp_path / "int8.onnx"))
    found = {name: counts.get(name, 0) for name in INT8_OPERATORS[kind] if name != "Cast"}
    assert found == {name: count for name, count in INT8_OPERATORS[kind].items() if name != "Cast"}
    assert "Conv" not in counts
    assert "LSTM" not in counts


def weight_of(path, name="first_quantized"):
    return array(initializers(load(path))[name])


def test_signs_bits_and_scales_follow_the_flavour(tmp_path):
    path, target = mean_graph(tmp_path / "m.onnx"), tmp_path / "int8.onnx"
    dynamic_int8(path, target, U8S8)
    assert weight_of(target).dtype == np.int8
    assert np.abs(weight_of(target).astype(int)).max() == 127
    assert weight_of(target, "first_scale").size == 1
    dynamic_int8(path, target, U8S8.model_copy(update={"weight": "uint8"}))
    assert weight_of(target).dtype == np.uint8
    dynamic_int8(path, target, U8S8.model_copy(update={"reduce_range": True}))
    assert np.abs(weight_of(target).astype(int)).max() == 64  # 7 bits: products of two neighbours fit into 16
    dynamic_int8(path, target, U8S8.model_copy(update={"per_channel": True}))
    assert weight_of(target, "first_scale").size == 48
    assert (np.abs(weight_of(target).astype(int)).max(axis=0) == 127).all()


def test_the_step_decides_about_channels_before_the_flavour(tmp_path):
    path, target = mean_graph(tmp_path / "m.onnx"), tmp_path / "int8.onnx"
    dynamic_int8(path, target, U8S8, step=Int8Step(per_channel=True))
    assert weight_of(target, "first_scale").size == 48
    dynamic_int8(path, target, U8S8.model_copy(update={"per_channel": True}), step=Int8Step(per_channel=False))
    assert weight_of(target, "first_scale").size == 1


@pytest.mark.parametrize(("mode", "scales"), [("row", 60), ("tensor", 1)])
def test_token_vectors_have_a_scale_a_row_or_one(tmp_path, mode, scales):
    path, target = mean_graph(tmp_path / "m.onnx"), tmp_path / "int8.onnx"
    dynamic_int8(path, target, U8S8, step=Int8Step(embeddings=mode))
    constants = initializers(load(target))
    assert "table" not in constants
    assert array(constants["table_scale"]).size == scales
    assert np.abs(run(target, [1, 2, 3]) - run(path, [1, 2, 3])).max() < 0.1


def test_token_vectors_may_stay_fp32(tmp_path):
    path, target = mean_graph(tmp_path / "m.onnx"), tmp_path / "int8.onnx"
    dynamic_int8(path, target, U8S8, step=Int8Step(embeddings="fp32"))
    constants = initializers(load(target))
    assert array(constants["table"]).dtype == np.float32
    assert "first_quantized" in constants


@pytest.mark.parametrize("given", ["step", "argument"])
@pytest.mark.parametrize(
    ("exclude", "fp32"),
    [(["first"], {"first"}), (["Gemm"], {"first"}), (["read"], {"table"}), (["Gather"], {"table"})],
)
def test_excluded_nodes_and_operators_stay_fp32(tmp_path, given, exclude, fp32):
    path, target = mean_graph(tmp_path / "m.onnx"), tmp_path / "int8.onnx"
    if given == "step":
        dynamic_int8(path, target, U8S8, step=Int8Step(exclude=exclude))
    else:
        dynamic_int8(path, target, U8S8, exclude=exclude)
    constants = initializers(load(target))
    assert {name for name in ("table", "first") if name in constants} == fp32


@pytest.mark.parametrize("kind", ["cnn", "bilstm", "transformer"])
def test_each_node_with_weights_can_be_excluded_by_its_name(exported, kind, tmp_path):
    """Leaving one node in fp32 costs three of its four bytes a weight again, whatever the quantizer calls it."""
    dynamic_int8(exported[kind], tmp_path / "all.onnx", U8S8)
    smallest = (tmp_path / "all.onnx").stat().st_size
    for node in weight_nodes(load(exported[kind]))[:6]:
        dynamic_int8(exported[kind], tmp_path / "one.onnx", U8S8, exclude=[node.name])
        added = (tmp_path / "one.onnx").stat().st_size - smallest
        assert added == pytest.approx(0.75 * node.weight_bytes, abs=2200), node


def test_nothing_left_to_quantize_is_said(tmp_path):
    path = mean_graph(tmp_path / "m.onnx")
    with pytest.raises(NotApplicable, match="no weights that int8 could be made of"):
        dynamic_int8(path, tmp_path / "int8.onnx", U8S8, exclude=["Gather", "Gemm"])
    small = mean_graph(tmp_path / "small.onnx", width=4, hidden=4)  # 240 and 16 values
    with pytest.raises(NotApplicable, match="no weights that int8 could be made of"):
        dynamic_int8(small, tmp_path / "int8.onnx", U8S8)
    assert not (tmp_path / "int8.onnx").exists()


@pytest.mark.parametrize("kind", ["bilstm", "transformer", "cnn"])
def test_int8_after_int4_token_vectors_quantizes_the_rest(exported, kind, tmp_path):
    quantize_embeddings(exported[kind], tmp_path / "int4.onnx", bits=4)
    dynamic_int8(tmp_path / "int4.onnx", tmp_path / "both.onnx", U8S8)
    counts = operator_counts(load(tmp_path / "both.onnx"))
    assert counts["GatherBlockQuantized"] >= 1
    wanted = {name: count for name, count in INT8_OPERATORS[kind].items() if name != "Cast"}
    assert {name: counts.get(name, 0) for name in wanted} == wanted
    logits = graph_logits(tmp_path / "both.onnx", some_ids(), pad_token_id=0)
    assert np.isfinite(logits).all()


def test_the_same_graph_is_the_same_file(tmp_path):
    path = mean_graph(tmp_path / "m.onnx")
    for name in ("a", "b"):
        dynamic_int8(path, tmp_path / name, U8S8)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_graph_that_the_quantizer_cannot_handle_is_an_error_of_ours(tmp_path, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("Unable to find data type for weight_name='x'")

    monkeypatch.setattr("onnxruntime.quantization.quantize_dynamic", broken)
    path = mean_graph(tmp_path / "m.onnx")
    with pytest.raises(InvalidArtifact, match="could not make the graph int8: Unable to find data type"):
        dynamic_int8(path, tmp_path / "int8.onnx", U8S8)
    assert not (tmp_path / "int8.onnx").exists()


def test_int8_answers_hardly_change(tmp_path):
    path = mean_graph(tmp_path / "m.onnx")
    dynamic_int8(path, tmp_path / "int8.onnx", U8S8)
    for row in some_rows():
        np.testing.assert_allclose(run(tmp_path / "int8.onnx", row), run(path, row), rtol=0, atol=0.08)
