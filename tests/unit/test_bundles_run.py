"""run.py of a packed bundle: the answers of ``edgekd predict``, with onnxruntime, numpy and tokenizers alone."""

from __future__ import annotations

import ast
import json
import subprocess
import sys

import pytest

from edgekd.bundle import GRAPH_FILES, load_bundle, write_manifest
from edgekd.bundles.pack import pack_bundle, unpack_bundle
from edgekd.bundles.runner import PACKAGES, runner_source
from edgekd.cli.answers import json_line
from edgekd.runtime import session_for
from edgekd.runtime.predict import predict_texts
from edgekd.tasks import Calibration, TaskKind
from tests.bundles import make_bundle

onnx = pytest.importorskip("onnx")

TEXTS = [
    "great film",
    "",
    "awful awful dull, and the movie was boring",
    "great great bad",
    "naïve 😀 \u200f\u0627 fun\u2028film \x1b[31m",
    "good " * 200,
    "\u00e9" * 50,
]
EMOTIONS = {"labels": ("anger", "joy", "love"), "task": TaskKind.MULTI_LABEL}
KINDS = {
    "two labels": {"calibration": Calibration(1.7)},
    "five labels": {"labels": ("a", "b", "c", "d", "e"), "calibration": Calibration(0.3)},
    "multi-label": {**EMOTIONS, "calibration": Calibration(1.2, (0.6, 0.3, 0.55))},
    "multi-label, 0.5 each": EMOTIONS,
    "regression": {"labels": ("rating",), "task": TaskKind.REGRESSION},
    "short": {"max_length": 6},
}
FORMS = {
    "fixed length": {"lengths": [16]},
    "buckets": {"lengths": [32, 8, 16]},
    "fixed batch": {"lengths": [64], "batch": 4},
}


def packed(bundle, tmp_path):
    """Return the folder that a board gets."""
    archive = pack_bundle(bundle, tmp_path / "b.tar.gz", "card").file
    return unpack_bundle(archive, tmp_path / "unpacked").folder


def run(folder, *arguments, texts=None, **env):
    stdin = None if texts is None else "".join(f"{text}\n" for text in texts).encode()
    command = [sys.executable, "-I", str(folder / "run.py"), *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, check=False, env=env or None)


def answers(folder, texts):
    done = run(folder, "--json", texts=texts)
    assert done.returncode == 0, done.stderr.decode()
    return [json.loads(line) for line in done.stdout.decode().split("\n")[:-1]]


def predicted(folder, texts):
    bundle = load_bundle(folder)
    session = session_for(bundle, 1)
    session.load()
    task = bundle.manifest.as_task
    found = predict_texts(session, task, texts, calibration=bundle.manifest.calibration)
    return [json.loads(json_line(prediction, task)) for prediction in found]


