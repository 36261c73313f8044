"""The contributions of ``linear`` are exact: they add up to the logit, and are the Shapley values of the words."""

from __future__ import annotations

import itertools
import json
import math
import shutil

import numpy as np
import pytest

from edgekd.bundle import Manifest, write_manifest
from edgekd.errors import InvalidArtifact
from edgekd.explain.additive import additive_parts, longest_ngram
from edgekd.explain.contributions import Method, answer
from edgekd.explain.explainer import Explainer
from edgekd.explain.model import ExplainedModel, Reading
from edgekd.explain.scores import log_odds
from edgekd.explain.words import join, word_spans
from edgekd.tasks import Calibration, TaskKind
from tests.bundles import make_bundle, make_tokenizer, vocabulary

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")

LABELS = ("negative", "neutral", "positive")
CALIBRATION = Calibration(temperature=1.7)
TEXTS = ["the film was great", "great", "not very unfunly, not very great great film !", "the " * 80]


def make_linear(folder, ngrams):
    """Write a bundle of a ``linear`` student with random weights; return it with the torch model."""
    from edgekd.export.onnx import export_onnx
    from edgekd.student.linear import LinearConfig, LinearForSequenceClassification

    torch.manual_seed(0)
    config = LinearConfig(vocab_size=len(vocabulary()), ngrams=ngrams, buckets=64, num_labels=len(LABELS))
    student = LinearForSequenceClassification(config).eval()
    torch.nn.init.normal_(student.weights.weight)
    torch.nn.init.normal_(student.bias)
    folder.mkdir()
    export_onnx(student, folder / "model.onnx", opset=18)
    make_tokenizer(folder / "tokenizer.json")
    config.save_pretrained(folder)
    manifest = Manifest(
        name="linear-fp32",
        role="student",
        kind="linear",
        precision="fp32",
        task=TaskKind.SINGLE_LABEL,
        labels=list(LABELS),
        calibration=CALIBRATION,
        max_length=64,
        inputs=["input_ids", "attention_mask"],
        runtime="onnxruntime",
        providers=["CPUExecutionProvider"],
        target="cpu",
    )
    return ExplainedModel(write_manifest(folder, manifest)), student


@pytest.fixture(scope="module")
def linears(tmp_path_factory):
    """Export each length of n-grams once."""
    return [make_linear(tmp_path_factory.mktemp("linear") / "bundle", ngrams) for ngrams in (1, 2, 3)]


@pytest.fixture(params=[0, 1, 2], ids=["1-grams", "2-grams", "3-grams"])
def linear(request, linears):
    return linears[request.param]


def read(model, text):
    tokens = model.encode(text)
    return Reading.of(model, tokens, join(text, word_spans(text)))


@pytest.mark.parametrize("text", TEXTS)
def test_contributions_and_base_add_up_to_the_logits(linear, text):
    model, student = linear
    reading = read(model, text)
    parts = answer(reading).parts
    ids = torch.tensor([reading.tokens.ids])
    with torch.no_grad():
        logits = student(ids, torch.ones_like(ids)).logits[0].double().numpy()
    assert parts.base + parts.words.sum(axis=0) == pytest.approx(logits, rel=1e-5, abs=1e-4)


def test_contributions_add_up_to_the_score_that_is_shown(linear):
    for label in LABELS:
        [found] = Explainer(linear[0]).explain(TEXTS[2], label).explanations
        [part] = found.models
        assert part.method is Method.ADDITIVE
        assert part.base + sum(part.values) == pytest.approx(part.score, abs=1e-5)


def test_the_page_shows_the_sum(linears):
    pytest.importorskip("jinja2")
    from edgekd.explain.html import to_html

    explainer = Explainer(linears[1][0])
    found = explainer.explain(TEXTS[0], "positive")
    base = found.explanations[0].models[0].base
    page = to_html(explainer, [found], None)
    assert f"= base {base:+.3f} + the sum of the words" in page
    assert "linear-fp32: exact parts of the log-odds." in page


