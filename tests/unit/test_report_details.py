"""Lineage, parity, calibration, confusions and flips of a report: exact values, and nothing where nothing is known."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekd.provenance import LineageStep, ParityFigures
from edgekd.report.calibration import calibration_rows
from edgekd.report.confusion import ConfusedPair, LabelCounts, confusion
from edgekd.report.export import to_json_value
from edgekd.report.flips import CHARACTERS, cut, flips
from edgekd.report.lineage import details_text, lineages, path
from edgekd.report.model import build_report
from edgekd.report.parity import HEADINGS, parity_rows
from edgekd.report.table import build_table
from edgekd.report.texts import Texts
from edgekd.results import Quality
from edgekd.tasks import Calibration, TaskKind
from tests.results import make_result, make_task_session, make_teacher

EVIL = "<script>alert(1)</script>\n\x1b[31m|`$(rm)"


def rows_of(*results):
    return build_table(list(results), resamples=50).rows


def single(targets, predictions, labels=("neg", "pos"), **more):
    return Quality(labels=list(labels), targets=targets, predictions=predictions, **more)


# Lineage


def test_each_step_is_told_with_what_matters():
    steps = [
        LineageStep(step="teacher", name="t", hash="a" * 64),
        LineageStep(step="labels", name="teacher labels", hash="b" * 64, details={"texts": 120599}),
        LineageStep(
            step="vocabulary",
            name="vocab",
            hash="c" * 64,
            details={
                "words": "8,000 of ...",
                "vocabulary": {
                    "before": 30522,
                    "after": 8000,
                    "splits": {"test": {"unknown_after": 3, "tokens_after": 1000}},
                },
                "recovery": [{"texts": 500}],
            },
        ),
        LineageStep(
            step="prune",
            name="prune30",
            hash="d" * 64,
            details={"words": "Removed 88 of 288 filters.", "rounds": [{"plan": {}, "recovery": {"texts": 700}}]},
        ),
        LineageStep(
            step="graph",
            name="g",
            hash="e" * 64,
            details={
                "opset": 18,
                "steps": [
                    {"step": "int4-embeddings", "block": 32},
                    {"step": "int8-static", "calibration_texts": 128, "per_channel": True, "exclude": []},
                ],
                "flavour": {"activation": "uint8", "weight": "int8"},
            },
        ),
    ]
    [row] = rows_of(make_result(lineage=steps))
    [lineage] = lineages([row], ["cnn-int8"])
    assert [(step.step, step.name, step.hash) for step in lineage.steps[:2]] == [
        ("teacher", "t", "a" * 12),
        ("labels", "teacher labels", "b" * 12),
    ]
    assert [step.details for step in lineage.steps] == [
        "",
        "120,599 texts",
        "8,000 of 30,522 tokens kept (26.2 %), 3 of 1,000 tokens of the test texts unknown; trained again on 500 texts",
        "Removed 88 of 288 filters; trained again on 700 texts",
        "int4-embeddings (blocks of 32); int8-static (128 calibration texts, per channel); uint8 activations, int8 "
        "weights; opset 18",
    ]
    assert lineages([row], ["other"]) == []
    assert (
        path(steps) == "teacher \u2192 labels \u2192 vocabulary \u2192 prune \u2192 int4-embeddings \u2192 int8-static"
    )
    assert path([LineageStep(step="student", name="cnn", hash="a" * 64), *steps[:1]]) == "cnn \u2192 teacher"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(["vocabulary", "rounds", "recovery", "steps", "flavour", "words", "texts", "opset"])


@given(st.dictionaries(KEYS, JSON, max_size=4))
def test_details_of_any_shape_are_told(details):
    assert isinstance(details_text(details), str)


# Parity


def test_parity_is_told_as_recorded():
    full = ParityFigures(
        texts=256,
        max_abs_diff=0.205,
        mean_abs_diff=0.048,
        label_flips=7,
        kl=0.00044,
        score_change=0.0039,
        score_change_interval=(-0.019, 0.027),
        padding_max_abs_diff=0.0,
        padding_flips=0,
        hostile_texts=106,
        hostile_max_abs_diff=0.223,
        hostile_flips=1,
    )
    old = ParityFigures(texts=1256, max_abs_diff=1e-6, mean_abs_diff=2e-7, label_flips=0)
    shown = parity_rows(
        rows_of(make_result(variant="a", parity=full), make_result(variant="b", parity=old), make_result(variant="c"))
    )
    by_name = {row.name: dict(zip(HEADINGS[1:], row.cells, strict=True)) for row in shown}
    assert sorted(by_name) == ["a", "b"]
    assert {heading: (cell.text, cell.interval) for heading, cell in by_name["a"].items()} == {
        "texts": ("256", ""),
        "other answers": ("7", ""),
        "largest difference": ("0.2", ""),
        "mean difference": ("0.048", ""),
        "KL": ("0.00044", ""),
        "score": ("+0.4 pt", "-1.9 to +2.7"),
        "padding": ("0 of 256", "at most 0"),
        "hostile texts": ("1 of 106", "at most 0.22"),
    }
    assert by_name["b"]["texts"].text == "1,256"
    assert {by_name["b"][heading].missing for heading in ("KL", "score", "padding", "hostile texts")} == {
        "not recorded"
    }


# Calibration


def test_the_error_before_and_after_the_temperature():
    logits = np.log([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]])
    quality = single([0, 0, 1, 1], [0, 0, 1, 0], logits=(2 * logits).tolist(), calibration=Calibration(2.0))
    [row] = calibration_rows(rows_of(make_result(quality=quality)))
    temperature, before, after = row.cells
    assert temperature.text == "2.00"
    assert after.value == pytest.approx((0.1 + 0.2 + 0.3 + 0.6) / 4)
    sharp = [p**2 / (p**2 + (1 - p) ** 2) for p in (0.9, 0.8, 0.7, 0.6)]
    assert before.value == pytest.approx((1 - sharp[0] + 1 - sharp[1] + 1 - sharp[2] + sharp[3]) / 4, abs=0.02)
    assert before.text == f"{100 * before.value:.1f} %"


def test_without_logits_or_labels_nothing_is_guessed():
    [old] = calibration_rows(rows_of(make_result()))
    assert [cell.missing for cell in old.cells] == ["", "stored without logits", "stored without logits"]
    unlabelled = single([], [0], logits=[[1.0, 0.0]])
    [row] = calibration_rows(rows_of(make_result(quality=unlabelled)))
    assert row.cells[1].missing == "the texts have no labels"
    assert calibration_rows(rows_of(*make_task_session(TaskKind.REGRESSION))) == []


# Confusions


def test_a_few_labels_have_a_whole_matrix():
    found = confusion("a", make_result(quality=single([0, 0, 1, 1, 1], [0, 1, 1, 1, 0])))
    assert (found.counts, found.texts, found.labels) == ([[1, 1], [1, 2]], 5, ["neg", "pos"])
    assert (found.pairs, found.per_label, found.ranges) == ([], [], [])


def test_many_labels_have_the_most_confused_pairs():
    labels = [f"l{i}" for i in range(20)]
    targets = [0] * 5 + [1] * 3 + list(range(2, 20))
    predictions = [7] * 5 + [1, 2, 2] + [(i + 1) % 20 for i in range(2, 20)]
    found = confusion("a", make_result(quality=single(targets, predictions, labels)))
    assert found.counts == []
    assert found.pairs[:3] == [ConfusedPair("l0", "l7", 5), ConfusedPair("l1", "l2", 2), ConfusedPair("l2", "l3", 1)]
    assert (len(found.pairs), found.more_pairs) == (12, 8)


def test_several_labels_are_counted_one_by_one():
    quality = Quality(
        task=TaskKind.MULTI_LABEL,
        labels=["a", "b"],
        targets=[(0,), (0, 1), (), (1,)],
        predictions=[(0,), (1,), (0,), (1,)],
        logits=[[1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, 1.0]],
    )
    found = confusion("x", make_result(quality=quality))
    assert found.per_label == [LabelCounts("a", 1, 1, 1, 1), LabelCounts("b", 2, 0, 0, 2)]


def test_a_regression_has_errors_by_range():
    targets = [float(i) for i in range(10)]
    quality = Quality(
        task=TaskKind.REGRESSION,
        labels=["r"],
        targets=targets,
        predictions=[t + (1.0 if t < 2 else -0.5) for t in targets],
    )
    found = confusion("x", make_result(quality=quality))
    assert [(r.values.low, r.values.high, r.texts) for r in found.ranges] == [
        (0.0, 1.0, 2),
        (2.0, 3.0, 2),
        (4.0, 5.0, 2),
        (6.0, 7.0, 2),
        (8.0, 9.0, 2),
    ]
    assert (found.ranges[0].mean_abs_error.text, found.ranges[0].mean_error.text) == ("1.00", "1.00")
    assert (found.ranges[1].mean_abs_error.text, found.ranges[1].mean_error.text) == ("0.500", "-0.500")
    same = quality.model_copy(update={"targets": [1.0] * 10})
    assert [r.texts for r in confusion("x", make_result(quality=same)).ranges] == [10]


# Flips


def logit(p):
    return [float(np.log(1 - p)), float(np.log(p))]


QUALITY = single(
    [1, 0, 1, 0],
    [1, 1, 0, 1],
    teacher_predictions=[1, 0, 1, 1],
    logits=[logit(0.9), logit(0.7), logit(0.2), logit(0.99)],
    teacher_logits=[logit(0.8), logit(0.4), logit(0.6), logit(0.9)],
)


def test_flips_are_the_most_confident_first_with_truth_and_both_probabilities():
    [row] = rows_of(make_result(quality=QUALITY))
    first, second = flips([row], ["cnn-int8"], None, ["a", "b", EVIL, "d"])
    assert (first.index, first.text, first.truth, first.teacher, first.answer) == (2, EVIL, "pos", "pos", "neg")
    assert (first.teacher_probability.text, first.probability.text) == ("60.0 %", "80.0 %")
    assert (first.teacher_is_right, first.is_right) == (True, False)
    assert (second.index, second.probability.text, second.teacher_probability.text) == (1, "70.0 %", "60.0 %")


def test_flips_carry_no_text_unless_given():
    [row] = rows_of(make_result(quality=QUALITY))
    assert [flip.text for flip in flips([row], ["cnn-int8"], None, None)] == ["", ""]
    assert flips([row], ["other"], None, None) == flips([row], ["cnn-int8"], row, None) == []


def test_ten_flips_at_most_and_old_results_in_the_order_of_the_texts():
    quality = single([0] * 30, [1] * 30, teacher_predictions=[0] * 30)
    [row] = rows_of(make_result(quality=quality))
    found = flips([row], ["cnn-int8"], None, None)
    assert [flip.index for flip in found] == list(range(10))
    assert found[0].probability.missing == "stored without logits"


def test_flips_of_several_labels_name_the_label_that_differs_most():
    quality = Quality(
        task=TaskKind.MULTI_LABEL,
        labels=["a", "b"],
        targets=[(0,), ()],
        predictions=[(1,), ()],
        teacher_predictions=[(0,), ()],
        logits=[[0.0, 3.0], [-1.0, -1.0]],
        teacher_logits=[[3.0, -3.0], [-1.0, -1.0]],
    )
    [row] = rows_of(make_result(quality=quality))
    [flip] = flips([row], ["cnn-int8"], None, None)
    assert (flip.truth, flip.teacher, flip.answer) == ("a", "a", "b")
    assert (flip.teacher_probability.text, flip.probability.text) == ("b 4.7 %", "b 95.3 %")


def test_flips_of_a_regression_are_the_largest_differences():
    quality = Quality(
        task=TaskKind.REGRESSION,
        labels=["r"],
        targets=[1.0, 2.0, 3.0],
        predictions=[1.0, 2.5, 1.0],
        teacher_predictions=[1.0, 2.0, 3.0],
    )
    [row] = rows_of(make_result(quality=quality))
    found = flips([row], ["cnn-int8"], None, None)
    assert [(flip.index, flip.answer, flip.teacher, flip.truth) for flip in found] == [
        (2, "1.00", "3.00", "3.00"),
        (1, "2.50", "2.00", "2.00"),
    ]
    assert (found[0].is_right, found[0].probability.text) == (None, "-")


@given(st.text(max_size=300))
def test_a_text_is_only_cut(text):
    shown = cut(text)
    assert len(shown) <= CHARACTERS
    assert shown == text if len(text) <= CHARACTERS else text.startswith(shown[:-1])


# All together


def test_a_report_has_them_and_json_says_them():
    texts = Texts({"d" * 64: [EVIL] * 4})
    results = [make_teacher(quality=replace_answers(QUALITY)), make_result(quality=QUALITY)]
    built = build_report(results, title="t", texts=texts, resamples=50)
    [section] = built.sections
    assert {flip.variant for flip in section.flips} == {"cnn-int8"}
    assert section.texts_note == ""
    [stored] = json.loads(json.dumps(to_json_value(built)))["sections"]
    assert stored["flips"][0]["text"] == EVIL
    assert stored["flips"][0]["probability"]["text"] == "80.0 %"
    assert {one["variant"]: one["counts"] for one in stored["confusion"]}["cnn-int8"] == [[0, 2], [1, 1]]
    assert stored["recommendation"]["variant"] == "cnn-int8"
    assert stored["recommendation"]["checks"][0]["limit"]["text"] == "-10.0 pt"


def replace_answers(quality):
    return quality.model_copy(
        update={
            "predictions": quality.teacher_predictions,
            "logits": quality.teacher_logits,
        }
    )


def test_without_texts_the_section_says_why():
    results = [make_teacher(quality=replace_answers(QUALITY)), make_result(quality=QUALITY)]
    [section] = build_report(results, title="t", resamples=50).sections
    assert [flip.text for flip in section.flips] == ["", ""]
    assert "--data FILE" in section.texts_note
    asked = replace(Texts(), note="as asked")
    [section] = build_report(results, title="t", texts=asked, resamples=50).sections
    assert section.texts_note == "as asked"
