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
        "heavy = {'torch', 'transformers', 'onnxruntime', 'numpy', 'vl_convert', 'datasets'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_show_numbers_its_sources_and_lists_what_is_tried():
    result = runner.invoke(app, ["devices", "show", "n100"], env={"COLUMNS": "100"})
    for text in ("3.4 GHz [1]", "[1]", "Compression, in the order it is tried", "For estimates", "RAPL", "38.4 GB/s"):
        assert text in result.stdout


def test_doctor_describes_this_machine():
    result = runner.invoke(app, ["devices", "doctor", "--seconds", "0"], env={"COLUMNS": "120"})
    assert result.exit_code == 0
    for word in ("Machine", "Processor", "fingerprint", "onnxruntime", "CPUExecutionProvider", "Advice", "--target"):
        assert word in result.stdout
    assert "not run: not asked for" in result.stdout


def test_doctor_json_is_one_document_with_the_fingerprint():
    from edgekd.bench.machine import describe_machine

    result = runner.invoke(app, ["devices", "doctor", "--seconds", "0", "--json"])
    found = json.loads(result.stdout)
    assert found["fingerprint"] == describe_machine().fingerprint
    assert found["test"] is None


def test_doctor_measures_and_advises():
    result = runner.invoke(app, ["devices", "doctor", "--seconds", "0.2"], env={"COLUMNS": "120"})
    assert result.exit_code == 0
    for word in ("Micro-test", "24 x 384 x 384", "U8S8 per channel", "GFLOP/s", "memory copy", "tokenizer", "int8"):
        assert word in result.stdout


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("pi@host", "--on 'pi@host' is no place"),
        ("ssh://-oProxyCommand=touch", "is no address of a board"),
        ("qemu://m68k", "Unknown emulated processor 'm68k'"),
    ],
)
def test_doctor_refuses_places_that_are_none(place, message):
    result = runner.invoke(app, ["devices", "doctor", "--on", place])
    assert isinstance(result.exception, ConfigError)
    assert message in result.exception.message


def test_new_writes_a_target_that_other_commands_take(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = runner.invoke(app, ["devices", "new", "kitchen-pc", "--like", "cpu", "--seconds", "0"])
    assert result.exit_code == 0, result.exception
    assert "kitchen-pc.yaml" in result.stdout
    shown = runner.invoke(app, ["devices", "show", "kitchen-pc", "--devices", "kitchen-pc.yaml"])
    assert "read on the machine" in shown.stdout
    again = runner.invoke(app, ["devices", "new", "kitchen-pc", "--seconds", "0"])
    assert "'kitchen-pc.yaml' exists" in again.exception.message
    forced = runner.invoke(app, ["devices", "new", "kitchen-pc", "--seconds", "0", "--force"])
    assert forced.exit_code == 0


def test_new_from_a_diagnosis_of_another_machine(tmp_path):
    found = json.loads(runner.invoke(app, ["devices", "doctor", "--seconds", "0", "--json"]).stdout)
    found["board"]["name"] = "Raspberry Pi 4 Model B Rev 1.4"
    found["processor"] |= {"arch": "aarch64", "model": "Raspberry Pi 4", "parts": ["0x41 0xd08"], "isa": ["asimd"]}
    source, out = tmp_path / "pi.json", tmp_path / "sub" / "mine.yaml"
    source.write_text(json.dumps(found))
    result = runner.invoke(app, ["devices", "new", "mine", "--from", str(source), "-o", str(out)])
    assert result.exit_code == 0, result.exception
    assert "like raspberry-pi-4" in result.stdout
    assert "cortex-a72" in out.read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["My PC"], "is no name of a target"),
        (["pi4"], "There is a target 'pi4' already"),
        (["mine", "--like", "pi44"], "Unknown target 'pi44'"),
        (["mine", "--from", "none.json"], "cannot be read"),
        (["mine", "--from", "none.json", "--on", "qemu://pi4"], "two sources"),
    ],
)
def test_new_refuses_what_cannot_be(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    result = runner.invoke(app, ["devices", "new", *arguments])
    assert isinstance(result.exception, ConfigError)
    assert message in result.exception.message
    assert list(tmp_path.iterdir()) == []
