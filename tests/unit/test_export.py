"""Export and parity on tiny students."""

import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

import numpy as np  # noqa: E402

from edgekd.batches import predict_logits  # noqa: E402
from edgekd.config import ExportConfig, StudentConfig  # noqa: E402
from edgekd.errors import InvalidArtifact  # noqa: E402
from edgekd.export.onnx import export_onnx  # noqa: E402
from edgekd.export.parity import (  # noqa: E402
    compare_logits,
    graph_logits,
    require_parity,
    spread_over_lengths,
)
from edgekd.student.kinds import build_student  # noqa: E402
from edgekd.tasks import TaskKind  # noqa: E402
from tests.students import make_teacher  # noqa: E402

OPSET = 18
SINGLE = TaskKind.SINGLE_LABEL
SHAPES = {"bag": {"embedding_dim": 16}, "cnn": {"embedding_dim": 16, "hidden_dim": 16}, "transformer": {"layers": 1}}
MOST_NODES = {"bag": 20, "cnn": 40, "transformer": 110}


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return make_teacher(tmp_path_factory.mktemp("teacher"), labels=("negative", "positive"))


@pytest.fixture(scope="module")
def exported(teacher, tmp_path_factory):
    folder = tmp_path_factory.mktemp("graphs")
    models = {}
    for kind, shape in SHAPES.items():
        model = build_student(StudentConfig(kind=kind, **shape), teacher).eval()
        export_onnx(model, folder / kind / "model.onnx", opset=OPSET)
        models[kind] = (model, folder / kind / "model.onnx")
    return models


def some_ids(count=30):
    rng = np.random.default_rng(0)
    return [[2, *rng.integers(5, 100, rng.integers(0, 40)).tolist(), 3] for _ in range(count)]


@pytest.mark.parametrize("kind", SHAPES)
def test_the_graph_says_what_the_model_says(exported, kind):
    model, path = exported[kind]
    ids = [[2], *some_ids()]
    parity = compare_logits(predict_logits(model, ids), graph_logits(path, ids, pad_token_id=0), SINGLE)
    assert parity.texts == 31
    assert parity.max_abs_diff < 1e-5
    assert parity.label_flips == 0
    require_parity(parity, ExportConfig(), kind)


@pytest.mark.parametrize("kind", SHAPES)
def test_the_graph_is_lean_and_dynamic(exported, kind):
    graph = onnx.load(exported[kind][1])
    assert [i.name for i in graph.graph.input] == ["input_ids", "attention_mask"]
    assert [o.name for o in graph.graph.output] == ["logits"]
    for entry in graph.graph.input:
        assert [d.dim_param for d in entry.type.tensor_type.shape.dim] == ["batch", "sequence"]
    assert len(graph.graph.node) <= MOST_NODES[kind]
    assert {o.domain: o.version for o in graph.opset_import}[""] == OPSET


def test_a_wrong_graph_is_not_published(exported, teacher):
    ids = some_ids()
    parity = compare_logits(
        predict_logits(teacher.model, ids), graph_logits(exported["bag"][1], ids, pad_token_id=0), SINGLE
    )
    with pytest.raises(
        InvalidArtifact, match=r"Export of 'bag' failed its parity check.*No bundle was written"
    ) as caught:
        require_parity(parity, ExportConfig(), "bag")
    assert caught.value.exit_code == 3


def test_values_that_are_not_finite_are_refused():
    with pytest.raises(InvalidArtifact, match="not finite"):
        compare_logits(np.zeros((1, 2)), np.array([[0.0, np.nan]]), SINGLE)


def test_parity_texts_have_all_lengths():
    lengths = [5, 1, 9, 3, 7, 2, 8, 4, 6, 10]
    assert [lengths[i] for i in spread_over_lengths(lengths, 4)] == [1, 4, 7, 10]
    assert sorted(spread_over_lengths(lengths, 99)) == list(range(10))
