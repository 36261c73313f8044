from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from edgekd.bundle import load_bundle, write_manifest
from edgekd.errors import InvalidArtifact
from edgekd.runtime import OnnxSession
from edgekd.runtime.cache import MAX_CHUNK_CHARS, CachedTokenizer, why_not_cacheable
from edgekd.runtime.predict import predict_texts
from edgekd.runtime.tokenization import PlainTokenizer, open_encoder, open_tokenizer, pad_id
from edgekd.tasks import Calibration, Task, TaskKind
from tests.bundles import make_bundle, make_tokenizer, vocabulary

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


@pytest.fixture(scope="module")
def tokenizer_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    make_tokenizer(path)
    return path


def spec_of(path):
    return json.loads(path.read_text(encoding="utf-8"))


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


# The cache

WORDS = [
    "great",
    "film",
    "[MASK]",
    "[CLS]x",
    "x[SEP]y",
    "##",
    "##s",
    "un",
    "unfilms",
    "don't",
    "...",
    "a" * 40,
    "a" * 120,
]
printable = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=300)
sentences = st.lists(st.one_of(st.sampled_from(WORDS), printable), max_size=90).map(" ".join)


@pytest.mark.parametrize("max_length", [3, 8, 64])
def test_cached_ids_are_those_of_tokenizers(tokenizer_file, max_length):
    tokenizer = open_tokenizer(tokenizer_file, max_length)
    cached = CachedTokenizer(tokenizer, max_length, max_chunks=200)

    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.one_of(printable, sentences, st.text(max_size=60)))
    @example("")
    @example("   ")
    @example("[MASK]")
    @example("[CLS] great [SEP]")
    @example("great\x1ffilm")
    @example("great\u2028film \u00e9")
    @example("film " * 100)
    @example("a" * 5000)
    def check(text):
        expected = tokenizer.encode(text).ids
        assert cached.ids(text) == expected
        assert cached.ids(text) == expected  # from the cache

    check()


def test_the_second_time_tokenizers_is_not_asked(tokenizer_file):
    asked = []

    class Spy:
        def __init__(self, inner):
            self.encode = inner.encode
            self.inner = inner

        def encode_batch_fast(self, texts, **options):
            asked.extend(texts)
            return self.inner.encode_batch_fast(texts, **options)

    cached = CachedTokenizer(Spy(open_tokenizer(tokenizer_file, 64)), 64)
    cached.ids("great film great")
    assert asked == ["great", "film"]
    cached.ids("film great")
    assert asked == ["great", "film"]
    cached.ids("gr\u00e9at")
    assert asked[2:] == ["gr\u00e9at"]


def test_the_cache_is_bounded_and_goes_back_to_its_mark(tokenizer_file):
    cached = CachedTokenizer(open_tokenizer(tokenizer_file, 64), 64, max_chunks=3)
    cached.ids("great film")
    cached.mark()
    cached.ids("awful movie dull fun")
    assert len(cached) == 3
    cached.reset()
    assert len(cached) == 2
    cached.ids("x" * (MAX_CHUNK_CHARS + 1))
    assert len(cached) == 2


def test_a_pass_begins_with_the_words_of_the_warm_up_alone(session):
    session.warm_up(["great film"])
    warm = len(session._encoder)
    session.run(["dull movie"])
    assert len(session._encoder) == warm + 2
    session.begin_pass()
    assert len(session._encoder) == warm


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"normalizer": None}, "normalizer is None"),
        ({"normalizer": {"type": "NFKC"}}, "normalizer is NFKC"),
        ({"pre_tokenizer": {"type": "Metaspace"}}, "pre_tokenizer is Metaspace"),
        ({"model": {"type": "BPE"}}, "model is BPE"),
        ({"added_tokens": [{"content": "new york"}]}, "looks beyond its chunk"),
        ({"added_tokens": [{"content": "x", "lstrip": True}]}, "lstrip"),
        ({"added_tokens": [{"content": "x", "single_word": True}]}, "single_word"),
        ({"added_tokens": [{"content": "x", "normalized": True}]}, "normalized"),
        ({"post_processor": None}, "post-processor"),
        ({"post_processor": {"type": "RobertaProcessing"}}, "post-processor"),
    ],
)
def test_other_tokenizers_are_not_cached(tokenizer_file, change, reason):
    assert why_not_cacheable(spec_of(tokenizer_file), 64) is None
    assert reason in why_not_cacheable(spec_of(tokenizer_file) | change, 64)


def test_too_short_for_a_word_is_not_cached(tokenizer_file):
    assert why_not_cacheable(spec_of(tokenizer_file), 2) == "max_length is 2"


def test_the_cache_is_used_only_where_it_is_allowed(tokenizer_file, tmp_path):
    assert isinstance(open_encoder(tokenizer_file, 64), CachedTokenizer)
    assert isinstance(open_encoder(tokenizer_file, 64, cached=False), PlainTokenizer)
    spec = spec_of(tokenizer_file)
    spec["normalizer"] = {"type": "Lowercase"}
    (tmp_path / "tokenizer.json").write_text(json.dumps(spec), encoding="utf-8")
    other = open_encoder(tmp_path / "tokenizer.json", 64)
    assert isinstance(other, PlainTokenizer)
    assert other.ids("great") == [vocabulary()[t] for t in ("[CLS]", "great", "[SEP]")]


def test_padding_of_the_file_is_taken_over(tokenizer_file, tmp_path):
    assert pad_id(tokenizer_file) == vocabulary()["[PAD]"]
    spec = spec_of(tokenizer_file) | {"padding": {"pad_id": 7}}
    (tmp_path / "tokenizer.json").write_text(json.dumps(spec), encoding="utf-8")
    assert pad_id(tmp_path / "tokenizer.json") == 7


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
