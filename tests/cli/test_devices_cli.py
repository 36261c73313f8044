from __future__ import annotations

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from edgekd.cli.app import app
from edgekd.errors import ConfigError

runner = CliRunner()


def test_list_shows_every_target_and_its_aliases():
    result = runner.invoke(app, ["devices", "list"], env={"COLUMNS": "120"})
    assert result.exit_code == 0
    for word in ("cpu", "raspberry-pi-4", "pi5, pi", "jetson", "1.5 GHz", "U8S8"):
        assert word in result.stdout


def test_list_json_is_one_document():
    result = runner.invoke(app, ["devices", "list", "--json"])
    profiles = {profile["name"]: profile for profile in json.loads(result.stdout)}
    assert profiles["raspberry-pi-5"]["cpu"]["clock_hz"] == 2.4e9
    assert "host" in profiles["cpu"]["aliases"]


def test_show_reads_like_a_data_sheet():
    result = runner.invoke(app, ["devices", "show", "jetson"], env={"COLUMNS": "100"})
    assert result.exit_code == 0
    for word in ("jetson-orin-nano", "Processor", "1.5 GHz", "TensorRT 10.3", "Sources", "sbc-bench", "U8S8"):
        assert word in result.stdout


def test_show_own_profile(tmp_path):
    profile = json.loads(runner.invoke(app, ["devices", "show", "pi4", "--json"]).stdout)
    (tmp_path / "mine.yaml").write_text(json.dumps(profile | {"name": "my-board", "aliases": []}))
    result = runner.invoke(app, ["devices", "show", "my-board", "--devices", str(tmp_path)])
    assert result.exit_code == 0
    assert "my-board" in result.stdout


def test_unknown_target_is_an_error():
    result = runner.invoke(app, ["devices", "show", "jetsn"])
    assert isinstance(result.exception, ConfigError)
    assert "Did you mean 'jetson'?" in result.exception.message


@pytest.mark.parametrize("command", [["devices", "list"], ["report", "--help"], ["--help"]])
def test_no_heavy_import(command):
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom edgekd.cli.app import app\n"
        f"assert CliRunner().invoke(app, {command!r}).exit_code == 0\n"
        "heavy = {'torch', 'transformers', 'onnxruntime', 'numpy', 'altair', 'datasets'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
