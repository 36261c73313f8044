"""`edgekd bench --scenario` and `--lengths`, as a user types them."""

import json

import pytest
from typer.testing import CliRunner

from edgekd.bench.scenarios import lengths
from edgekd.cli.app import app
from edgekd.errors import ConfigError
from tests.bundles import make_bundle
from tests.toys import write_csv

pytest.importorskip("onnx")


def run(*arguments):
    return CliRunner().invoke(app, ["bench", *arguments], env={"COLUMNS": "120"})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--scenario", "ofline"], "Did you mean 'offline'?"),
        (["--rates", "50"], "--rates belongs to the scenario server"),
        (["--lengths", "8,x"], "--lengths '8,x'"),
    ],
)
def test_a_wrong_scenario_is_said_before_anything_is_opened(options, words):
    error = run("no-such-bundle", *options).exception
    assert isinstance(error, ConfigError)
    assert words in error.message


def test_no_minutes_are_a_usage_error():
    assert run("no-such-bundle", "--scenario", "sustained", "--minutes", "0").exit_code == 2


def test_lengths_are_in_the_json(tmp_path, monkeypatch):
    monkeypatch.setattr(lengths, "ROUNDS", 1)
    make_bundle(tmp_path / "bundle")
    data = write_csv(tmp_path / "texts.csv", count=24)
    quick = ("--processes", "1", "--passes", "1", "--lengths", "8,16,32", "--out", str(tmp_path / "results"))
    done = run(str(tmp_path / "bundle"), "--data", str(data), *quick, "--json")
    assert done.exit_code == 0, done.output
    [section] = json.loads(done.stdout)["sections"]
    [row] = section["scenarios"]["lengths"]["rows"]
    assert list(row["values"]) == ["8 tokens", "16 tokens", "32 tokens"]
    assert all(value["value"] > 0 for value in row["values"].values())
