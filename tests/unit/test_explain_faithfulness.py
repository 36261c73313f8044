"""Comprehensiveness, sufficiency, deletion curve: hand-computed, and against explanations of known quality."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekd.errors import ConfigError, DataError
from edgekd.explain.contributions import answer
from edgekd.explain.explainer import Explainer
from edgekd.explain.faithfulness import SHARES, STEPS, Trace, count_of, mean_estimates, summarize, trace
from edgekd.explain.model import ExplainedModel, Reading
from edgekd.explain.sentences import faithfulness_words, report_notes
from edgekd.explain.sources import evaluation_texts, find_teacher, sample
from edgekd.explain.words import join, word_spans
from edgekd.progress import Silent
from edgekd.tasks import Calibration, TaskKind
from tests.bundles import make_bundle
from tests.toys import toy_texts

pytest.importorskip("onnx")

SHARP = Calibration(temperature=0.1)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return ExplainedModel(make_bundle(tmp_path_factory.mktemp("bundle"), calibration=SHARP))


def ask(model, text):
    tokens = model.encode(text)
    return answer(Reading.of(model, tokens, join(text, word_spans(text))))


@pytest.mark.parametrize(
    ("share", "words", "count"),
    [(0.0, 5, 0), (0.1, 3, 1), (0.1, 10, 1), (0.1, 11, 2), (0.3, 10, 3), (0.7, 10, 7), (0.5, 5, 3), (1.0, 7, 7)],
)
def test_a_share_of_the_words_is_rounded_up(share, words, count):
    assert count_of(share, words) == count


@given(st.integers(2, 500))
def test_shares_grow_from_none_to_all(words):
    counts = [count_of(step, words) for step in STEPS]
    assert counts[0] == 0
    assert counts[-1] == words
    assert counts == sorted(counts)


def test_a_trace_asks_the_model_about_the_right_parts(model):
    """Ten words, one of which decides: it is the first to go, and the first tenth alone is that word."""
    text = "the film was very great and it is a movie"
    found = trace(ask(model, text), np.random.default_rng(0))

    def p(part):
        return model.outputs([model.encode(part).ids])[0, 1]

    rest = text.replace("great ", "")
    assert found.removed[0, 0] == found.removed[1, 0] == pytest.approx(p(text), abs=1e-6)
    assert found.removed[0, 1] == pytest.approx(p(rest), abs=1e-6)
    assert found.alone[0, 0] == pytest.approx(p("great"), abs=1e-6)
    assert found.removed[:, -1] == pytest.approx([p(""), p("")], abs=1e-6)
    assert found.removed[0, 1] < 0.6 < 0.9 < found.removed[0, 0]


def test_the_random_order_comes_from_the_seed(model):
    found = ask(model, "the film was very great and it is a movie")
    first, same, other = (trace(found, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first.removed, same.removed)
    assert first.removed[0] == pytest.approx(other.removed[0], abs=1e-6)
    assert not np.array_equal(first.removed[1], other.removed[1])


def test_a_regression_is_followed_in_the_direction_of_its_answer(tmp_path):
    """A value below that of no words at all rests on the words that lower it."""
    value = ExplainedModel(make_bundle(tmp_path / "b", task=TaskKind.REGRESSION, labels=("rating",)))
    negated = ExplainedModel(value.bundle)
    negated.logits = lambda rows: -value.logits(rows)
    text = "the film was very great and it is a movie"
    up, down = (trace(ask(m, text), np.random.default_rng(0)) for m in (value, negated))
    assert down.removed == pytest.approx(up.removed)
    assert down.alone == pytest.approx(up.alone)
    assert up.removed[0, 0] > 0.2 > abs(up.removed[0, 1])
    assert up.removed[:, -1] == pytest.approx([0, 0])


def traces(count, by_contribution, by_chance):
    """Curves that fall to a level at once, with a little spread between texts."""
    found = []
    for number in range(count):
        spread = 0.01 * (number % 3 - 1)
        levels = [[0.9, *[level + spread] * (len(STEPS) - 1)] for level in (by_contribution, by_chance)]
        alone = [[0.9 - spread] * len(SHARES), [0.6] * len(SHARES)]
        found.append(Trace(np.array(levels), np.array(alone)))
    return found


def test_means_are_those_of_the_paper():
    figures = summarize("m", traces(30, 0.2, 0.8))
    first = figures.shares[0]
    assert figures.texts == 30
    assert first.comprehensiveness.value == pytest.approx(0.7)
    assert first.random_comprehensiveness.value == pytest.approx(0.1)
    assert first.comprehensiveness_gain.value == pytest.approx(0.6)
    assert first.sufficiency.value == pytest.approx(0.0)
    assert first.random_sufficiency.value == pytest.approx(0.3)
    assert first.sufficiency_gain.value == pytest.approx(0.3)
    assert [e.value for e in figures.curve] == pytest.approx([0.9] + [0.2] * 10)
    assert [e.value for e in figures.random_curve] == pytest.approx([0.9] + [0.8] * 10)
    assert first.comprehensiveness.low < 0.7 < first.comprehensiveness.high


@pytest.mark.parametrize(
    ("by_contribution", "by_chance", "words"),
    [(0.2, 0.8, "names words that the model uses"), (0.8, 0.2, "worse than a random"), (0.5, 0.5, "cannot tell")],
)
def test_the_verdict_follows_the_interval(by_contribution, by_chance, words):
    assert words in faithfulness_words(summarize("m", traces(30, by_contribution, by_chance)), TaskKind.SINGLE_LABEL)


def test_too_few_texts_are_refused():
    with pytest.raises(DataError, match="at least 10 texts"):
        summarize("m", traces(9, 0.2, 0.8))


def test_intervals_of_means_cover_the_truth():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(60):
        [estimate] = mean_estimates(rng.normal(0.3, 1.0, (60, 1)))
        covered += estimate.low <= 0.3 <= estimate.high
    assert 53 <= covered <= 60


def test_toy_texts_are_explained_faithfully(model):
    texts, _ = toy_texts(24)
    report = Explainer(model, model).faithfulness([*texts, "great"], Silent())
    assert report.skipped == 1
    assert [figures.texts for figures in report.models] == [24, 24]
    assert report.models[0].shares == report.models[1].shares
    assert report.models[0].shares[0].comprehensiveness_gain.low > 0.1
    assert report.models[0].shares[0].sufficiency_gain.low > 0
    assert report.agreement.value == pytest.approx(1.0)
    assert report == Explainer(model, model).faithfulness([*texts, "great"], Silent())
    assert report_notes(report)[1] == "Left out: 1 text with fewer than two words."


def test_the_test_split_of_the_run_folder_is_found(tmp_path):
    folder = make_bundle(tmp_path / "bundles" / "cpu" / "bag-fp32").folder
    with pytest.raises(ConfigError, match="lies in no run folder"):
        evaluation_texts("run", folder)
    (tmp_path / "data").mkdir()
    rows = [{"text": text, "label": "positive"} for text in ("one film", " ", "two films")]
    (tmp_path / "data" / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert evaluation_texts("run", folder) == ["one film", "two films"]


def test_texts_need_no_labels(tmp_path):
    (tmp_path / "texts.txt").write_text("one\n\ntwo\n", encoding="utf-8")
    (tmp_path / "texts.csv").write_text("words,other\na,1\n", encoding="utf-8")
    assert evaluation_texts(str(tmp_path / "texts.txt"), tmp_path) == ["one", "two"]
    assert evaluation_texts(str(tmp_path / "texts.csv"), tmp_path, text_column="words") == ["a"]
    (tmp_path / "empty.txt").write_text(" \n", encoding="utf-8")
    with pytest.raises(DataError, match="all texts are empty"):
        evaluation_texts(str(tmp_path / "empty.txt"), tmp_path)


def test_a_sample_is_seeded_and_keeps_the_order():
    texts = [f"text {number:03}" for number in range(100)]
    assert sample(texts, 100) == texts
    assert sample(texts, 10) == sample(texts, 10) == sorted(sample(texts, 10))
    assert sample(texts, 10) != sample(texts, 10, seed=1)
    assert len(set(sample(texts, 10))) == 10


def test_the_teacher_lies_beside_the_bundle(tmp_path):
    student = make_bundle(tmp_path / "bag-fp32", name="bag-fp32").folder
    assert find_teacher(student, None) is None
    teacher = make_bundle(tmp_path / "teacher-fp32", name="teacher-fp32").folder
    assert find_teacher(student, None).manifest.name == "teacher-fp32"
    assert find_teacher(teacher, None) is None
    assert find_teacher(teacher, student).manifest.name == "bag-fp32"
