"""Engines on a board that is none: what TensorRT bundles answer, and what is said when something is missing."""

import ctypes
import gc
import json
import os
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("onnx")

from edgekd.bundle import GRAPH_FILES, load_bundle
from edgekd.errors import ConfigError, InvalidArtifact
from edgekd.runtime import SESSIONS, TensorRtSession, cuda, session_for
from edgekd.runtime.tensorrt_session import ENGINE_FILE, ENGINE_RECORD
from tests.bundles import make_bundle
from tests.jetson import STANDINS, as_tensorrt, make_cudart, make_trtexec, run_script

TEXTS = ["great", "the film was not very good and it is dull", "", "awful movie!", "a " * 300]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("onnx"))


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return make_cudart(tmp_path_factory.mktemp("cuda"))


@pytest.fixture
def board(library, monkeypatch):
    monkeypatch.setattr(cuda, "LIBRARIES", (str(library),))
    monkeypatch.syspath_prepend(str(STANDINS))
    monkeypatch.delitem(sys.modules, "tensorrt", raising=False)
    yield library
    sys.modules.pop("tensorrt", None)


@pytest.fixture
def bundle(tmp_path, source):
    return built(as_tensorrt(tmp_path / "bundle", source))


def built(bundle):
    done = run_script(bundle.folder, trtexec=make_trtexec(bundle.folder.parent / "bin"))
    assert done.returncode == 0, done.stdout + done.stderr
    return bundle


def opened(bundle):
    session = session_for(load_bundle(bundle.folder), threads=1)
    session.load()
    return session


def answers(bundle, texts):
    session = session_for(bundle, 1)
    session.load()
    return session.run(texts)


def test_every_runtime_of_a_manifest_has_a_session():
    assert set(SESSIONS) >= {"tensorrt", "ort-format"} <= set(GRAPH_FILES)
    assert SESSIONS["tensorrt"] is TensorRtSession


@pytest.mark.parametrize(
    "options",
    [{}, {"lengths": [64]}, {"lengths": [64], "batch": 1}, {"lengths": [8, 16, 64]}, {"batch": 3}],
    ids=["any shape", "fixed length", "one shape", "buckets", "fixed batch"],
)
def test_an_engine_says_what_the_graph_says(tmp_path, board, source, options):
    session = opened(built(as_tensorrt(tmp_path / "bundle", source, **options)))
    assert session.providers == ["TensorRT 10.3.0"]
    for texts in ([text] for text in TEXTS):
        np.testing.assert_allclose(session.run(texts), answers(source, texts), atol=1e-5)
    # 20 texts are more than the 8 that an engine of any batch takes at once.
    many = (TEXTS * 4)[:20]
    np.testing.assert_allclose(session.run(many), answers(source, many), atol=1e-5)


def test_memory_of_the_gpu_is_freed_with_the_session(board, bundle):
    blocks = ctypes.c_long.in_dll(ctypes.CDLL(str(board)), "live_blocks")
    before = blocks.value
    session = opened(bundle)
    assert blocks.value == before + 3
    del session
    gc.collect()
    assert blocks.value == before


def test_a_bundle_without_engine_says_how_to_build_it(tmp_path, board, source):
    bundle = as_tensorrt(tmp_path / "bundle", source)
    with pytest.raises(InvalidArtifact, match="has no TensorRT engine yet") as error:
        opened(bundle)
    assert error.value.hint == f"Run on this board: bash {bundle.folder / 'build_engine.sh'}"


def test_an_engine_of_another_graph_is_refused(board, bundle):
    record = json.loads((bundle.folder / ENGINE_RECORD).read_text())
    (bundle.folder / ENGINE_RECORD).write_text(json.dumps({**record, "onnx_sha256": "0" * 64}))
    with pytest.raises(InvalidArtifact, match=r"was built from another graph than its model\.onnx"):
        opened(bundle)


def test_an_engine_of_another_version_is_refused(board, bundle, monkeypatch):
    monkeypatch.setenv("STANDIN_TENSORRT", "10.7.0.23")
    with pytest.raises(InvalidArtifact, match=r"built with TensorRT 10\.3\.0; this board has 10\.7\.0\.23"):
        opened(bundle)