def assert_same(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.keys() == other.keys()
        for key, value in other.items():
            assert one[key] == (pytest.approx(value, abs=1e-6) if key in {"probability", "value"} else value) or (
                key == "probabilities" and one[key] == pytest.approx(value, abs=1e-6)
            )


@pytest.mark.parametrize("kind", KINDS)
def test_it_answers_as_predict_does(tmp_path, kind):
    folder = packed(make_bundle(tmp_path / "b", **KINDS[kind]), tmp_path)
    assert_same(answers(folder, TEXTS), predicted(folder, TEXTS))


@pytest.mark.parametrize("form", FORMS)
def test_it_pads_as_predict_does(tmp_path, form):
    made = make_bundle(tmp_path / "b")
    bundle = write_manifest(made.folder, made.manifest.model_copy(update=FORMS[form]))
    folder = packed(bundle, tmp_path)
    assert_same(answers(folder, TEXTS), predicted(folder, TEXTS))


def test_it_gives_the_integers_that_the_graph_takes(tmp_path):
    made = make_bundle(tmp_path / "b")
    graph = onnx.load(str(made.model_path))
    for entry in graph.graph.input:
        entry.type.tensor_type.elem_type = onnx.TensorProto.INT32
    onnx.save(graph, str(made.model_path))
    folder = packed(write_manifest(made.folder, made.manifest), tmp_path)
    assert_same(answers(folder, TEXTS), predicted(folder, TEXTS))


def test_it_runs_an_openvino_bundle(tmp_path):
    openvino = pytest.importorskip("openvino")
    made = make_bundle(tmp_path / "b", calibration=Calibration(1.5))
    graph, weights = GRAPH_FILES["openvino"]
    openvino.save_model(openvino.convert_model(str(made.model_path)), made.folder / graph, compress_to_fp16=False)
    assert (made.folder / weights).is_file()
    made.model_path.unlink()
    manifest = made.manifest.model_copy(update={"runtime": "openvino", "providers": ["CPU"]})
    folder = packed(write_manifest(made.folder, manifest), tmp_path)
    assert_same(answers(folder, TEXTS[:4]), predicted(folder, TEXTS[:4]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    base = tmp_path_factory.mktemp("run")
    return packed(make_bundle(base / "b"), base)


def test_lines_for_people(folder):
    done = run(folder, "great film", "awful \x1b[31m")
    assert done.stdout.decode().splitlines()[0].startswith("positive 0.7")
    assert done.stdout.decode().splitlines()[0].endswith("  'great film'")
    assert b"\x1b" not in done.stdout


def test_a_byte_order_mark_is_no_text(folder):
    done = run(folder, "--json", texts=["\ufeffgreat film", "awful"])
    assert [json.loads(line)["text"] for line in done.stdout.splitlines()] == ["great film", "awful"]


def test_a_changed_file_is_not_run(folder, tmp_path):
    made = make_bundle(tmp_path / "b")
    target = packed(made, tmp_path)
    (target / "tokenizer.json").write_text("{}")
    done = run(target, "great")
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.decode() == "Error: the file tokenizer.json is missing or damaged. Copy the folder again.\n"
    (target / "tokenizer.json").unlink()
    assert run(target, "great").returncode == 1


def test_telemetry_is_off_when_the_runtime_is_imported(folder, tmp_path):
    (tmp_path / "onnxruntime.py").write_text("import os, sys\nsys.exit('told ' + os.environ['ORT_DISABLE_TELEMETRY'])")
    command = [sys.executable, str(folder / "run.py"), "great"]
    env = {"PYTHONPATH": str(tmp_path), "ORT_DISABLE_TELEMETRY": "0"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    assert done.stderr == "told 1\n"


def test_openvino_cannot_import_its_telemetry(tmp_path):
    made = make_bundle(tmp_path / "b")
    made.model_path.rename(made.folder / "openvino_model.xml")
    (made.folder / "openvino_model.bin").write_bytes(b"")
    manifest = made.manifest.model_copy(update={"runtime": "openvino", "providers": ["CPU"]})
    write_manifest(made.folder, manifest)
    (made.folder / "run.py").write_bytes(runner_source())
    (tmp_path / "openvino.py").write_text("import sys\nsys.exit(str(sys.modules['openvino_telemetry']))")
    command = [sys.executable, str(made.folder / "run.py"), "great"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"PYTHONPATH": str(tmp_path)})
    assert done.stderr == "None\n"


def test_it_is_short_and_needs_little():
    source = runner_source().decode()
    assert len(source.splitlines()) < 100
    tree = ast.parse(source, feature_version=(3, 8))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module.partition(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert names - sys.stdlib_module_names == {"numpy", "tokenizers", "onnxruntime", "openvino"}


def test_it_uses_nothing_that_python_3_8_lacks():
    tree = ast.parse(runner_source())
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    methods = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not called & {"zip", "aiter", "anext"}
    assert not methods & {"removeprefix", "removesuffix", "is_relative_to", "readlink", "bit_count"}


def test_every_runtime_of_bundles_that_it_opens_is_known():
    assert set(PACKAGES) <= set(GRAPH_FILES)
