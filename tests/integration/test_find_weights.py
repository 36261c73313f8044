"""``edgekd distill --find-weights`` with a tiny random teacher: in child processes, offline, killed, gone on with."""

from __future__ import annotations

import csv
import json
import signal

import pytest
import yaml

pytest.importorskip("torch")
pytest.importorskip("optuna")

from edgekd.bundle import load_bundle
from tests.integration.test_pipeline import edgekd, start, stop_when, whole_checkpoints, write_recipe

pytestmark = pytest.mark.slow

TRIALS = 6


def command(recipe, out, trials=TRIALS):
    return ("distill", recipe, "--out", out, "--student", "bag", "--find-weights", "--trials", trials)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """A run that searched without being disturbed."""
    folder = tmp_path_factory.mktemp("search")
    recipe = write_recipe(folder, teacher_epochs=1)
    done = edgekd(*command(recipe, folder / "out"))
    assert done.returncode == 0, done.stderr
    return folder, recipe, done


def table(out):
    rows = list(csv.DictReader((out / "search" / "bag" / "trials.csv").read_text().splitlines()))
    return [{name: value for name, value in row.items() if name != "duration_s"} for row in rows]


def best(out):
    return yaml.safe_load((out / "search" / "bag" / "best.yaml").read_text())


def record(out):
    return json.loads((out / "students" / "bag" / "distilled" / "seed-0" / "train.json").read_text())


def test_the_student_is_trained_with_the_best_values_and_everything_says_so(found):
    folder, _, done = found
    out = folder / "out"
    rows = table(out)
    assert len(rows) == TRIALS
    scores = [float(row["score"]) for row in rows if row["outcome"] == "complete"]
    assert float(rows[0]["score"]) == scores[0]
    assert record(out)["training"]["best_validation_score"] == max(scores) >= scores[0]
    [student] = yaml.safe_load((out / "recipe.yaml").read_text())["students"]
    assert {name: student[name] for name in best(out)} == best(out)
    manifest = load_bundle(out / "bundles" / "cpu" / "bag-fp32").manifest
    assert {name: manifest.recipe["students"][0][name] for name in best(out)} == best(out)
    assert "best.yaml" in done.stdout
    assert done.stderr.count("best so far") == TRIALS
    assert not (out / "work" / "search-bag").exists()


def test_the_search_is_not_made_again_and_the_student_is_reused(found):
    folder, recipe, _ = found
    out = folder / "out"
    before = (out / "students" / "bag" / "distilled" / "seed-0" / "stage.json").stat().st_mtime_ns
    done = edgekd(*command(recipe, out))
    assert done.returncode == 0, done.stderr
    assert "best so far" not in done.stderr
    assert (out / "students" / "bag" / "distilled" / "seed-0" / "stage.json").stat().st_mtime_ns == before


def test_pasted_into_the_recipe_the_values_give_the_same_student(found):
    folder, recipe, _ = found
    out = folder / "out"
    settings = [option for name, value in best(out).items() for option in ("--set", f"students.0.{name}={value}")]
    done = edgekd("distill", recipe, "--out", out, "--student", "bag", *settings)
    assert done.returncode == 0, done.stderr
    assert "bag, distilled, seed 0: unchanged, reused" in done.stderr


@pytest.mark.parametrize("sig", [signal.SIGKILL, signal.SIGINT], ids=["kill", "ctrl-c"])
def test_stopped_in_a_trial_the_same_command_ends_as_if_it_had_not_been(found, tmp_path, sig):
    folder, *_ = found
    recipe, out = write_recipe(tmp_path, teacher_epochs=1), tmp_path / "out"
    journal = out / "search" / "bag" / "journal.jsonl"

    def third_trial_is_running():
        return (
            journal.exists()
            and journal.read_text().count('"duration_s"') >= 2
            and whole_checkpoints(out, "work/search-bag/*/training")
        )

    with (tmp_path / "log").open("w") as log:
        code = stop_when(start(*command(recipe, out), log=log), third_trial_is_running, sig)
    assert code == (130 if sig is signal.SIGINT else -signal.SIGKILL)
    messages = (tmp_path / "log").read_text()
    assert "Traceback" not in messages
    if sig is signal.SIGINT:
        assert "run the same command again" in messages
    finished = messages.count("best so far")

    done = edgekd(*command(recipe, out))
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("best so far") <= TRIALS - 2
    assert finished >= 1
    assert table(out) == table(folder / "out")
    assert best(out) == best(folder / "out")


def test_options_are_explained(tmp_path):
    done = edgekd("distill", write_recipe(tmp_path), "--out", tmp_path / "out", "--trials", 3)
    assert done.returncode == 2
    assert "--find-weights" in done.stderr
    assert "Traceback" not in done.stderr
