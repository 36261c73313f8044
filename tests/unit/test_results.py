"""Result files: what is stored is checked, and old files are read for ever."""

from __future__ import annotations

import json
import re
import time
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from edgekd.analysis.stats import summarize
from edgekd.errors import InvalidArtifact
from edgekd.proof import Gain, Proof
from edgekd.provenance import Flip, LineageStep, Parity, step_of_words
from edgekd.results import BenchResult, Quality, Samples, load_result, proof_of_control, save_result
from edgekd.tasks import Calibration, TaskKind
from tests.results import make_result

GOLDEN = Path(__file__).parents[1] / "golden" / "schema-1.result.json"
GOLDEN_3 = GOLDEN.with_name("schema-3.result.json")
PROOF = Proof(
    metric="accuracy", count=9, seeds=[1, 2], student=[0.9, 0.8], total=Gain(value=0.1, low=0.0, high=0.2), words="w"
)


def test_a_file_of_the_first_schema_is_read():
    result = load_result(GOLDEN)
    assert (result.schema_version, result.variant, result.quality.task) == (4, "cnn-fp32", TaskKind.SINGLE_LABEL)
    assert result.quality.calibration == Calibration()
    assert (result.quality.logits, result.quality.teacher_logits) == (None, None)
    assert len(result.samples.total_s) == 12
    assert result.proof == Proof(metric="accuracy", count=40, seeds=[0], student=[0.85], control=[0.8])
    summary = summarize(result)
    assert summary.accuracy.value == 0.85
    assert summary.gain.value == pytest.approx(0.05)
    assert summary.gain.low < 0.05 < summary.gain.high
    assert "ece" not in summary.scores  # which needs logits


def test_an_old_file_becomes_one_of_this_schema(tmp_path):
    old = load_result(GOLDEN)
    save_result(old, tmp_path / "new.result.json")
    raw = json.loads((tmp_path / "new.result.json").read_text(encoding="utf-8"))
    assert raw["schema_version"] == 4
    assert "control_accuracy" not in raw
    assert load_result(tmp_path / "new.result.json") == old


@pytest.mark.parametrize(
    ("control", "correct", "count"), [(0.8, 32, 40), (0.0, 0, 0), (0.8, None, 0), (None, None, None)]
)
def test_what_the_first_schema_knew_of_a_control(control, correct, count):
    proof = proof_of_control(0.9, control, correct)
    if count is None:
        assert proof is None
    else:
        assert (proof.student, proof.control, proof.count, proof.total) == ([0.9], [control], count, None)


def test_a_file_of_the_third_schema_is_read_and_its_lineage_becomes_steps():
    result = load_result(GOLDEN_3)
    assert (result.schema_version, result.parity) == (4, None)
    assert [(step.step, step.name, step.hash) for step in result.lineage] == [
        ("teacher", "./teacher", "69b317a21dbc"),
        ("labels", "teacher labels", "acaf97733072"),
        ("student", "cnn", "b9759cbccc15"),
        ("graph", "cnn-int8", "6bbbbf14b121"),
    ]
    assert all(step.details == {} for step in result.lineage)
    assert (result.counts[0].instructions, result.energy[0].joules) == ([1000000, 1000100], 1.25)
    assert result.quality.calibration == Calibration(1.25)


@pytest.mark.parametrize(
    ("words", "step"),
    [
        ("student:cnn@abc", ("student", "cnn", "abc")),
        ("model:org/name@v1:x@abc", ("model", "org/name@v1:x", "abc")),
        ("student:cnn", ("student", "cnn", "")),
        ("by hand", ("by hand", "", "")),
    ],
)
def test_a_line_of_an_old_lineage_becomes_a_step(words, step):
    assert step_of_words(words) == LineageStep(step=step[0], name=step[1], hash=step[2])


@pytest.mark.parametrize("version", [0, "1", "4", None, True])
def test_an_unknown_schema_says_which_are_known(tmp_path, version):
    path = tmp_path / "x.result.json"
    path.write_text(json.dumps({"schema_version": version}), encoding="utf-8")
    with pytest.raises(InvalidArtifact, match="is not a result file of schema 1, 2, 3 or 4"):
        load_result(path)


def test_a_newer_schema_says_to_update(tmp_path):
    path = tmp_path / "x.result.json"
    path.write_text(json.dumps({"schema_version": 5, "edgekd_version": "9"}), encoding="utf-8")
    with pytest.raises(InvalidArtifact, match="schema 5, written by edgekd 9; this edgekd reads schemas up to 4") as e:
        load_result(path)
    assert e.value.hint.startswith("Update edgekd")


