"""OpenVINO bundles: they run wherever a bundle runs, say what ONNX Runtime says, and nothing is sent anywhere."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgekd.bench.variants import variant_from_bundle
from edgekd.bench.worker import open_session
from edgekd.bundle import GRAPH_FILES, MODEL_FILE, load_bundle, write_manifest
from edgekd.errors import InvalidArtifact, MissingExtra
from edgekd.explain.model import ExplainedModel
from edgekd.gate.lab import Lab
from edgekd.runtime import SESSIONS, OnnxSession, OpenVinoSession, RuntimeModel, session_for
from tests.bundles import make_bundle

openvino = pytest.importorskip("openvino")
pytest.importorskip("onnx")

XML, BIN = GRAPH_FILES["openvino"]
TEXTS = ["great", "the film was not very good and it is dull", "", "awful movie!"]


def as_openvino(folder, source):
    """Copy a bundle with its graph as OpenVINO IR."""
    shutil.copytree(source.folder, folder)
    (folder / MODEL_FILE).unlink()
    model = openvino.convert_model(str(source.model_path))
    openvino.save_model(model, str(folder / XML), compress_to_fp16=False)
    return write_manifest(folder, source.manifest.model_copy(update={"runtime": "openvino", "providers": ["CPU"]}))


@pytest.fixture(scope="module")
def onnx_bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("onnx"))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory, onnx_bundle):
    return as_openvino(tmp_path_factory.mktemp("openvino") / "bundle", onnx_bundle)


@pytest.fixture(scope="module")
def session(bundle):
    opened = session_for(load_bundle(bundle.folder), threads=1)
    opened.load()
    return opened


def damaged(tmp_path, bundle):
    return Path(shutil.copytree(bundle.folder, tmp_path / "damaged"))


# The bundle


def test_a_bundle_is_opened_by_the_runtime_of_its_manifest(bundle, onnx_bundle):
    assert isinstance(session_for(bundle, 1), OpenVinoSession)
    assert isinstance(session_for(onnx_bundle, 1), OnnxSession)
    assert bundle.model_path.name == XML
    assert set(SESSIONS) == set(GRAPH_FILES)


@pytest.mark.parametrize("name", [XML, BIN])
def test_both_files_of_the_graph_are_needed_and_verified(tmp_path, bundle, name):
    folder = damaged(tmp_path, bundle)
    with (folder / name).open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(InvalidArtifact, match=f"'{name}' has sha256"):
        load_bundle(folder)
    (folder / name).unlink()
    write_manifest(folder, bundle.manifest)
    with pytest.raises(InvalidArtifact, match=f"does not list {name}"):
        load_bundle(folder)


def test_an_unknown_runtime_is_named(tmp_path, bundle):
    folder = damaged(tmp_path, bundle)
    other = bundle.manifest.model_copy(update={"runtime": "abacus"})
    model = replace(RuntimeModel.of(bundle), runtime="abacus")
    with pytest.raises(InvalidArtifact, match="runtime 'abacus'; this edgekd runs onnxruntime, openvino"):
        session_for(model, 1)
    write_manifest(folder, other)
    with pytest.raises(InvalidArtifact, match="runtime 'abacus'; this edgekd knows onnxruntime, openvino"):
        load_bundle(folder)


# The session


def test_it_says_what_onnxruntime_says(session, onnx_bundle):
    reference = OnnxSession(onnx_bundle, 1)
    reference.load()
    for texts in ([text] for text in TEXTS):
        np.testing.assert_allclose(session.run(texts), reference.run(texts), atol=1e-5)
    logits = session.run(TEXTS)
    np.testing.assert_allclose(logits, reference.run(TEXTS), atol=1e-5)
    assert logits.dtype == np.float32
    assert session.providers == ["CPU"]


def test_answers_are_copies_that_the_next_call_leaves_alone(session):
    first = session.run(["great"])
    kept = first.copy()
    session.run(["awful"])
    np.testing.assert_array_equal(first, kept)


def test_cached_and_plain_sessions_agree(bundle, session):
    plain = OpenVinoSession(bundle, 1, cached=False)
    plain.load()
    np.testing.assert_array_equal(session.run(TEXTS), plain.run(TEXTS))


def test_lengths_of_the_warm_up_are_prepared_once_each(bundle, monkeypatch):
    opened = OpenVinoSession(bundle, 1)
    opened.load()
    lengths = []
    infer = opened.infer
    monkeypatch.setattr(opened, "infer", lambda inputs: lengths.append(inputs.tokens) or infer(inputs))
    opened.learn_words(["great", "awful", "great film", "dull movie", ""])
    assert sorted(lengths) == [2, 3, 4]
    assert len(opened._encoder) == 6  # with the empty one
    opened.run(["fine"])
    opened.begin_pass()
    assert len(opened._encoder) == 6  # with the empty one


def test_a_graph_that_is_no_graph(tmp_path, bundle):
    folder = damaged(tmp_path, bundle)
    (folder / XML).write_text("no graph", encoding="utf-8")
    write_manifest(folder, bundle.manifest)
    with pytest.raises(InvalidArtifact, match=rf"OpenVINO cannot run .*{XML}"):
        session_for(load_bundle(folder), 1).load()


def test_inputs_that_are_not_those_of_the_manifest(bundle):
    manifest = bundle.manifest.model_copy(update={"inputs": ["input_ids"]})
    with pytest.raises(InvalidArtifact, match="its manifest says"):
        OpenVinoSession(bundle.model_copy(update={"manifest": manifest}), 1).load()


def test_without_openvino_the_extra_is_named(bundle, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingExtra, match="'openvino', which is not installed") as failed:
        session_for(bundle, 1).load()
    assert failed.value.hint == "Run: pip install 'edgekd[openvino]'"


# Wherever a bundle is used


def test_the_bench_measures_it(bundle, session):
    variant = variant_from_bundle(bundle.folder)
    assert (variant.backend, variant.graph) == ("openvino", XML)
    opened = open_session(
        {
            "name": variant.name,
            "path": str(variant.path),
            "backend": variant.backend,
            "graph": variant.graph,
            "inputs": variant.inputs,
            "providers": variant.providers,
            "max_length": variant.max_length,
            "lengths": variant.lengths,
            "batch": variant.batch,
        },
        1,
    )
    opened.load()
    np.testing.assert_array_equal(opened.run(TEXTS), session.run(TEXTS))


def test_the_gate_asks_it_in_a_process_of_its_own(bundle, session):
    lab = Lab(threads=1, affinity=[], texts=TEXTS, warm_up=[])
    expected = np.concatenate([session.run([text]) for text in TEXTS])
    np.testing.assert_array_equal(lab.logits(bundle), expected)


def test_it_is_explained(bundle, onnx_bundle):
    rows = [[], [5], [5, 6, 7]]
    found, expected = (ExplainedModel(one).logits(rows[1:]) for one in (bundle, onnx_bundle))
    np.testing.assert_allclose(found, expected, atol=1e-5)


# What is left alone

WATCHED = """
import sys
events = []
sys.addaudithook(lambda name, _: events.append(name) if name in ("socket.connect", "socket.getaddrinfo") else None)
import edgekd, os, threading, multiprocessing
from pathlib import Path
from edgekd.bundle import load_bundle
from edgekd.runtime import session_for
session = session_for(load_bundle(Path(sys.argv[1])), 1)
session.load()
session.run(["great"])
import openvino
openvino.convert_model(sys.argv[2])
heavy = [name for name in ("torch", "transformers", "onnx") if name in sys.modules]
if len(sys.argv) > 3:
    sys.modules["torch"] = None  # nncf imports it if it is there, which takes seconds
    import nncf
    from nncf.telemetry import telemetry
    telemetry.send_event("nncf_ov", "test", "test")
threads = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
print("RESULT", [events, heavy, threads, multiprocessing.active_children()])
"""


@pytest.mark.parametrize("more", [[], ["nncf"]])
def test_nothing_is_sent_and_nothing_is_written_at_home(tmp_path, bundle, onnx_bundle, more):
    for name in more:
        pytest.importorskip(name)
    arguments = [sys.executable, "-c", WATCHED, str(bundle.folder), str(onnx_bundle.model_path), *more]
    # No CI variable: with one, openvino-telemetry keeps quiet of itself.
    plain = {key: value for key, value in os.environ.items() if key not in ("CI", "TF_BUILD", "JENKINS_URL", "NNCF_CI")}
    done = subprocess.run(
        arguments, env={**plain, "HOME": str(tmp_path)}, capture_output=True, text=True, check=True, timeout=60
    )
    last = done.stdout.splitlines()[-1]
    assert json.loads(last.removeprefix("RESULT ")) == [[], [], [], []]
    assert list(tmp_path.iterdir()) == []
