from __future__ import annotations

import sys

import pytest
from typer.testing import CliRunner

from edgekd.bench.energy import EnergyPhase
from edgekd.bench.leak import LeakCheck
from edgekd.cli.app import app
from edgekd.results import load_result
from tests.bundles import make_bundle
from tests.toys import write_csv

pytest.importorskip("onnx")

runner = CliRunner()


@pytest.fixture
def folder(tmp_path):
    make_bundle(tmp_path / "bag", name="bag-fp32")
    write_csv(tmp_path / "test.csv", 60)
    return tmp_path


def test_leaks_and_energy_are_measured_when_asked_for(folder, monkeypatch):
    monkeypatch.setattr("edgekd.bench.job.LeakCheck", lambda: LeakCheck(calls=1000, points=25))
    monkeypatch.setattr("edgekd.bench.job.EnergyPhase", lambda: EnergyPhase(find=lambda: (None, "no meter in tests")))
    result = runner.invoke(
        app,
        [
            *("bench", str(folder / "bag"), "--data", str(folder / "test.csv"), "--out", str(folder / "out")),
            *("--passes", "1", "--processes", "2", "--leak-check", "--energy"),
        ],
        env={"COLUMNS": "140"},
    )
    assert result.exit_code == 0, result.output
    assert "Leak check of bag-fp32, 1,000 calls" in result.stderr
    assert "Energy is not measured: no meter in tests." in result.stderr
    assert "no leak" in result.stdout
    stored = load_result(folder / "out" / "bag-fp32.result.json")
    assert [point.calls for point in stored.heap] == list(range(40, 1001, 40))
    assert stored.energy == []
    assert "energy not measured: no meter in tests" in stored.notes
    assert len(stored.machine_over_time) >= 4  # at the beginning and the end of each process
    if sys.platform == "linux":
        assert all(moment.load_average is not None for moment in stored.machine_over_time)
        assert any(moment.waited_share is not None for moment in stored.machine_over_time)


def test_neither_is_measured_otherwise(folder):
    result = runner.invoke(
        app,
        [
            *("bench", str(folder / "bag"), "--data", str(folder / "test.csv"), "--out", str(folder / "out")),
            *("--passes", "1", "--processes", "1"),
        ],
    )
    assert result.exit_code == 0, result.output
    stored = load_result(folder / "out" / "bag-fp32.result.json")
    assert (stored.heap, stored.energy) == ([], [])
    assert "Leak check" not in result.output
