"""``edgekd.load``: a bundle as a function, with the answers of ``edgekd predict``."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import edgekd
from edgekd.api import Classifier
from edgekd.errors import ConfigError, DataError, InvalidArtifact
from edgekd.runtime import session_for
from edgekd.runtime.predict import predict_texts
from edgekd.tasks import Calibration, TaskKind
from tests.bundles import make_bundle

pytest.importorskip("onnx")

TEXTS = ["a great film", "", "awful", "good and bad", "e\u0301 \u4e2d\U0001f600"]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("bundle"), calibration=Calibration(temperature=1.7))


@pytest.fixture(scope="module")
def model(bundle):
    return edgekd.load(bundle.folder)


@pytest.fixture(scope="module")
def tagger(tmp_path_factory):
    calibration = Calibration(1.0, (0.6, 0.6, 0.6))
    folder = tmp_path_factory.mktemp("tagger")
    labels = ("anger", "joy", "love")
    return edgekd.load(make_bundle(folder, labels=labels, task=TaskKind.MULTI_LABEL, calibration=calibration).folder)


def predictions(model, texts):
    bundle = model.bundle
    session = session_for(bundle, 1)
    session.load()
    return list(predict_texts(session, bundle.manifest.as_task, texts, calibration=bundle.manifest.calibration))


def test_one_text_gives_a_list_of_one_dictionary(model):
    [answer] = model("a great film")
    assert list(answer) == ["label", "score"]
    assert (answer["label"], type(answer["score"])) == ("positive", float)


def test_answers_are_those_of_predict(model):
    for text, expected in zip(TEXTS, predictions(model, TEXTS), strict=True):
        [answer] = model(text)
        assert (answer["label"],) == expected.labels
        assert answer["score"] == pytest.approx(expected.chosen[answer["label"]], abs=1e-12)


def test_several_texts_give_a_dictionary_each(model):
    assert model(TEXTS) == [pytest.approx(model(text)[0]) for text in TEXTS]
    assert model(tuple(TEXTS), batch_size=2)[2]["label"] == "negative"
    assert model([]) == []


def test_top_k_ranks_labels(model):
    both = model("awful", top_k=None)
    assert [answer["label"] for answer in both] == ["negative", "positive"]
    assert sum(answer["score"] for answer in both) == pytest.approx(1.0)
    assert model("awful", top_k=1) == both[:1]
    assert model("awful", top_k=9) == both
    assert model(["awful", "great"], top_k=1) == [both[:1], model("great", top_k=1)]


def test_multi_label_gives_all_labels_that_reach_their_threshold(tagger):
    assert tagger("a film") == []
    assert [answer["label"] for answer in tagger("great")] == ["joy"]
    assert tagger(["a film", "great"]) == [[], tagger("great")]
    everything = tagger("great", top_k=None)
    assert everything[0]["label"] == "joy"
    assert {answer["label"] for answer in everything} == {"anger", "joy", "love"}
    assert len(tagger("great", top_k=2)) == 2


def test_a_regression_has_the_name_of_its_value(tmp_path):
    model = edgekd.load(make_bundle(tmp_path, labels=("stars",), task=TaskKind.REGRESSION).folder)
    [answer] = model("great")
    assert answer == {"label": "stars", "score": pytest.approx(predictions(model, ["great"])[0].value)}
    assert model(["great", "film"])[0] == answer


def test_equal_logits_give_the_first_label(model):
    flat = Classifier(model.bundle, Answering([0.5, 0.5]))
    assert flat("x") == [{"label": "negative", "score": 0.5}]


class Answering:
    """Gives the same logits for every text."""

    name = "answering"

    def __init__(self, logits):
        self.logits = np.array([logits], dtype=np.float32)

    def encode(self, texts):
        return texts

    def infer(self, texts):
        return np.repeat(self.logits, len(texts), axis=0)

    run = infer


@pytest.mark.parametrize("logits", [[0.0, float("nan")], [float("nan"), 0.0], [float("inf"), 0.0], [0.0, -np.inf]])
def test_logits_that_are_no_numbers_are_refused(model, logits):
    with pytest.raises(InvalidArtifact, match="not finite"):
        Classifier(model.bundle, Answering(logits))("x")


def test_too_many_logits_are_refused(model):
    with pytest.raises(InvalidArtifact, match="gives 3 logits a text, and its task has 2 outputs"):
        Classifier(model.bundle, Answering([0.0, 1.0, 2.0]))("x")


def test_large_logits_do_not_overflow(model):
    [answer] = Classifier(model.bundle, Answering([-3e38, 3e38]))("x")
    assert answer == {"label": "positive", "score": 1.0}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (3, "Text 1 is a int, not a str"),
        (None, "Text 1 is a NoneType"),
        (["a", b"b"], "Text 2 is a bytes"),
        ("x\ud800", "Text 1 is no Unicode text: character 2"),
        (["a", "\udfff"], "Text 2 is no Unicode text: character 1"),
    ],
)
def test_what_is_no_text_is_refused(model, given, message):
    with pytest.raises(DataError, match=message):
        model(given)


def test_bad_options_are_refused(model, bundle):
    for top_k in (0, -1, "all", 1.5):
        with pytest.raises(ConfigError, match="top_k is"):
            model("a", top_k=top_k)
    with pytest.raises(ConfigError, match="batch_size is 0"):
        model(["a"], batch_size=0)
    with pytest.raises(ConfigError, match="threads is 0"):
        edgekd.load(bundle.folder, threads=0)


def test_a_folder_that_is_no_bundle(tmp_path):
    with pytest.raises(InvalidArtifact, match="does not exist"):
        edgekd.load(tmp_path / "nothing")


def test_importing_edgekd_is_light_and_loading_imports_no_training_library(bundle):
    code = (
        "import sys, edgekd\n"
        "print([m for m in ('numpy', 'pydantic', 'onnxruntime', 'tokenizers') if m in sys.modules])\n"
        f"edgekd.load({str(bundle.folder)!r}, threads=2)('great')\n"
        "print([m for m in ('torch', 'transformers', 'onnx', 'openvino') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[]", "[]"]
