from __future__ import annotations

import json
import platform
import subprocess
import sys

import pytest

from edgekd.devices import find_profile
from tests.bundles import make_bundle
from tests.unit.test_emulation_verify import STAND_IN


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with a bundle, a stand-in for QEMU, and a target of this machine's architecture."""
    folder = tmp_path_factory.mktemp("verify")
    make_bundle(folder / "tiny")
    (folder / "qemu").write_text(STAND_IN)
    (folder / "qemu").chmod(0o755)
    profile = find_profile("x86-avx2").model_dump(mode="json")
    profile |= {"name": "toy", "aliases": [], "ladder": []}
    profile["emulator"]["arch"] = platform.machine()
    if platform.machine() == "aarch64":
        profile["emulator"]["cpuinfo"] = find_profile("pi4").emulator.cpuinfo.model_dump()
    (folder / "toy.yaml").write_text(json.dumps(profile))
    return folder


def edgekd(folder, *arguments):
    command = [sys.executable, "-m", "edgekd", "verify", *arguments, "--devices", "toy.yaml"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_the_table_says_what_was_compared_and_that_it_was_emulated(folder):
    done = edgekd(folder, "tiny", "-t", "toy", "--qemu", "./qemu", "--count", "2", "--out", "verify.json")
    assert done.returncode == 0, done.stderr
    row = next(line.split() for line in done.stdout.splitlines() if line.split()[:1] == ["tiny"])
    assert row == ["tiny", "fp32", "toy", "15", "0", "0", "0", "0", "same"]
    assert "toy: QEMU 7.2.0, -cpu Haswell-noTSX, Python" in done.stdout
    assert "Evidence: emulated. It shows what is computed, not how long it takes." in done.stdout
    record = json.loads((folder / "verify.json").read_text())
    assert record["schema_version"] == 1
    assert record["comparisons"][0]["evidence"] == "emulated"


def test_json_is_the_record(folder):
    done = edgekd(folder, "tiny", "-t", "toy", "--qemu", "./qemu", "--count", "1", "--json")
    assert json.loads(done.stdout)["comparisons"][0]["outcome"] == "same"


def test_a_missing_emulator_is_exit_3_with_the_reason_and_0_where_that_is_allowed(folder):
    done = edgekd(folder, "tiny", "-t", "toy", "--qemu", "/nowhere/qemu")
    assert done.returncode == 3
    assert "not run" in done.stdout
    assert "There is no program '/nowhere/qemu'." in done.stdout
    assert edgekd(folder, "tiny", "-t", "toy", "--qemu", "/nowhere/qemu", "--allow-skip").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["tiny"], 2, "Missing option '--target'"),
        (["tiny", "-t", "pi44"], 2, "Unknown target 'pi44'"),
        (["none", "-t", "toy"], 3, "Bundle folder 'none' does not exist"),
        (["tiny", "-t", "toy", "--max-flips", "2"], 2, "Invalid value for '--max-flips'"),
        (["tiny", "-t", "toy", "--count", "0"], 2, "Invalid value for '--count'"),
        (["tiny", "-t", "toy", "--out", "tiny"], 2, "--out 'tiny' is a folder"),
        (["tiny", "-t", "toy", "--data", "none.jsonl", "--qemu", "./qemu"], 2, "none.jsonl"),
    ],
)
def test_mistakes_are_said(folder, arguments, code, words):
    done = edgekd(folder, *arguments)
    assert done.returncode == code, done.stderr
    assert words in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr
