"""Engines are built once for each graph and each JetPack, on a Jetson that is none."""

import json

import pytest

from edgekd.bench.engines import build_engines, engine_key
from edgekd.errors import InvalidArtifact
from edgekd.progress import Silent
from edgekd.runtime.tensorrt_session import ENGINE_FILE, ENGINE_RECORD
from tests.bundles import make_bundle
from tests.jetson import as_tensorrt, make_trtexec

pytest.importorskip("onnx")


class Recorder(Silent):
    def __init__(self):
        self.started = []

    def start(self, description, total):
        self.started.append(description)


@pytest.fixture
def jetson(tmp_path, monkeypatch):
    release = tmp_path / "nv_tegra_release"
    release.write_text("# R36 (release), REVISION: 4.3, GCID: 1, BOARD: generic, EABI: aarch64\n", "utf-8")
    monkeypatch.setenv("TEGRA_RELEASE_FILE", str(release))
    monkeypatch.setenv("TRTEXEC", str(make_trtexec(tmp_path / "bin")))
    return release


@pytest.fixture
def source(tmp_path):
    return make_bundle(tmp_path / "source", name="bag-fp32")


def built(folders, store):
    progress = Recorder()
    build_engines(folders, store, progress)
    return progress.started


def test_an_engine_is_built_once_for_a_graph_and_a_jetpack(jetson, source, tmp_path):
    first, second, third = (as_tensorrt(tmp_path / name, source).folder for name in ("a", "b", "c"))
    store = tmp_path / "engines"
    assert built([first, source.folder], store) == ["Building the TensorRT engine of bag-fp32"]
    assert built([second], store) == []
    assert (second / ENGINE_FILE).read_bytes() == (first / ENGINE_FILE).read_bytes()
    assert json.loads((second / ENGINE_RECORD).read_text()) == json.loads((first / ENGINE_RECORD).read_text())
    jetson.write_text("# R36 (release), REVISION: 5.0, GCID: 2, BOARD: generic, EABI: aarch64\n", "utf-8")
    assert built([third], store) == ["Building the TensorRT engine of bag-fp32"]
    assert len(list(store.iterdir())) == 2


def test_the_key_is_of_graph_script_and_jetpack(jetson):
    files = {"model.onnx": "1", "build_engine.sh": "2"}
    assert engine_key(files) == engine_key(dict(files))
    assert engine_key({**files, "model.onnx": "3"}) != engine_key(files)
    before = engine_key(files)
    jetson.write_text("# R35\n", "utf-8")
    assert engine_key(files) != before


def test_an_engine_that_cannot_be_built_says_why(jetson, source, tmp_path, monkeypatch):
    bundle = as_tensorrt(tmp_path / "a", source)
    monkeypatch.setenv("TRTEXEC", "/nonexistent/trtexec")
    with pytest.raises(InvalidArtifact, match=r"could not be built on this board:\n.*trtexec was not found"):
        build_engines([bundle.folder], tmp_path / "engines", Silent())
    assert not (tmp_path / "engines").exists() or list((tmp_path / "engines").iterdir()) == []
