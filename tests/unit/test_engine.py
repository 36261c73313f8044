"""The engine of teacher labels: what may be used, what is refused, and that the model stays as it was."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")

import numpy as np  # noqa: E402

from edgekd.batches import predict_logits  # noqa: E402
from edgekd.progress import Silent  # noqa: E402
from edgekd.teacher import engine as engines  # noqa: E402
from edgekd.teacher.engine import ONNX, TORCH, first_token_only, open_engine  # noqa: E402
from edgekd.teacher.load import encode, load_classifier  # noqa: E402
from tests.toys import make_classifier, toy_data  # noqa: E402

FAMILIES = ["bert", "roberta", "electra", "distilbert"]


@pytest.fixture(scope="module")
def teachers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("teachers")
    return {name: load_classifier(make_classifier(folder / name, family=name), 32, Silent()) for name in FAMILIES}


@pytest.fixture(scope="module")
def input_ids(teachers):
    return encode(teachers["bert"].tokenizer, toy_data().train.texts, 32)


@pytest.fixture
def no_export(monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("unsupported operator")

    monkeypatch.setattr(engines, "export_onnx", fail)


def logits_by(engine, input_ids):
    """Return logits of single texts, so that nothing depends on how they are batched."""
    return np.concatenate([engine.forward(np.array([ids]), np.ones((1, len(ids)), np.int64)) for ids in input_ids])


@pytest.mark.parametrize("family", FAMILIES)
def test_the_first_token_alone_gives_the_same_logits(teachers, input_ids, family):
    model = teachers[family].model
    expected = predict_logits(model, input_ids)
    with first_token_only(model) as possible:
        assert possible == (family != "distilbert")
        assert np.allclose(predict_logits(model, input_ids), expected, atol=1e-5)
    assert np.array_equal(predict_logits(model, input_ids), expected)


def test_the_last_layer_computes_one_token(teachers, input_ids):
    model = teachers["bert"].model
    seen = []
    for layer in model.bert.encoder.layer:
        layer.intermediate.register_forward_hook(lambda _, inputs, output: seen.append(inputs[0].shape[1]))
    with first_token_only(model):
        predict_logits(model, [input_ids[0]])
    assert seen == [len(input_ids[0]), 1]


def test_a_head_that_reads_other_tokens_keeps_the_whole_layer(teachers, input_ids):
    model = teachers["bert"].model
    pooler = model.bert.pooler
    hook = pooler.register_forward_pre_hook(lambda _, inputs: (inputs[0].mean(dim=1, keepdim=True) * 50,))
    try:
        expected = predict_logits(model, input_ids, batch_size=1)  # the mean is over all positions, so no padding
        with open_engine(model, input_ids) as engine:
            assert not engine.choice.first_token_only
            assert np.allclose(logits_by(engine, input_ids), expected, atol=1e-4)
    finally:
        hook.remove()


def test_little_work_is_done_by_torch_without_an_export(teachers, input_ids, no_export):
    with open_engine(teachers["bert"].model, input_ids, worth_s=1e6) as engine:
        assert engine.choice.engine == TORCH
        assert "too little to gain" in engine.choice.reason
        assert engine.choice.texts_per_s == {}


def test_a_failing_export_leaves_torch(teachers, input_ids, no_export):
    with open_engine(teachers["bert"].model, input_ids, worth_s=0) as engine:
        assert engine.choice.engine == TORCH
        assert "cannot be exported: RuntimeError" in engine.choice.reason
        assert np.allclose(logits_by(engine, input_ids), predict_logits(teachers["bert"].model, input_ids), atol=1e-4)


@pytest.mark.parametrize("error", [2e-3, np.nan])
def test_a_graph_that_disagrees_is_refused(teachers, input_ids, monkeypatch, error):
    real = engines.torch_forward(teachers["bert"].model)
    monkeypatch.setattr(engines, "onnx_forward", lambda model: lambda ids, mask: real(ids, mask) + error)
    with open_engine(teachers["bert"].model, input_ids, worth_s=0) as engine:
        assert engine.choice.engine == TORCH
        assert "disagrees" in engine.choice.reason


@pytest.mark.parametrize(("times", "expected"), [([0.2, 0.1], ONNX), ([0.1, 0.2], TORCH)])
def test_the_faster_engine_is_taken_and_both_speeds_are_kept(teachers, input_ids, monkeypatch, times, expected):
    real = engines.torch_forward(teachers["bert"].model)
    monkeypatch.setattr(engines, "onnx_forward", lambda model: real)
    monkeypatch.setattr(engines._Sample, "seconds", lambda self, *forwards: times[: len(forwards)])
    with open_engine(teachers["bert"].model, input_ids, worth_s=0) as engine:
        assert engine.choice.engine == expected
        assert engine.choice.reason == f"2.00 times the speed of {({ONNX: TORCH, TORCH: ONNX})[expected]} on 96 texts"
        assert engine.choice.texts_per_s == {TORCH: round(96 / times[0]), ONNX: round(96 / times[1])}
        assert engine.choice.label_flips == 0


def test_the_graph_in_onnx_runtime_says_what_the_model_says(teachers, input_ids):
    model = teachers["bert"].model
    expected = predict_logits(model, input_ids)
    attention = model.config._attn_implementation
    with open_engine(model, input_ids, prefer=ONNX) as engine:
        assert engine.choice.engine == ONNX
        assert engine.choice.first_token_only
        assert engine.choice.max_abs_diff <= 1e-4
        actual = logits_by(engine, input_ids)
    assert np.allclose(actual, expected, atol=1e-4)
    assert np.array_equal(actual.argmax(axis=1), expected.argmax(axis=1))
    assert model.config._attn_implementation == attention
    assert np.array_equal(predict_logits(model, input_ids), expected)
