"""Real QEMU: bundles on the instructions of other processors, and an ARM64 userland that stands for a board."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

import edgekd
from edgekd.bench.job import BenchJob, run_job
from edgekd.bundle import write_manifest
from edgekd.compress.int8 import dynamic_int8
from edgekd.config import BenchConfig
from edgekd.devices import Int8
from edgekd.emulation import store
from edgekd.progress import Silent
from edgekd.remote.address import parse_address
from edgekd.remote.board import BoardOptions
from edgekd.remote.measure import measure_on
from edgekd.remote.order import prepare
from edgekd.results import Evidence
from tests.bundles import make_bundle
from tests.emulated_board import emulated_board
from tests.sshd import LoopbackBoard
from tests.toys import write_csv

pytest.importorskip("onnx")


def _is_prepared(arch):
    folder = store.emulation_dir()
    return (folder / f"root-{arch}" / store.STAMP_FILE).is_file() and any(folder.glob(f"packages-{arch}-*"))


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not os.environ.get("EDGEKD_CACHE") or not _is_prepared("aarch64"),
        reason="no ARM system in EDGEKD_CACHE ('edgekd devices setup' fetches it)",
    ),
]


def _own_weights(source, target):
    """Give every matrix product a copy of its weights: ONNX Runtime opens shared int8 weights only with VNNI."""
    import onnx

    model = onnx.load(source)
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    for number, node in enumerate(model.graph.node):
        if node.op_type == "MatMul":
            copy = onnx.TensorProto()
            copy.CopyFrom(weights[node.input[1]])
            copy.name = node.input[1] = f"{node.input[1]}_{number}"
            model.graph.initializer.append(copy)
    onnx.save(model, target)


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    """Return a folder with an fp32 and an int8 bundle and texts."""
    folder = tmp_path_factory.mktemp("material")
    make_bundle(folder / "fp32", name="bag-fp32")
    int8 = make_bundle(folder / "int8", name="bag-int8")
    _own_weights(folder / "fp32" / "model.onnx", folder / "own.onnx")
    dynamic_int8(folder / "own.onnx", int8.model_path, Int8(activation="uint8", weight="int8", reason="tested"))
    write_manifest(int8.folder, int8.manifest.model_copy(update={"precision": "int8"}))
    write_csv(folder / "test.csv", 40)
    return folder


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """Return the Python of an emulated board."""
    return emulated_board(tmp_path_factory.mktemp("arm") / "board")


@pytest.mark.parametrize(("core", "arch"), [("cortex-a72", "aarch64"), ("haswell", "x86_64")])
def test_bundles_answer_on_other_instructions_as_they_do_here(material, core, arch):
    job = BenchJob(
        bundles=(material / "fp32", material / "int8"),
        data=str(material / "test.csv"),
        on=(f"qemu://{core}",),
        config=BenchConfig(max_texts=12),
    )
    results = run_job(job, Silent())
    assert [result.precision for result in results] == ["fp32", "int8"]
    for result in results:
        assert (result.evidence, result.machine.arch) == (Evidence.EMULATED, arch)
        assert "avx512_vnni" not in result.machine.isa
        assert (result.against_host.other_answers, result.against_host.other_token_ids) == (0, 0)
        assert result.against_host.same, result.against_host.reason
        assert 20e6 < result.memory.start_rss_bytes + result.memory.steady_rss_bytes < 400e6
        assert result.memory.loaded_rss_bytes > result.memory.start_rss_bytes
    assert results[0].against_host.max_abs_diff < 1e-4


def test_the_python_of_the_emulated_board_starts_itself_again(python):
    code = "import os, subprocess, sys; print(os.uname().machine, sys.executable)"
    again = f"{code}; subprocess.run([sys.executable, '-c', {code!r}])"
    done = subprocess.run([python, "-c", again], capture_output=True, text=True, check=True)
    assert sorted(done.stdout.split()) == sorted(["aarch64", str(python)] * 2)


def test_the_doctor_says_what_the_emulated_board_is(python, tmp_path):
    (tmp_path / "edgekd").symlink_to(Path(edgekd.__file__).parent)
    done = subprocess.run(
        [python, "-m", "edgekd.doctor", "--json", "--seconds", "0"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    assert (found["processor"]["model"], found["processor"]["arch"]) == ("Cortex-A72", "aarch64")
    assert found["emulated"]
    assert "onnxruntime" in {runtime["name"] for runtime in found["software"]["runtimes"]}


def test_the_whole_way_to_a_board_on_arm_instructions(material, python, tmp_path, monkeypatch):
    board = LoopbackBoard(tmp_path / "board", python=python)
    board.start()
    monkeypatch.setenv("EDGEKD_SSH", board.ssh)
    try:
        job = BenchJob(bundles=(material / "fp32", material / "int8"), data=str(material / "test.csv"))
        results = measure_on(
            parse_address(board.url),
            prepare(job, "pi4"),
            options=BoardOptions(python=str(python)),
            out=tmp_path / "out",
            progress=Silent(),
        )
    finally:
        board.stop()
    for result in results:
        assert (result.evidence, result.machine.arch) == (Evidence.EMULATED, "aarch64")
        assert result.machine.cpu_model == "Cortex-A72"
        assert result.samples.total_s == result.warm_up.total_s == []
        assert (result.load_time_s, result.memory.peak_rss_bytes) == (None, None)
        assert len(result.quality.predictions) == 40
    here = run_job(BenchJob(bundles=(material / "fp32",), data=str(material / "test.csv"), target="cpu"), Silent())
    assert results[0].quality.predictions == here[0].quality.predictions
