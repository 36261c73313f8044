"""Int8 graphs of models that were trained with rounding: they say what torch says, and run in int8."""

from collections import Counter

import pytest

torch = pytest.importorskip("torch")

import numpy as np  # noqa: E402
import onnx  # noqa: E402
import onnxruntime as ort  # noqa: E402
from onnx import TensorProto, numpy_helper  # noqa: E402
from transformers import AutoConfig, AutoModelForSequenceClassification  # noqa: E402

import edgekd.student.kinds  # noqa: E402, F401
from edgekd.batches import predict_logits  # noqa: E402
from edgekd.compress.qat import prepare, quantized_layers, restore  # noqa: E402
from edgekd.compress.qdq import export_qdq  # noqa: E402
from edgekd.devices import Int8, find_profile  # noqa: E402
from edgekd.errors import InvalidArtifact  # noqa: E402
from edgekd.export.parity import graph_logits  # noqa: E402

OPSET = 18
FLAVOUR = find_profile("pi5").int8
BERT_LIKE = {
    "hidden_size": 64,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 128,
    "initializer_range": 0.2,
}
MODELS = {
    "bert": BERT_LIKE,
    "roberta": BERT_LIKE,
    "electra": {**BERT_LIKE, "embedding_size": 64},
    "distilbert": {"dim": 64, "n_layers": 1, "n_heads": 2, "hidden_dim": 128, "initializer_range": 0.2},
    "edgekd-bag": {"embedding_dim": 64, "hidden_dim": 64},
    "edgekd-cnn": {"embedding_dim": 32, "filters": 64},
    "edgekd-bilstm": {"factor_dim": 64, "embedding_dim": 64, "hidden_dim": 16},
}
# Linear maps and convolutions in int8, and nodes that round values for them: one for query, key and value, one for all
# convolutions, which round what they give themselves.
KERNELS = {
    "bert": (7, 0, 5),
    "roberta": (7, 0, 5),
    "electra": (7, 0, 5),
    "distilbert": (7, 0, 5),
    "edgekd-bag": (1, 0, 1),
    "edgekd-cnn": (0, 3, 1),
    "edgekd-bilstm": (1, 0, 1),
}


def build(family, flavour=FLAVOUR, *, per_channel=True):
    config = AutoConfig.for_model(family, vocab_size=120, max_position_embeddings=48, pad_token_id=0, **MODELS[family])
    config.num_labels = 3
    torch.manual_seed(1)
    model = AutoModelForSequenceClassification.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    prepare(model, per_channel=per_channel, flavour=flavour)
    model.train()
    for seed in range(2):
        ids = torch.tensor(np.random.default_rng(seed).integers(5, 120, (8, 14)))
        model(input_ids=ids, attention_mask=torch.ones_like(ids))
    return model.eval()


def some_rows(count=60):
    rng = np.random.default_rng(3)
    return [[2], *([2, *rng.integers(5, 120, rng.integers(0, 24)).tolist(), 3] for _ in range(count))]


