from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from edgekd.bundle import load_bundle, write_manifest
from edgekd.errors import InvalidArtifact
from edgekd.runtime import OnnxSession
from edgekd.runtime.predict import predict_texts
from edgekd.tasks import Calibration, Task, TaskKind
from tests.bundles import make_bundle

SENTIMENT = Task(TaskKind.SINGLE_LABEL, ("negative", "positive"))

pytest.importorskip("onnx")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture
def session(bundle):
    opened = OnnxSession(bundle, threads=1)
    opened.load()
    return opened


# The session


def test_says_what_the_words_say(session):
    logits = session.run(["a great film", "an awful film"])
    assert logits.argmax(axis=-1).tolist() == [1, 0]
    assert logits.dtype == np.float32


def test_a_batch_gives_the_rows_of_single_texts(session):
    texts = ["great", "the film was not very good and it is dull", "", "awful movie!"]
    single = np.concatenate([session.run([text]) for text in texts])
    np.testing.assert_allclose(session.run(texts), single, atol=1e-6)


def test_tokens_count_the_longest_row(session):
    assert session.encode(["great film"]).tokens == 4
    assert session.encode(["great", "great great great"]).tokens == 5
    assert session.encode([""]).tokens == 2


def test_long_texts_are_cut_to_the_maximum_length(bundle, session):
    limit = bundle.manifest.max_length
    assert session.encode(["film " * 500]).tokens == limit
    assert session.encode(["film " * 500, "great"]).feed["input_ids"].shape == (2, limit)


def test_encoding_twice_before_running_keeps_both_inputs(session):
    first, second = session.encode(["great film"]), session.encode(["awful film"])
    assert session.infer(first).argmax() == 1
    assert session.infer(second).argmax() == 0


def test_only_the_inputs_of_the_manifest_are_fed(session):
    assert sorted(session.encode(["great"]).feed) == ["attention_mask", "input_ids"]


def test_cached_and_plain_sessions_agree(bundle):
    texts = ["great film", "caf\u00e9 was fine", "awful \u00a0 movie", "[MASK]s"]
    cached, plain = OnnxSession(bundle, 1), OnnxSession(bundle, 1, cached=False)
    cached.load()
    plain.load()
    np.testing.assert_array_equal(cached.run(texts), plain.run(texts))


def test_slow_factor_changes_work_but_no_logits(bundle, session, tmp_path):
    slow = OnnxSession(make_bundle(tmp_path, slow_factor=2.0), 1)
    slow.load()
    np.testing.assert_array_equal(slow.run(["great film"]), session.run(["great film"]))


def test_a_graph_that_is_no_graph(tmp_path):
    bundle = make_bundle(tmp_path)
    bundle.model_path.write_bytes(b"not a graph")
    bundle = write_manifest(tmp_path, bundle.manifest)  # the hashes are right, the contents are not
    with pytest.raises(InvalidArtifact, match=r"onnxruntime cannot open .*model\.onnx"):
        OnnxSession(load_bundle(tmp_path), 1).load()


def test_a_tokenizer_that_is_no_tokenizer(tmp_path):
    bundle = make_bundle(tmp_path)
    bundle.tokenizer_path.write_text("{}", encoding="utf-8")
    with pytest.raises(InvalidArtifact, match=r"tokenizer\.json' cannot be read"):
        OnnxSession(bundle, 1).load()


def test_inputs_must_be_those_of_the_graph(bundle):
    other = bundle.model_copy(update={"manifest": bundle.manifest.model_copy(update={"inputs": ["input_ids"]})})
    with pytest.raises(InvalidArtifact, match=r"takes \['input_ids', 'attention_mask'\], its manifest says"):
        OnnxSession(other, 1).load()


def test_providers_that_are_not_there(bundle):
    manifest = bundle.manifest.model_copy(update={"providers": ["NoSuchProvider"]})
    with pytest.raises(InvalidArtifact, match=r"wants NoSuchProvider; this onnxruntime has .*CPUExecutionProvider"):
        OnnxSession(bundle.model_copy(update={"manifest": manifest}), 1).load()
    manifest = manifest.model_copy(update={"providers": ["NoSuchProvider", "CPUExecutionProvider"]})
    session = OnnxSession(bundle.model_copy(update={"manifest": manifest}), 1)
    session.load()
    assert session.providers == ["CPUExecutionProvider"]


