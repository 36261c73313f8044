from __future__ import annotations

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from edgekd.cli.app import app
from edgekd.decisions import Decision, save_decisions
from edgekd.errors import DataError, Incomparable, InvalidArtifact
from edgekd.results import save_result
from tests.results import make_result, make_session, make_teacher

runner = CliRunner()


@pytest.fixture
def folder(tmp_path):
    results = tmp_path / "results" / "cpu"
    for result in make_session():
        save_result(result, results / f"{result.variant}.result.json")
    save_decisions(
        [Decision(variant="bag-fp32", target="cpu", kept=False, reason="bag-int8 is smaller.", evidence="host")],
        results,
    )
    return tmp_path / "results"


def report(*arguments):
    return runner.invoke(app, ["report", *map(str, arguments)], env={"COLUMNS": "120"})


def test_report_of_a_folder(folder, tmp_path):
    out = tmp_path / "out"
    result = report(folder, "--out", out, "--title", "Toy run", "--format", "md,csv,json")
    assert result.exit_code == 0
    assert "cnn-int8" in result.stdout
    assert "Dropped bag-fp32" in result.stdout
    assert f"Wrote {out / 'report.json'}" in result.stderr
    assert json.loads((out / "report.json").read_text())["title"] == "Toy run"
    assert (out / "report.md").read_text().startswith("## Toy run\n")
    assert (out / "report.csv").read_text().count("\n") == 7
    assert not (out / "report.html").exists()


def test_report_json_on_stdout_is_one_document(folder, tmp_path):
    result = report(folder, "--out", tmp_path / "out", "--format", "json", "--json")
    assert len(json.loads(result.stdout)["sections"][0]["rows"]) == 6


def test_report_of_files_given_twice_counts_them_once(folder, tmp_path):
    file = folder / "cpu" / "cnn-int8.result.json"
    result = report(file, file, "--out", tmp_path / "out", "--format", "json", "--json")
    [section] = json.loads(result.stdout)["sections"]
    assert [row["name"] for row in section["rows"]] == ["cnn-int8"]
    assert [decision["variant"] for decision in section["decisions"]] == ["bag-fp32"]


def test_jetson_numbers_from_a_pc_say_so(tmp_path):
    file = tmp_path / "t.result.json"
    save_result(make_teacher(target="jetson-orin-nano"), file)
    result = report(file, "--out", tmp_path / "out", "--format", "md")
    assert "no number here was measured on jetson-orin-nano" in result.stdout
    assert "no number here was measured on jetson-orin-nano" in (tmp_path / "out" / "report.md").read_text()


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda p: p / "none", DataError, "does not exist"),
        (lambda p: p, DataError, "holds no result file"),
    ],
)
def test_report_of_nothing(tmp_path, make, error, words):
    result = report(make(tmp_path), "--out", tmp_path / "out")
    assert isinstance(result.exception, error)
    assert words in result.exception.message


def test_report_of_a_damaged_result(tmp_path):
    (tmp_path / "x.result.json").write_text("{")
    assert isinstance(report(tmp_path, "--out", tmp_path / "out").exception, InvalidArtifact)


def test_unknown_format_is_found_before_anything_is_read(tmp_path):
    result = report(tmp_path / "none", "--format", "pdf")
    assert "Unknown report format 'pdf'" in result.exception.message


def test_compare_prints_changes(tmp_path):
    a, b = tmp_path / "a.result.json", tmp_path / "b.result.json"
    save_result(make_result(), a)
    save_result(make_result(size_bytes=9_200_000, session="s2"), b)
    result = runner.invoke(app, ["compare", str(a), str(b)], env={"COLUMNS": "120"})
    assert result.exit_code == 0
    assert "+100.0 %" in result.stdout
    assert "worse" in result.stdout
    assert "edgekd gate" in result.stdout


def test_compare_json(tmp_path):
    a = tmp_path / "a.result.json"
    save_result(make_result(), a)
    document = json.loads(runner.invoke(app, ["compare", str(a), str(a), "--json"]).stdout)
    assert {change["verdict"] for change in document["pairs"][0]["changes"]} == {"same"}


def test_compare_refuses_other_data(tmp_path):
    a, b = tmp_path / "a.result.json", tmp_path / "b.result.json"
    save_result(make_result(), a)
    save_result(make_result(data_hash="e" * 64), b)
    assert isinstance(runner.invoke(app, ["compare", str(a), str(b)]).exception, Incomparable)


def test_report_and_compare_never_import_torch(folder, tmp_path):
    file = str(folder / "cpu" / "cnn-int8.result.json")
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom edgekd.cli.app import app\n"
        f"out = {str(tmp_path / 'out')!r}\n"
        f"assert CliRunner().invoke(app, ['report', {str(folder)!r}, '--out', out]).exit_code == 0\n"
        f"assert CliRunner().invoke(app, ['compare', {file!r}, {file!r}]).exit_code == 0\n"
        "heavy = {'torch', 'transformers', 'onnxruntime', 'datasets'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
