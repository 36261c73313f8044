"""Export and parity on tiny students."""

import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

import numpy as np  # noqa: E402

from edgekd.batches import predict_logits  # noqa: E402
from edgekd.config import ExportConfig, StudentConfig  # noqa: E402
from edgekd.errors import InvalidArtifact  # noqa: E402
from edgekd.export.onnx import export_onnx  # noqa: E402
from edgekd.export.parity import Exam, limits_for, require_parity, spread_over_lengths  # noqa: E402
from edgekd.graphs import encode_texts  # noqa: E402
from edgekd.student.kinds import build_student  # noqa: E402
from edgekd.tasks import Calibration  # noqa: E402
from tests.students import make_teacher  # noqa: E402
from tests.toys import toy_data  # noqa: E402

OPSET = 18
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
        if kind == "transformer":  # fresh weights are so small that attention hardly changes an answer
            for weights in model.parameters():
                weights.data *= 8 if weights.ndim > 1 else 1
        export_onnx(model, folder / kind / "model.onnx", opset=OPSET)
        models[kind] = (model, folder / kind / "model.onnx")
    return models


@pytest.fixture(scope="module")
def exam(teacher, tmp_path_factory):
    data, folder = toy_data(), tmp_path_factory.mktemp("tokenizer")
    teacher.tokenizer.save_pretrained(folder)
    return Exam.of(
        data.validation.texts,
        data.validation.targets,
        encode=lambda texts: encode_texts(folder / "tokenizer.json", texts, 64),
        task=data.task,
        calibration=Calibration(),
        pad_token_id=0,
        count=24,
    )


def check(exam, model, graph, **options):
    expected = exam.answers_by(lambda rows: predict_logits(model, rows))
    return require_parity(exam, expected, graph, limits_for(ExportConfig(), "fp32"), **options)


@pytest.mark.parametrize("kind", SHAPES)
def test_the_graph_says_what_the_model_says(exported, exam, kind):
    parity = check(exam, *exported[kind], name=kind)
    assert parity.texts == 24
    assert max(parity.max_abs_diff, parity.padding_max_abs_diff, parity.hostile_max_abs_diff) < 1e-5
    assert parity.label_flips == parity.padding_flips == parity.hostile_flips == 0


@pytest.mark.parametrize("kind", SHAPES)
def test_the_graph_is_lean_and_dynamic(exported, kind):
    graph = onnx.load(exported[kind][1])
    assert [i.name for i in graph.graph.input] == ["input_ids", "attention_mask"]
    assert [o.name for o in graph.graph.output] == ["logits"]
    for entry in graph.graph.input:
        assert [d.dim_param for d in entry.type.tensor_type.shape.dim] == ["batch", "sequence"]
    assert len(graph.graph.node) <= MOST_NODES[kind]
    assert {o.domain: o.version for o in graph.opset_import}[""] == OPSET


def test_a_wrong_graph_is_not_published(exported, exam, teacher):
    with pytest.raises(InvalidArtifact, match=r"'bag' failed its parity check.*Nothing was published") as caught:
        check(exam, teacher.model, exported["bag"][1], name="bag")
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("kind", SHAPES)
def test_an_export_whose_mask_is_lost_is_refused(exported, exam, tmp_path, kind):
    model, path = exported[kind]
    graph = onnx.load(path)
    for node in graph.graph.node:
        node.input[:] = ["all_ones" if name == "attention_mask" else name for name in node.input]
    minus_one = onnx.numpy_helper.from_array(np.array(-1), "minus_one")
    graph.graph.initializer.append(minus_one)
    graph.graph.node.insert(0, onnx.helper.make_node("Cast", ["is_token"], ["all_ones"], to=onnx.TensorProto.INT64))
    graph.graph.node.insert(0, onnx.helper.make_node("Greater", ["input_ids", "minus_one"], ["is_token"]))
    onnx.save(graph, tmp_path / "model.onnx")
    with pytest.raises(InvalidArtifact, match=f"'{kind}' failed its parity check: Padding changes logits"):
        check(exam, model, tmp_path / "model.onnx", name=kind)


def test_parity_texts_have_all_lengths():
    lengths = [5, 1, 9, 3, 7, 2, 8, 4, 6, 10]
    assert [lengths[i] for i in spread_over_lengths(lengths, 4)] == [1, 4, 7, 10]
    assert sorted(spread_over_lengths(lengths, 99)) == list(range(10))