def test_running_a_bundle_imports_no_training_library(bundle):
    code = (
        "import sys; from pathlib import Path; from edgekd.bundle import load_bundle\n"
        "from edgekd.runtime import OnnxSession\n"
        f"s = OnnxSession(load_bundle(Path({str(bundle.folder)!r})), 1); s.load(); s.run(['great'])\n"
        "import os; assert os.environ['ORT_DISABLE_TELEMETRY'] == '1'\n"
        "print([m for m in ('torch', 'transformers', 'onnx', 'datasets') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# Lengths, batches and types of a graph


def with_shape(bundle, **fields):
    return bundle.model_copy(update={"manifest": bundle.manifest.model_copy(update=fields)})


def opened(bundle, **fields):
    session = OnnxSession(with_shape(bundle, **fields), 1)
    session.load()
    return session


TEXTS = ["great", "the film was not very good and it is dull", "", "awful movie!"]


@pytest.mark.parametrize(("lengths", "shapes"), [([], [3, 12, 2, 5]), ([8, 16], [8, 16, 8, 8]), ([64], [64] * 4)])
def test_texts_are_padded_to_the_next_length(bundle, session, lengths, shapes):
    padded = opened(bundle, lengths=lengths)
    for text, shape in zip(TEXTS, shapes, strict=True):
        found, plain = padded.encode([text]), session.encode([text])
        assert found.tokens == plain.tokens
        assert {name: values.shape for name, values in found.feed.items()} == dict.fromkeys(found.feed, (1, shape))
        assert found.feed["input_ids"][0, : found.tokens].tolist() == plain.feed["input_ids"][0].tolist()
        assert found.feed["attention_mask"].sum() == found.tokens
        np.testing.assert_allclose(padded.infer(found), session.infer(plain), atol=1e-6)
    both = padded.encode(TEXTS[:2])
    assert both.feed["input_ids"].shape == (2, max(shapes[:2]))
    np.testing.assert_allclose(padded.run(TEXTS), session.run(TEXTS), atol=1e-6)


def test_padding_a_text_leaves_the_next_one_alone(bundle):
    padded = opened(bundle, lengths=[8])
    first = padded.encode(["great film"])
    padded.encode(["awful"])
    assert padded.infer(first).argmax() == 1


def test_a_text_is_cut_to_the_longest_length(bundle):
    short = opened(bundle, lengths=[4, 6])
    assert short.encode(["film " * 50]).feed["input_ids"].shape == (1, 6)
    assert short.encode(["film " * 50, "great"]).tokens == 6


@pytest.mark.parametrize("count", [1, 3, 4, 6, 64])
def test_a_graph_of_a_fixed_batch_answers_any_number_of_texts(bundle, session, count):
    fixed = opened(bundle, batch=4)
    calls = []
    call = fixed._call
    fixed._call = lambda feed: calls.append(feed["input_ids"].shape[0]) or call(feed)
    texts = (TEXTS * 16)[:count]
    np.testing.assert_allclose(fixed.run(texts), session.run(texts), atol=1e-6)
    assert calls == [4] * -(-count // 4)


@pytest.fixture(scope="module")
def fixed_graph(tmp_path_factory, bundle):
    """Return a bundle whose graph takes int32 ids alone, two texts of 8 tokens."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    folder = tmp_path_factory.mktemp("fixed")
    made = make_bundle(folder)
    graph = onnx.load(made.model_path)
    keep = [value for value in graph.graph.input if value.name == "input_ids"]
    del graph.graph.input[:]
    graph.graph.input.extend(keep)
    graph.graph.input[0].CopyFrom(helper.make_tensor_value_info("input_ids", TensorProto.INT32, [2, 8]))
    ones = numpy_helper.from_array(np.ones((2, 8), np.int64), "attention_mask")
    graph.graph.initializer.append(ones)
    onnx.save(graph, str(made.model_path))
    return write_manifest(
        folder, made.manifest.model_copy(update={"inputs": ["input_ids"], "lengths": [8], "batch": 2})
    )


def test_inputs_have_the_types_of_the_graph(fixed_graph):
    session = OnnxSession(load_bundle(fixed_graph.folder), 1)
    session.load()
    for texts in (["great film"], ["great film", "awful"], TEXTS[:1] * 5):
        encoded = session.encode(texts)
        assert {name: values.dtype.name for name, values in encoded.feed.items()} == {"input_ids": "int32"}
        assert session.infer(encoded).shape == (len(texts), 2)
    assert session.run(["great film", "awful"]).argmax(axis=1).tolist() == [1, 0]


@pytest.mark.parametrize("said", [{"lengths": []}, {"lengths": [16]}, {"batch": None}, {"batch": 3}])
def test_a_graph_that_does_not_have_the_shape_of_its_manifest(fixed_graph, said):
    with pytest.raises(InvalidArtifact, match=r"takes input_ids as int32 of shape \(2, 8\).*its manifest says batch"):
        opened(fixed_graph, **said)


# Predictions


@pytest.mark.parametrize("batch_size", [1, 2, 10])
def test_predictions_keep_the_order(session, batch_size):
    texts = ["great", "awful", "", "fun fun"]
    found = list(predict_texts(session, SENTIMENT, iter(texts), batch_size=batch_size))
    assert [p.text for p in found] == texts
    assert [found[i].labels for i in (0, 1, 3)] == [("positive",), ("negative",), ("positive",)]
    for p in found:
        assert sum(p.probabilities.values()) == pytest.approx(1.0)
        assert p.chosen == {p.labels[0]: max(p.probabilities.values())}


class Answering:
    """Gives the same logits for every text."""

    name = "answering"

    def __init__(self, *logits):
        self.logits = np.array([logits], dtype=np.float32)

    def run(self, texts):
        return np.repeat(self.logits, len(texts), axis=0)


def predict(task, *logits, **options):
    [found] = predict_texts(Answering(*logits), task, ["a text"], **options)
    return found


def test_the_temperature_softens_a_probability_and_keeps_the_label():
    log_9 = float(np.log(9))
    assert predict(SENTIMENT, 0.0, log_9).chosen == {"positive": pytest.approx(0.9)}
    assert predict(SENTIMENT, 0.0, log_9, calibration=Calibration(2.0)).chosen == {"positive": pytest.approx(0.75)}
    assert predict(SENTIMENT, 0.0, 0.0).labels == ("negative",)  # the first of equal ones


def test_every_label_that_reaches_its_threshold_is_chosen_the_surest_first():
    task = Task(TaskKind.MULTI_LABEL, ("anger", "joy", "love"))
    logits = (0.0, float(np.log(3)), float(np.log(9)))  # probabilities 0.5, 0.75, 0.9
    assert predict(task, *logits).labels == ("love", "joy", "anger")
    strict = predict(task, *logits, calibration=Calibration(1.0, (0.6, 0.75, 0.95)))
    assert strict.labels == ("joy",)
    assert strict.probabilities == {"anger": 0.5, "joy": pytest.approx(0.75), "love": pytest.approx(0.9)}
    assert predict(task, *logits, calibration=Calibration(1.0, (0.99, 0.99, 0.99))).labels == ()


def test_a_regression_has_a_value():
    found = predict(Task(TaskKind.REGRESSION, ("rating",)), -2.5)
    assert (found.value, found.labels, found.probabilities) == (-2.5, (), {})


def test_a_graph_that_does_not_fit_its_labels_is_damaged():
    with pytest.raises(InvalidArtifact, match=r"'answering' gives 3 logits a text, and its task has 2 outputs"):
        predict(SENTIMENT, 0.0, 0.0, 0.0)
    with pytest.raises(InvalidArtifact, match="not finite"):
        predict(SENTIMENT, 0.0, float("nan"))