def test_contributions_are_shapley_values(linear):
    """By their definition: the mean over all orders of words of what a word adds when it comes."""
    model, student = linear
    reading = read(model, "not very unfunly great")
    parts = additive_parts(reading, model.logits([reading.tokens.ids])[0])
    ids, mask = torch.tensor([reading.tokens.ids]), torch.ones(1, len(reading.tokens.ids), dtype=torch.long)
    length = math.sqrt(len(reading.tokens.ids))

    def worth(words):
        """Sum the rows whose tokens all belong to these words or are special, at the length of the whole text."""
        kept = torch.tensor([[int(owner is None or owner in words) for owner in reading.owners]])
        with torch.no_grad():
            rows, counts = student.features(ids, mask * kept)
            return (student.weights(rows[0]) * counts[0][:, None]).sum(dim=0).double().numpy() / length

    orders = list(itertools.permutations(reading.read))
    expected = np.zeros_like(parts.words)
    for order in orders:
        for place, word in enumerate(order):
            expected[word] += worth(order[: place + 1]) - worth(order[:place])
    assert parts.words == pytest.approx(expected / len(orders), abs=1e-5)
    assert parts.base == pytest.approx(worth(()) + student.bias.detach().double().numpy(), abs=1e-5)


def test_with_single_tokens_a_contribution_is_the_row_of_the_token(linears):
    model, student = linears[0]
    reading = read(model, "great film")
    parts = additive_parts(reading, model.logits([reading.tokens.ids])[0])
    rows = student.weights.weight.detach().double().numpy()[reading.tokens.ids] / math.sqrt(4)
    assert parts.words == pytest.approx(rows[1:3], abs=1e-5)
    expected = log_odds(model.task, rows[1:3], CALIBRATION)[:, 2]
    assert Explainer(model).explain("great film", "positive").explanations[0].models[0].values == pytest.approx(
        expected, abs=1e-5
    )


def test_each_label_of_many_is_exact_too(linears, tmp_path):
    bundle = linears[1][0].bundle
    folder = shutil.copytree(bundle.folder, tmp_path / "multi")
    manifest = bundle.manifest.model_copy(update={"task": TaskKind.MULTI_LABEL})
    model = ExplainedModel(write_manifest(folder, manifest))
    for label in LABELS:
        part = Explainer(model).explain(TEXTS[2], label).explanations[0].models[0]
        assert part.base + sum(part.values) == pytest.approx(part.score, abs=1e-5)


def test_an_int8_bundle_is_exact_too(linears, tmp_path):
    """Only the table of rows is quantized; rows are still added up."""
    from edgekd.compress.int8 import dynamic_int8
    from edgekd.devices import Int8

    bundle = linears[1][0].bundle
    folder = shutil.copytree(bundle.folder, tmp_path / "int8")
    (folder / "model.onnx").unlink()
    dynamic_int8(bundle.model_path, folder / "model.onnx", Int8(activation="uint8", weight="int8", reason="test"))
    model = ExplainedModel(write_manifest(folder, bundle.manifest.model_copy(update={"precision": "int8"})))
    [part] = Explainer(model).explain(TEXTS[2], "positive").explanations[0].models
    assert part.method is Method.ADDITIVE
    assert part.base + sum(part.values) == pytest.approx(part.score, abs=1e-4)


def test_a_graph_that_does_not_add_up_is_not_called_exact(tmp_path):
    """A mean of embeddings that claims to be linear: its normaliser is another."""
    bundle = make_bundle(tmp_path / "bundle")
    (bundle.folder / "config.json").write_text(json.dumps({"model_type": "edgekd-linear", "ngrams": 1}))
    model = ExplainedModel(write_manifest(bundle.folder, bundle.manifest))
    assert longest_ngram(model.bundle) == 1
    [found] = Explainer(model).explain("the film was great").explanations
    assert (found.models[0].method, found.models[0].base) == (Method.LEFT_OUT, None)


def test_a_damaged_configuration_is_an_error(tmp_path):
    bundle = make_bundle(tmp_path / "bundle")
    (bundle.folder / "config.json").write_text(json.dumps({"model_type": "edgekd-linear"}))
    with pytest.raises(InvalidArtifact, match="ngrams is None"):
        longest_ngram(bundle)