def optimized(path, folder):
    """Return the operators that ONNX Runtime runs, and the graph."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    options.log_severity_level = 3
    ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    graph = onnx.load(folder / "optimized.onnx").graph
    return Counter(node.op_type for node in graph.node), graph


def check_parity(model, path):
    """All logits agree to fp32 precision, but of texts in which a value fell on the edge between two steps."""
    expected = predict_logits(model, some_rows(), batch_size=1)
    actual = graph_logits(path, some_rows(), pad_token_id=0)
    difference = np.abs(expected - actual).max(axis=1)
    span = np.abs(expected).max()
    assert np.median(difference) < 1e-5 * span
    assert difference.max() < 0.1 * span
    two = np.sort(expected, axis=1)
    sure = two[:, -1] - two[:, -2] > 2 * difference
    assert sure.mean() > 0.9
    assert np.array_equal(expected.argmax(axis=1)[sure], actual.argmax(axis=1)[sure])
    assert expected.std(axis=0).min() > 1e-3


@pytest.fixture(scope="module", params=KERNELS)
def exported(request, tmp_path_factory):
    model = build(request.param)
    path = tmp_path_factory.mktemp("graph") / "model.onnx"
    before = predict_logits(model, some_rows())
    export_qdq(model, path, opset=OPSET)
    assert np.array_equal(predict_logits(model, some_rows()), before)  # the model is as it was
    return request.param, model, path


def test_the_graph_says_what_the_model_says(exported):
    check_parity(*exported[1:])


def test_the_graph_runs_in_int8(exported, tmp_path):
    family, model, path = exported
    operators, graph = optimized(path, tmp_path)
    found = tuple(operators[name] for name in ("MatMulIntegerToFloat", "QLinearConv", "QuantizeLinear"))
    assert found == KERNELS[family]
    assert sum(found[:2]) == len(quantized_layers(model))
    assert operators["Pad"] == 0
    constants = {entry.name for entry in graph.initializer}
    rounded = [node for node in graph.node if node.op_type == "DequantizeLinear" and node.input[0] in constants]
    assert not rounded  # no weights are made fp32 at run time
    if family != "edgekd-bilstm":  # whose LSTM stays fp32
        large = [entry for entry in graph.initializer if np.prod(entry.dims) >= 64 * 64]
        assert {entry.data_type for entry in large} == {TensorProto.INT8}


def test_the_integers_in_the_file_are_those_of_the_weights(exported):
    _, model, path = exported
    expected = [layer.rounding.weight_integers(layer.weight)[0] for layer in quantized_layers(model).values()]
    stored = {
        (integers.t() if integers.dim() == 2 else integers).contiguous().numpy().tobytes() for integers in expected
    }
    assert {weight.tobytes() for weight in weights_of(onnx.load(path).graph)} == stored


def test_token_vectors_are_stored_as_the_integers_that_training_saw(exported):
    _, model, path = exported
    weight = model.get_input_embeddings().weight.detach().numpy()
    constants = [numpy_helper.to_array(entry) for entry in onnx.load(path).graph.initializer]
    [table] = [value for value in constants if value.dtype == np.int8 and value.shape == weight.shape]
    expected = np.rint(weight / (np.abs(weight).max(axis=1, keepdims=True) / np.float32(127)))
    assert (table != expected).mean() < 1e-3


def weights_of(graph):
    """Return the int8 weights of matrices."""
    constants = {entry.name: entry for entry in graph.initializer}
    found = {node.input[0] for node in graph.node if node.op_type == "DequantizeLinear"} & set(constants)
    return [numpy_helper.to_array(constants[name]) for name in found if constants[name].data_type == TensorProto.INT8]


@pytest.mark.parametrize(
    ("family", "per_channel", "reduce_range"),
    [("edgekd-cnn", False, False), ("edgekd-cnn", True, True), ("edgekd-bag", False, True)],
)
def test_every_flavour_runs_in_int8(family, per_channel, reduce_range, tmp_path):
    model = build(family, FLAVOUR.model_copy(update={"reduce_range": reduce_range}), per_channel=per_channel)
    export_qdq(model, tmp_path / "model.onnx", opset=OPSET)
    check_parity(model, tmp_path / "model.onnx")
    operators, _ = optimized(tmp_path / "model.onnx", tmp_path)
    assert (operators["MatMulIntegerToFloat"], operators["QLinearConv"]) == KERNELS[family][:2]
    weights = weights_of(onnx.load(tmp_path / "model.onnx").graph)
    assert {np.abs(weight.astype(int)).max() for weight in weights} == {64 if reduce_range else 127}


def test_activations_may_be_signed(tmp_path):
    model = build("edgekd-cnn", Int8(activation="int8", weight="int8", reason="x"))
    export_qdq(model, tmp_path / "model.onnx", opset=OPSET)
    check_parity(model, tmp_path / "model.onnx")
    graph = onnx.load(tmp_path / "model.onnx").graph
    kinds = {entry.name: entry.data_type for entry in graph.initializer}
    nodes = [node for node in graph.node if node.op_type == "QuantizeLinear"]
    assert {kinds[node.input[2]] for node in nodes} == {TensorProto.INT8}


def test_a_graph_can_be_made_again_from_the_saved_model(tmp_path):
    model = build("edgekd-cnn")
    export_qdq(model, tmp_path / "first.onnx", opset=OPSET)
    model.save_pretrained(tmp_path / "model")
    again = AutoModelForSequenceClassification.from_pretrained(tmp_path / "model")
    restore(again, tmp_path / "model")
    export_qdq(again, tmp_path / "second.onnx", opset=OPSET)
    assert (tmp_path / "first.onnx").read_bytes() == (tmp_path / "second.onnx").read_bytes()


def test_a_model_that_does_not_round_or_saw_nothing_is_refused(tmp_path):
    config = AutoConfig.for_model("edgekd-bag", vocab_size=120, embedding_dim=64, hidden_dim=64)
    model = AutoModelForSequenceClassification.from_config(config)
    with pytest.raises(InvalidArtifact, match="does not round"):
        export_qdq(model, tmp_path / "model.onnx", opset=OPSET)
    prepare(model, per_channel=True, flavour=FLAVOUR)
    with pytest.raises(InvalidArtifact, match=r"'hidden\.inputs' saw no batch"):
        export_qdq(model, tmp_path / "model.onnx", opset=OPSET)
    assert not (tmp_path / "model.onnx").exists()