@pytest.mark.parametrize("content", [None, "", "[]", '{"tensorrt": "10.3.0"}'])
def test_an_engine_of_unknown_origin_is_refused(board, bundle, content):
    path = bundle.folder / ENGINE_RECORD
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(InvalidArtifact, match="not known what"):
        opened(bundle)


def test_a_damaged_engine_is_refused_with_the_reason_of_tensorrt(board, bundle):
    (bundle.folder / ENGINE_FILE).write_bytes(b"something else")
    with pytest.raises(InvalidArtifact, match="magic tag does not match"):
        opened(bundle)


def test_texts_that_are_longer_than_the_engine_are_refused(tmp_path, board, source):
    bundle = as_tensorrt(tmp_path / "bundle", source, max_length=16)
    with pytest.raises(InvalidArtifact, match="takes up to 16 tokens, a text has 64"):
        opened(built(bundle)).run(["a " * 300])


def test_errors_of_the_gpu_are_told(board, bundle, monkeypatch):
    session = opened(bundle)
    monkeypatch.setenv("STANDIN_FAILS", "1")
    with pytest.raises(InvalidArtifact, match="could not run the engine"):
        session.run(["great"])
    os.environ["STANDIN_CUDA_FAILS"] = "cudaMalloc"  # monkeypatch does not reach the environment of C before it is set
    try:
        with pytest.raises(InvalidArtifact, match=r"cudaMalloc failed with CUDA error 2: out of memory"):
            opened(bundle)
    finally:
        del os.environ["STANDIN_CUDA_FAILS"]


def test_a_machine_without_tensorrt_is_told_where_it_comes_from(bundle, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(ConfigError, match="which JetPack installs") as error:
        opened(bundle)
    assert "--system-site-packages" in error.value.hint


def test_a_machine_with_an_old_tensorrt_is_refused(board, bundle, monkeypatch):
    monkeypatch.setenv("STANDIN_TENSORRT", "8.5.2.2")
    with pytest.raises(ConfigError, match=r"has TensorRT 8\.5\.2\.2; 10\.0 or later"):
        opened(bundle)


def test_a_machine_without_cuda_is_told(board, bundle, monkeypatch):
    monkeypatch.setattr(cuda, "LIBRARIES", ("libcudart-that-is-nowhere.so",))
    with pytest.raises(InvalidArtifact, match="No CUDA runtime library was found"):
        opened(bundle)


def test_of_several_cuda_runtimes_one_that_works_is_used(tmp_path, board, bundle, monkeypatch):
    too_new = make_cudart(tmp_path / "new", "-DTOO_NEW")
    monkeypatch.setattr(cuda, "LIBRARIES", (str(too_new),))
    with pytest.raises(InvalidArtifact, match="CUDA error 35: CUDA driver version is insufficient"):
        opened(bundle)
    monkeypatch.setattr(cuda, "LIBRARIES", (str(too_new), str(board)))
    assert opened(bundle).run(["great"]).shape == (1, 2)


def test_the_command_line_runs_an_engine(library, bundle):
    """In a process of its own: the library is found by its name, the package by the path of Python."""
    done = subprocess.run(
        [sys.executable, "-m", "edgekd", "predict", str(bundle.folder), "great", "--json"],
        env={**os.environ, "LD_LIBRARY_PATH": str(library.parent), "PYTHONPATH": str(STANDINS)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert '"positive"' in done.stdout


@pytest.mark.parametrize("package", ["tensorrt", "tensorrt_rtx"])
def test_the_stand_in_has_only_what_the_package_has(package):
    real = pytest.importorskip(package, reason=f"{package} is not installed, to compare the stand-in with")
    if getattr(real, "MAGIC", None):
        pytest.skip("this is the stand-in")
    sys.path.insert(0, str(STANDINS))
    try:
        import importlib.util

        spec = importlib.util.spec_from_file_location("standin", STANDINS / "tensorrt.py")
        standin = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(standin)
    finally:
        sys.path.remove(str(STANDINS))
    for name in ("ILogger", "Runtime", "ICudaEngine", "IExecutionContext"):
        ours = {member for member in vars(getattr(standin, name)) if not member.startswith("_")} - {"log"}
        assert ours <= set(dir(getattr(real, name)))
    assert {"TensorIOMode", "nptype"} <= set(dir(real))
