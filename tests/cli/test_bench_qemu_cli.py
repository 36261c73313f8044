"""``edgekd bench --on qemu://...`` and ``edgekd devices setup``, with a stand-in for QEMU."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.unit.test_qemu_place import folder  # noqa: F401 - a fixture

pytest.importorskip("onnx")


def edgekd(where, *arguments):
    command = [sys.executable, "-m", "edgekd", *arguments]
    return subprocess.run(command, cwd=where, capture_output=True, text=True, check=False)


def bench(where, *arguments):
    given = ("tiny", "--data", "texts.jsonl", "--devices", "toy.yaml", "--qemu", "./qemu", "--max-texts", "10")
    return edgekd(where, "bench", *given, *arguments)


def test_the_table_has_answers_and_memory_and_no_time(folder):  # noqa: F811
    done = bench(folder, "--on", "qemu://plaything", "--out", "out")
    assert done.returncode == 0, done.stderr
    words = " ".join(done.stdout.split())
    assert "Emulated for toy: right for answers, sizes and instruction counts. Nothing was timed." in words
    assert "tiny: 0 of 10 answers differ from those of" in words
    assert "logits are equal." in words
    heading = next(line.split() for line in done.stdout.splitlines() if line.split()[:1] == ["variant"])
    assert heading == ["variant", "accuracy", "steady", "RSS", "size"]
    assert (folder / "out" / "toy-9000" / "tiny.result.json").is_file()


def test_json_has_no_value_of_a_time(folder):  # noqa: F811
    done = bench(folder, "--on", "qemu://toy-9000", "--json", "--out", "json")
    [row] = json.loads(done.stdout)["sections"][0]["rows"]
    assert row["evidence"] == "emulated"
    assert [name for name, cell in row["metrics"].items() if name.endswith("_s") and cell["value"] is not None] == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--on", "qemu://cortex-a9"], "Unknown emulated processor 'cortex-a9'"),
        (["--on", "qemu://"], "names no processor"),
        (["--on", "qemu://toy-9000", "--on", "qemu://pi4"], "stands alone"),
        (["--on", "qemu://toy-9000", "--scenario", "server"], "never how long it takes"),
        (["--on", "qemu://toy-9000", "--memory-limit", "50MB"], "emulator's own memory"),
    ],
)
def test_what_does_not_fit_is_a_usage_error(folder, arguments, said):  # noqa: F811
    done = bench(folder, *arguments)
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_a_missing_emulator_is_said(folder):  # noqa: F811
    done = edgekd(folder, "bench", "tiny", "-d", "texts.jsonl", "--on", "qemu://pi4", "--qemu", "/nowhere/qemu")
    assert done.returncode == 3
    assert "There is no program '/nowhere/qemu'." in done.stderr


def test_setup_says_what_is_ready(folder, tmp_path):  # noqa: F811
    done = edgekd(folder, "devices", "setup", "toy", "--devices", "toy.yaml", "--qemu", "./qemu")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("qemu://toy-9000: ready. toy-9000 (QEMU 7.2.0), Python 3.")
    assert "Kept in " in done.stdout


def test_setup_refuses_an_unknown_name(folder):  # noqa: F811
    done = edgekd(folder, "devices", "setup", "nosuch")
    assert done.returncode == 2
    assert "Unknown emulated processor 'nosuch'" in done.stderr
