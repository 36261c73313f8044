"""Contributions: exact leave-one-out values, in log-odds or in the value of a regression."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgekd.errors import ConfigError, DataError
from edgekd.explain.contributions import Method, answer
from edgekd.explain.explainer import Explainer
from edgekd.explain.model import ExplainedModel, Reading
from edgekd.explain.scores import log_odds
from edgekd.explain.words import join, word_spans
from edgekd.runtime import OnnxSession
from edgekd.tasks import Calibration, Task, TaskKind
from tests.bundles import make_bundle

pytest.importorskip("onnx")

SINGLE = Task(TaskKind.SINGLE_LABEL, ("negative", "positive"))
TEXT = "the film was great, not boring"


def opened(bundle):
    return ExplainedModel(bundle)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("single"), seed=1)


@pytest.fixture(scope="module")
def model(bundle):
    return opened(bundle)


@pytest.fixture(scope="module")
def regression(tmp_path_factory):
    return opened(make_bundle(tmp_path_factory.mktemp("value"), task=TaskKind.REGRESSION, labels=("rating",)))


def test_two_labels_give_the_log_odds_of_the_calibrated_probability():
    [[_, odds]] = log_odds(SINGLE, np.array([[0.5, 2.5]]), Calibration(temperature=2.0))
    p = 1 / (1 + math.exp(-1.0))
    assert odds == pytest.approx(math.log(p / (1 - p))) == pytest.approx(1.0)


def test_three_labels_are_compared_with_the_mean_of_the_others():
    task = Task(TaskKind.SINGLE_LABEL, ("a", "b", "c"))
    assert log_odds(task, np.array([[3.0, 1.0, -1.0]]), Calibration()).tolist() == [[3.0, 0.0, -3.0]]


def test_a_constant_added_to_all_logits_changes_nothing():
    logits = np.array([[3.0, 1.0]])
    assert log_odds(SINGLE, logits + 7, Calibration()) == pytest.approx(log_odds(SINGLE, logits, Calibration()))


def test_each_label_of_many_has_its_own_log_odds_and_a_value_is_left_alone():
    logits = np.array([[3.0, 1.0]])
    multi = Task(TaskKind.MULTI_LABEL, ("a", "b"))
    assert log_odds(multi, logits, Calibration(temperature=2.0)).tolist() == [[1.5, 0.5]]
    value = Task(TaskKind.REGRESSION, ("rating",))
    assert log_odds(value, logits[:, :1], Calibration(temperature=2.0)).tolist() == [[3.0]]


def test_a_contribution_is_what_the_score_of_the_shorter_text_lacks(bundle, model):
    """Deleting the tokens of a word gives the ids of the text without the word."""
    [found] = Explainer(model).explain(TEXT, "positive").explanations
    session = OnnxSession(bundle, 1)
    session.load()
    texts = [TEXT, *(TEXT[:a] + TEXT[b:] for a, b in word_spans(TEXT))]
    scores = [log_odds(SINGLE, session.run([text]).astype(float), Calibration())[0, 1] for text in texts]
    expected = [scores[0] - score for score in scores[1:]]
    assert found.models[0].values == pytest.approx(expected, abs=1e-5)
    assert found.models[0].score == pytest.approx(scores[0], abs=1e-5)
    without = [1 / (1 + math.exp(-score)) for score in scores[1:]]
    assert found.models[0].without == pytest.approx(without, abs=1e-6)


def test_words_that_speak_for_and_against_the_label(model):
    found = Explainer(model).explain(TEXT, "positive")
    values = dict(zip([word.text for word in found.words], found.explanations[0].models[0].values, strict=True))
    assert max(values, key=values.get) == "great"
    assert min(values, key=values.get) == "boring"
    assert values["great"] > 0.4 > -0.4 > values["boring"]


def test_the_predicted_label_is_explained_unless_another_is_asked_for(model):
    explainer = Explainer(model)
    assert [e.label for e in explainer.explain("a great film").explanations] == ["positive"]
    asked = explainer.explain("a great film", "negative").explanations
    predicted = explainer.explain("a great film").explanations
    assert [e.label for e in asked] == ["negative"]
    assert asked[0].models[0].values == pytest.approx([-value for value in predicted[0].models[0].values])
    assert asked[0].models[0].method is Method.LEFT_OUT


def test_word_pieces_make_one_word_and_tokens_can_be_asked_for(model):
    whole = Explainer(model).explain("unfunly great")
    pieces = Explainer(model, by_token=True).explain("unfunly great")
    assert [word.text for word in whole.words] == ["unfunly", "great"]
    assert len(pieces.words) > 2
    assert "".join(word.text for word in pieces.words) == "unfunlygreat"


def test_ids_are_those_of_the_runtime(bundle, model):
    session = OnnxSession(bundle, 1)
    session.load()
    for text in (TEXT, "", "great " * 100, "caf\u00e9 \u597d unfunly"):
        assert model.encode(text).ids == session.encode([text]).feed["input_ids"][0].tolist()


def test_parts_of_a_text_keep_the_special_tokens(model):
    tokens = model.encode("great film")
    reading = Reading.of(model, tokens, join("great film", word_spans("great film")))
    first, great, film, last = tokens.ids
    assert reading.without({0}) == reading.only({1}) == [first, film, last]
    assert reading.without(()) == tokens.ids
    assert reading.only(()) == [first, last]
    assert reading.owners == [None, 0, 1, None]
    assert great != film


def test_a_batch_changes_nothing_and_int8_is_never_batched(tmp_path, model, monkeypatch):
    rows = [model.encode(text).ids for text in ("great film", "it was", TEXT)] * 7
    alone = np.concatenate([model.logits([row]) for row in rows])
    assert model.logits(rows) == pytest.approx(alone, abs=1e-6)
    int8 = opened(make_bundle(tmp_path / "int8", precision="int8"))
    sizes = []
    infer = int8._infer
    monkeypatch.setattr(int8, "_infer", lambda part: sizes.append(len(part)) or infer(part))
    int8.logits(rows)
    assert sizes == [1] * len(rows)


def test_a_long_text_names_the_words_that_were_not_read(tmp_path):
    short = opened(make_bundle(tmp_path / "short", max_length=6))
    found = Explainer(short).explain("the film was great and very dull")
    assert found.views[0].cut == ["and", "very", "dull"]
    assert found.explanations[0].models[0].values[4:] == [None, None, None]
    assert all(value is not None for value in found.explanations[0].models[0].values[:4])


def test_a_text_that_just_fits_is_not_cut(tmp_path):
    short = opened(make_bundle(tmp_path / "short", max_length=6))
    assert Explainer(short).explain("the film was great \x00 ").views[0].cut == []


def test_a_word_that_is_read_in_part_is_not_called_cut(tmp_path):
    short = opened(make_bundle(tmp_path / "short", max_length=5))
    found = Explainer(short).explain("great xyzxyz")  # the second word has six pieces, of which two fit
    assert found.views[0].cut == []
    assert found.explanations[0].models[0].values[1] is not None


@pytest.mark.parametrize(("text", "why"), [("", "is empty"), ("  \n", "is empty"), ("\x00", "knows how to read")])
def test_a_text_without_words_cannot_be_explained(model, text, why):
    with pytest.raises(DataError, match=why):
        Explainer(model).explain(text)


def test_an_unknown_label_names_all_labels(model):
    with pytest.raises(ConfigError, match="negative, positive") as error:
        Explainer(model).explain("great", "positiv")
    assert "Did you mean 'positive'?" in error.value.message


def test_every_chosen_label_is_explained_with_its_threshold(tmp_path):
    labels = ("joy", "anger", "fear", "love")
    calibration = Calibration(temperature=0.25, thresholds=(0.6, 0.6, 0.999, 0.6))
    multi = opened(make_bundle(tmp_path / "multi", task=TaskKind.MULTI_LABEL, labels=labels, calibration=calibration))
    explainer = Explainer(multi)
    # Word i of LABEL_WORDS speaks for label i: awful, great, bad, good.
    both = explainer.explain("awful great film")
    assert [e.label for e in both.explanations] == both.views[0].chosen == ["joy", "anger"]
    values = {e.label: e.models[0].values for e in both.explanations}
    assert values["joy"][0] > 0 > values["joy"][1] + values["joy"][2]
    assert values["anger"][1] > 0
    assert [e.label for e in explainer.explain("bad").explanations] == ["fear"]  # likeliest, below its threshold
    assert explainer.explain("bad").views[0].chosen == []


def test_a_regression_explains_its_value(regression):
    found = Explainer(regression).explain("the film was great")
    [explanation] = found.explanations
    [part] = explanation.models
    assert (explanation.label, part.probability) == ("rating", None)
    assert part.score == pytest.approx(found.views[0].outputs["rating"])
    assert part.values == pytest.approx([part.score - value for value in part.without])
    assert int(np.argmax(part.values)) == 3
    with pytest.raises(ConfigError, match="rating") as error:
        Explainer(regression).explain("great", "score")
    assert "one value" in error.value.hint


def test_student_and_teacher_share_words_and_label(tmp_path, model):
    # The teacher has the labels in the other order; "great" speaks for its label 1, "negative".
    teacher = opened(make_bundle(tmp_path / "teacher", labels=("positive", "negative"), seed=2))
    found = Explainer(model, teacher).explain(TEXT)
    [explanation] = found.explanations
    student, other = (np.array(part.values) for part in explanation.models)
    assert [part.label for part in explanation.models] == [explanation.label] * 2
    assert explanation.agreement < 0
    assert student[3] * other[3] < 0
    assert Explainer(model, model).explain(TEXT).explanations[0].agreement == 1.0
    assert Explainer(model, model).explain("great film").explanations[0].agreement is None


def test_a_teacher_of_another_task_is_refused(tmp_path, model, regression):
    with pytest.raises(ConfigError, match="cannot stand beside"):
        Explainer(model, regression)
    other = opened(make_bundle(tmp_path / "other", labels=("spam", "ham")))
    with pytest.raises(ConfigError, match="spam, ham"):
        Explainer(model, other)


def test_a_model_answers_the_same_with_and_without_its_explanation(model):
    tokens = model.encode(TEXT)
    found = answer(Reading.of(model, tokens, join(TEXT, word_spans(TEXT))))
    assert found.outputs == pytest.approx(model.outputs([tokens.ids])[0], abs=1e-6)
    assert found.parts is None