def test_a_result_holds_no_text_of_a_parity_check(tmp_path):
    flip = Flip(text="a private text", expected="a", actual="b", max_abs_diff=0.1)
    parity = Parity(texts=9, max_abs_diff=0.1, mean_abs_diff=0.01, label_flips=1, worst=[flip])
    result = make_result(
        parity=parity.figures, lineage=[LineageStep(step="student", name="cnn", hash="a", details={"n": 1})]
    )
    save_result(result, tmp_path / "x.result.json")
    assert "private" not in (tmp_path / "x.result.json").read_text(encoding="utf-8")
    assert load_result(tmp_path / "x.result.json") == result
    raw = json.loads((tmp_path / "x.result.json").read_text(encoding="utf-8"))
    raw["parity"]["worst"] = [flip.model_dump()]
    (tmp_path / "x.result.json").write_text(json.dumps(raw), encoding="utf-8")
    with pytest.raises(InvalidArtifact, match=r"is damaged: parity\.worst"):
        load_result(tmp_path / "x.result.json")


def test_a_damaged_old_file_names_the_field(tmp_path):
    raw = json.loads(GOLDEN.read_text(encoding="utf-8"))
    raw["quality"] = 3
    path = tmp_path / "x.result.json"
    path.write_text(json.dumps(raw), encoding="utf-8")
    with pytest.raises(InvalidArtifact, match="is damaged: quality"):
        load_result(path)


LABELS = ["a", "b", "c"]
INDEX = st.integers(0, 2)
ROW = st.lists(st.floats(-50, 50).map(lambda v: float(f"{v:.6g}")), min_size=3, max_size=3)
SETS = st.lists(INDEX, unique=True).map(lambda chosen: tuple(sorted(chosen)))


def qualities(task, values, width):
    row = st.lists(st.floats(-50, 50).map(lambda v: float(f"{v:.6g}")), min_size=width, max_size=width)
    one = st.tuples(values, values, values, row, row)
    return st.lists(one, max_size=5).map(
        lambda texts: Quality(
            task=task,
            labels=LABELS[:width],
            targets=[text[0] for text in texts],
            predictions=[text[1] for text in texts],
            teacher_predictions=[text[2] for text in texts],
            logits=[text[3] for text in texts],
            teacher_logits=[text[4] for text in texts],
            calibration=Calibration(1.5, (0.25,) * width),
        )
    )


@given(
    st.one_of(
        qualities(TaskKind.SINGLE_LABEL, INDEX, 3),
        qualities(TaskKind.MULTI_LABEL, SETS, 3),
        qualities(TaskKind.REGRESSION, st.floats(-1e6, 1e6) | st.integers(-5, 5), 1),
    )
)
def test_every_task_survives_a_file(quality):
    again = Quality.model_validate(json.loads(quality.model_dump_json()))
    assert again == quality
    kinds = {TaskKind.SINGLE_LABEL: int, TaskKind.MULTI_LABEL: tuple, TaskKind.REGRESSION: float}
    for values in (again.targets, again.predictions, again.teacher_predictions):
        assert {type(value) for value in values} <= {kinds[quality.task]}


def test_a_result_with_a_proof_survives_a_file(tmp_path):
    result = make_result(proof=PROOF)
    save_result(result, tmp_path / "x.result.json")
    assert load_result(tmp_path / "x.result.json") == result


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"targets": [0, 3]}, "no index into 2 labels"),
        ({"targets": [0, -1]}, "no index into 2 labels"),
        ({"targets": [0.5, 1.0]}, "needs one label index"),
        ({"predictions": [0]}, "2 targets and 1 predictions"),
        ({"logits": [[0.0, 1.0]]}, "logits must have 2 rows of 2"),
        ({"teacher_logits": [[0.0], [1.0]]}, "teacher_logits must have 2 rows of 2"),
        ({"task": "multi-label"}, "needs a list of label indexes"),
        ({"task": "multi-label", "targets": [[0], []], "predictions": [[0], [1]]}, "multi-label result needs logits"),
        ({"task": "regression", "targets": [[0], [1]]}, "one finite number a text"),
        ({"task": "regression", "labels": ["r"], "targets": [float("nan"), 1.0]}, "one finite number a text"),
    ],
)
def test_what_does_not_fit_the_task_is_refused(changes, message):
    facts = {"labels": ["a", "b"], "targets": [0, 1], "predictions": [1, 1]}
    with pytest.raises(ValidationError, match=message):
        Quality.model_validate(facts | changes)


