from __future__ import annotations

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from edgekd.bench.limits import DoesNotFit
from edgekd.cli.app import app
from edgekd.errors import ConfigError, DataError, InvalidArtifact
from edgekd.results import load_result
from tests.bundles import make_bundle
from tests.toys import write_csv

pytest.importorskip("onnx")

runner = CliRunner()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("bench")
    make_bundle(path / "teacher", name="teacher-fp32", role="teacher", kind="teacher", slow_factor=3.0)
    make_bundle(path / "student", name="bag-fp32")
    write_csv(path / "test.csv", 100)
    write_csv(path / "train.csv", 50, seed=4)
    return path


def bench(folder, *arguments, bundle="student", data="test.csv"):
    fixed = ["bench", str(folder / bundle), "--data", str(folder / data), "--passes", "1", "--processes", "1"]
    return runner.invoke(app, [*fixed, *arguments], env={"COLUMNS": "120"})


def test_the_table_names_the_variants_and_the_evidence(folder, tmp_path):
    result = bench(
        folder,
        *("--teacher", str(folder / "teacher"), "--target", "cpu", "--out", str(tmp_path)),
        *("--warm-up-data", str(folder / "train.csv")),
    )
    assert result.exit_code == 0, result.output
    for word in ("teacher-fp32", "bag-fp32", "p50", "p95", "100.0 %", "\u00b5s", "MB", "host", "speed-up"):
        assert word in result.stdout
    assert "Timing 100 texts" in result.stderr
    assert str(tmp_path) in result.stderr
    stored = load_result(tmp_path / "bag-fp32.result.json")
    assert stored.data_name == "test.csv"
    assert any("50 given texts" in note for note in stored.notes)


def test_json_is_one_document_and_nothing_else(folder, tmp_path):
    result = bench(folder, "--json", "--out", str(tmp_path), "--max-texts", "20")
    document = json.loads(result.stdout)
    [section] = document["sections"]
    assert section["target"] == "cpu"
    assert len(load_result(tmp_path / "bag-fp32.result.json").samples.total_s) == 20


def test_another_target_is_labelled(folder, tmp_path):
    result = bench(folder, "--target", "pi4", "--out", str(tmp_path), "--max-texts", "20")
    assert "no number here was measured on raspberry-pi-4" in " ".join(result.stdout.split())


def test_unknown_target_lists_names_and_the_nearest(folder):
    error = bench(folder, "--target", "jetsen").exception
    assert isinstance(error, ConfigError)
    assert "Unknown target 'jetsen'. Available: " in error.message
    assert " cpu, " in error.message
    assert "Did you mean 'jetson'?" in error.message


def test_labels_of_other_texts_are_refused(folder, tmp_path):
    (tmp_path / "other.csv").write_text("text,label\ngreat,joy\nawful,anger\n", encoding="utf-8")
    error = runner.invoke(
        app, ["bench", str(folder / "student"), "--data", str(tmp_path / "other.csv"), "--out", str(tmp_path)]
    ).exception
    assert isinstance(error, DataError)
    assert "joy" in error.message


def test_a_damaged_bundle_ends_with_exit_code_3(folder, tmp_path):
    bundle = make_bundle(tmp_path / "damaged")
    bundle.model_path.write_bytes(bundle.model_path.read_bytes()[:-1])
    done = subprocess.run(
        [sys.executable, "-m", "edgekd", "bench", str(bundle.folder), "--data", str(folder / "test.csv")],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 3
    assert "'model.onnx' has sha256" in done.stderr
    assert done.stdout == ""


def test_a_folder_that_is_no_bundle(folder, tmp_path):
    error = bench(folder, bundle="../nothing-here").exception
    assert isinstance(error, InvalidArtifact)
    assert "does not exist" in error.message


def test_several_processes_are_said(folder, tmp_path):
    result = bench(folder, "--processes", "2", "--max-texts", "20", "--out", str(tmp_path))
    assert "Process 2 of 2: Timing 20 texts" in result.stderr
    assert "The timing loop itself takes" in result.stdout
    assert set(load_result(tmp_path / "bag-fp32.result.json").samples.process) == {0, 1}


def test_a_precision_that_is_reached_is_said(folder, tmp_path):
    result = bench(folder, "--precision", "99%", "--max-seconds", "10", "--out", str(tmp_path))
    assert "Every median latency is known within" in result.stderr


@pytest.mark.parametrize("given", ["0", "100%", "-1%", "two", "2pt", ""])
def test_a_precision_that_is_none(folder, given):
    error = bench(folder, f"--precision={given}").exception
    assert isinstance(error, ConfigError)
    assert error.message == f"--precision '{given}' is not a part between 0 and 100 %."
    assert "2%" in error.hint


def test_more_least_time_than_time(folder):
    error = bench(folder, "--min-seconds", "9", "--max-seconds", "5").exception
    assert isinstance(error, ConfigError)
    assert error.message == "--min-seconds 9 is more than --max-seconds 5."


def test_what_does_not_fit_ends_with_exit_code_3(folder, tmp_path):
    error = bench(folder, "--memory-limit", "1MB", "--out", str(tmp_path)).exception
    assert isinstance(error, DoesNotFit)
    assert error.exit_code == 3
    assert "'bag-fp32' does not fit" in error.message
    assert "1 MB (--memory-limit)" in error.message
    error = bench(folder, "--memory-limit", "much").exception
    assert isinstance(error, ConfigError)
    assert "--memory-limit 'much'" in error.message


def test_nothing_to_measure():
    error = runner.invoke(app, ["bench", "--target", "cpu"]).exception
    assert isinstance(error, ConfigError)
    assert "--teacher" in error.hint
