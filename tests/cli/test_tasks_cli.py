"""Multi-label and regression bundles through bench, report, compare and gate."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from edgekd.cli.app import app
from edgekd.errors import ConfigError, Incomparable
from edgekd.results import load_result
from edgekd.tasks import Calibration, TaskKind
from tests.bundles import make_bundle

pytest.importorskip("onnx")

# With three labels: awful, good and dull speak for anger; great, boring and fun for joy; bad and fine for love.
EMOTIONS = ("anger", "joy", "love")
MULTI_LABEL = [
    ("great bad", "joy|love"),
    ("bad great the film", "love|joy"),
    ("awful", "anger"),
    ("awful and fine", "anger|love"),
    ("fun", "joy"),
    ("the film was", ""),
    ("it is a movie", ""),
    ("dull", "joy"),  # wrong on purpose
]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    root = tmp_path_factory.mktemp("tasks")
    strict = Calibration(1.0, (0.6, 0.6, 0.6))
    make_bundle(root / "emotions", name="bag-fp32", labels=EMOTIONS, task=TaskKind.MULTI_LABEL, calibration=strict)
    swapped = make_bundle(
        root / "swapped",
        name="bag-int8",
        labels=("love", "anger", "joy"),
        task=TaskKind.MULTI_LABEL,
        calibration=Calibration(1.0, (0.6, 0.6, 0.99)),
    )
    assert swapped.manifest.labels != list(EMOTIONS)
    make_bundle(root / "rating", name="bag-fp32", labels=("rating",), task=TaskKind.REGRESSION)
    make_bundle(root / "plain", name="bag-fp32")
    rows = [f"{text} {number},{labels}" for number, (text, labels) in enumerate(MULTI_LABEL * 5)]
    (root / "emotions.csv").write_text("text,labels\n" + "\n".join(rows) + "\n", encoding="utf-8")
    rows = [f"{'great ' * (i % 4)}film {i},{i % 4 + 0.5}" for i in range(40)]
    (root / "ratings.csv").write_text("text,rating\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return root


@pytest.fixture(autouse=True)
def somewhere(tmp_path, monkeypatch):
    """No settings or baselines of a working folder."""
    monkeypatch.chdir(tmp_path)


def edgekd(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "160"})


def bench(world, bundle, data, out, *more):
    columns = ["--label-column", "labels" if data == "emotions.csv" else "rating"]
    return edgekd("bench", world / bundle, "--data", world / data, "--out", out, "--passes", 1, *columns, *more)


@pytest.fixture(scope="module")
def measured(world, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    for bundle, data in (("emotions", "emotions.csv"), ("rating", "ratings.csv")):
        done = bench(world, bundle, data, out / bundle, "--teacher", world / bundle)
        assert done.exit_code == 0, (done.output, done.exception)
        (out / f"{bundle}.txt").write_text(done.stdout, encoding="utf-8")
    return out


def test_a_multi_label_bundle_is_scored_at_its_thresholds(measured):
    quality = load_result(measured / "emotions" / "bag-fp32.result.json").quality
    assert (quality.task, quality.labels) == (TaskKind.MULTI_LABEL, list(EMOTIONS))
    assert quality.targets[:8] == [(1, 2), (1, 2), (0,), (0, 2), (1,), (), (), (1,)]
    assert quality.predictions[:8] == [(1, 2), (1, 2), (0,), (0, 2), (1,), (), (), (0,)]
    assert quality.calibration == Calibration(1.0, (0.6, 0.6, 0.6))
    assert quality.teacher_predictions == quality.predictions
    assert [len(row) for row in quality.logits] == [3] * 40
    text = (measured / "emotions.txt").read_text(encoding="utf-8")
    # F1: anger 2 * 2 / (3 + 2), joy 2 * 3 / (3 + 4), love 1
    assert f"{100 * (4 / 5 + 6 / 7 + 1) / 3:.1f} %" in text
    assert "macro F1" in text


def test_a_regression_bundle_is_scored_by_its_values(measured):
    quality = load_result(measured / "rating" / "bag-fp32.result.json").quality
    assert (quality.task, quality.labels) == (TaskKind.REGRESSION, ["rating"])
    assert quality.targets[:4] == [0.5, 1.5, 2.5, 3.5]
    assert quality.predictions == [row[0] for row in quality.logits]
    assert "Pearson" in (measured / "rating.txt").read_text(encoding="utf-8")


def test_labels_in_another_order_take_their_thresholds_along(world, tmp_path):
    done = bench(world, "emotions", "emotions.csv", tmp_path, world / "swapped")
    assert done.exit_code == 0, (done.output, done.exception)
    quality = load_result(tmp_path / "bag-int8.result.json").quality
    assert quality.labels == list(EMOTIONS)
    assert quality.calibration.thresholds == (0.6, 0.99, 0.6)


def test_tasks_are_not_measured_together(world, tmp_path):
    error = bench(world, "emotions", "emotions.csv", tmp_path, world / "plain").exception
    assert isinstance(error, ConfigError)
    assert "'bag-fp32-2' is a single-label model; the others are multi-label models" in error.message


def test_a_report_of_both_tasks_has_two_sections(measured, tmp_path):
    done = edgekd("report", measured, "--out", tmp_path, "--format", "md,csv,json", "--json")
    assert done.exit_code == 0, (done.output, done.exception)
    sections = json.loads(done.stdout)["sections"]
    assert {section["task"] for section in sections} == {"multi-label", "regression"}


def test_compare_by_task(measured):
    same = measured / "rating" / "bag-fp32.result.json"
    done = edgekd("compare", same, same)
    assert done.exit_code == 0, (done.output, done.exception)
    assert "RMSE" in done.stdout
    error = edgekd("compare", same, measured / "emotions" / "bag-fp32.result.json").exception
    assert isinstance(error, Incomparable)
    assert "the task differs" in error.message


def gate(world, bundle, baseline, data, *rules):
    chosen = [part for rule in rules for part in ("--require", rule)]
    columns = ["--label-column", "labels" if data == "emotions.csv" else "rating"]
    return edgekd("gate", world / bundle, "-b", world / baseline, "--data", world / data, *columns, *chosen)


def test_the_gate_compares_multi_label_answers(world):
    rules = ("macro_f1>-1pt", "micro_f1>0.5", "agreement>=1", "subset_accuracy>0.8")
    done = gate(world, "emotions", "emotions", "emotions.csv", *rules)
    assert done.exit_code == 0, (done.output, done.exception)
    assert "Macro F1: baseline 88.6 %, candidate 88.6 %; same decision on 100.0 %" in done.stdout


def test_the_gate_finds_a_multi_label_model_that_got_worse(world):
    # Its words speak for other labels.
    done = gate(world, "swapped", "emotions", "emotions.csv", "macro_f1>-1pt")
    assert done.exit_code == 1, (done.output, done.exception)
    assert "FAIL: macro_f1>-1pt" in done.stdout


def test_the_gate_compares_values(world):
    done = gate(world, "rating", "rating", "ratings.csv", "pearson>-0.01", "rmse<+1%", "mae<+0.1")
    assert done.exit_code == 0, (done.output, done.exception)
    assert "Pearson correlation: baseline 0." in done.stdout
    done = gate(world, "rating", "rating", "ratings.csv", "pearson>0.999")
    assert done.exit_code == 1, (done.output, done.exception)


@pytest.mark.parametrize(
    ("bundle", "data", "rule", "words"),
    [
        ("rating", "ratings.csv", "accuracy>-1pt", "a regression model has no accuracy. Its quality metrics: pearson"),
        ("emotions", "emotions.csv", "accuracy>-1pt", "a multi-label model has no accuracy"),
        ("plain", "emotions.csv", "rmse<+5%", "a single-label model has no rmse"),
    ],
)
def test_a_rule_of_another_task_says_what_is_allowed(world, bundle, data, rule, words):
    error = gate(world, bundle, bundle, data, rule).exception
    assert isinstance(error, ConfigError)
    assert words in error.message


def test_tasks_are_not_gated_against_each_other(world):
    done = gate(world, "rating", "emotions", "ratings.csv", "size<+5%")
    assert done.exit_code == 3, (done.output, done.exception)
    assert "The tasks differ" in done.stdout