def test_stored_logits_score_like_the_labels_and_add_calibration():
    logits = np.log([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]])
    quality = Quality(
        labels=["a", "b"],
        targets=[0, 0, 1, 1],
        predictions=[0, 0, 1, 0],
        teacher_predictions=[0, 0, 1, 1],
        logits=logits.tolist(),
        teacher_logits=logits.tolist(),
    )
    summary = summarize(make_result(quality=quality))
    assert summary.accuracy.value == 0.75
    # bins of a fifteenth: 0.9, 0.8, 0.7 and 0.6 lie alone; gaps 0.1, 0.2, 0.3 and 0.6
    assert summary.scores["ece"] == pytest.approx((0.1 + 0.2 + 0.3 + 0.6) / 4)
    assert summary.fidelity["kl"] == pytest.approx(0.0)
    assert summary.agreement.value == 0.75


def test_a_regression_is_scored_from_its_values():
    targets = [float(i) for i in range(20)]
    quality = Quality(
        task=TaskKind.REGRESSION,
        labels=["rating"],
        targets=targets,
        predictions=[value + 0.5 for value in targets],
        teacher_predictions=targets,
    )
    summary = summarize(make_result(quality=quality), resamples=200)
    assert summary.main.value == pytest.approx(1.0)
    assert summary.intervals["rmse"].value == pytest.approx(0.5)
    assert summary.fidelity == {"pearson": pytest.approx(1.0), "mae": pytest.approx(0.5)}
    assert (summary.agreement, summary.accuracy, summary.macro_f1) == (None, None, None)


def test_a_multi_label_result_is_scored_at_its_thresholds():
    quality = Quality(
        task=TaskKind.MULTI_LABEL,
        labels=["a", "b"],
        targets=[(0,), (0, 1), (), (1,)],
        predictions=[(0,), (0,), (), (1,)],
        teacher_predictions=[(0,), (0, 1), (), (1,)],
        logits=[[3.0, -3.0], [3.0, -1.0], [-3.0, -3.0], [-3.0, 3.0]],
        teacher_logits=[[3.0, -3.0], [3.0, 3.0], [-3.0, -3.0], [-3.0, 3.0]],
        calibration=Calibration(1.0, (0.5, 0.5)),
    )
    summary = summarize(make_result(quality=quality), resamples=200)
    assert summary.main.value == pytest.approx((1 + 2 / 3) / 2)
    assert summary.intervals["micro_f1"].value == pytest.approx(6 / 7)
    assert summary.agreement.value == 7 / 8  # one of eight decisions differs
    assert summary.agreement.low <= 7 / 8 <= summary.agreement.high
    assert summary.scores["map"] == 1.0
    assert [(row.label, row.support) for row in summary.per_class] == [("a", 2), ("b", 2)]


@pytest.mark.timing
def test_twenty_results_of_a_real_size_open_in_under_a_second(tmp_path):
    calls, texts = 5463, 1821  # three passes over the test texts of SST-2
    rng = np.random.default_rng(0)
    total_s = (np.round(rng.lognormal(-9, 0.3, calls), 9) + 1e-9).tolist()
    samples = Samples(
        text_index=[call % texts for call in range(calls)],
        tokens=[20] * calls,
        block=[call // 50 for call in range(calls)],
        process=[call // texts for call in range(calls)],
        total_s=total_s,
        tokenize_s=total_s,
        infer_s=total_s,
    )
    logits = np.round(rng.normal(size=(texts, 2)), 5).tolist()
    quality = Quality(
        labels=["a", "b"],
        targets=[0] * texts,
        predictions=[1] * texts,
        teacher_predictions=[0] * texts,
        logits=logits,
        teacher_logits=logits,
    )
    paths = [tmp_path / f"{number}.result.json" for number in range(20)]
    for path in paths:
        save_result(make_result(samples=samples, quality=quality), path)
    started = time.process_time()
    opened = [load_result(path) for path in paths]
    assert time.process_time() - started < 1.0
    assert all(result.samples == samples for result in opened)


def records(model, seen=None):
    """Return a record and all records in it."""
    seen = set() if seen is None else seen
    if model not in seen:
        seen.add(model)
        for field in model.model_fields.values():
            for part in re.findall(r"edgekd\.\w+\.\w+", str(field.annotation)):
                module, _, name = part.rpartition(".")
                found = getattr(import_module(module), name)
                if isinstance(found, type) and issubclass(found, BaseModel):
                    records(found, seen)
    return seen


def test_every_field_is_documented():
    text = (Path(__file__).parents[2] / "docs" / "results.md").read_text(encoding="utf-8")
    found = records(BenchResult)
    assert len(found) > 15
    missing = [f"{one.__name__}.{name}" for one in found for name in one.model_fields if f"`{name}`" not in text]
    assert missing == []
