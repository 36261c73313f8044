"""Bundles: every damage is found, with a message that names the file."""

import json
from pathlib import Path

import pytest

from edgekd.bundle import MANIFEST_FILE, load_bundle
from edgekd.errors import InvalidArtifact
from edgekd.proof import Proof
from edgekd.tasks import Calibration, Task, TaskKind
from tests.bundles import make_bundle

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture
def folder(tmp_path):
    make_bundle(tmp_path / "b")
    return tmp_path / "b"


def edit(folder, change):
    path = folder / MANIFEST_FILE
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


def test_round_trip(folder):
    bundle = load_bundle(folder)
    assert bundle.manifest.labels == ["negative", "positive"]
    assert bundle.size_bytes == sum(p.stat().st_size for p in folder.iterdir())


def test_one_changed_byte(folder):
    data = bytearray((folder / "model.onnx").read_bytes())
    data[-1] ^= 1
    (folder / "model.onnx").write_bytes(data)
    with pytest.raises(InvalidArtifact, match=r"'model\.onnx' has sha256 .* expected"):
        load_bundle(folder)


def test_missing_file(folder):
    (folder / "tokenizer.json").unlink()
    with pytest.raises(InvalidArtifact, match=r"'tokenizer\.json' is missing"):
        load_bundle(folder)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda m: m.update(schema_version=99), "schema 99"),
        (lambda m: m.update(surprise=1), "damaged: surprise"),
        (lambda m: m.update(task="sorting"), "damaged: task"),
        (lambda m: m["calibration"].update(temperature=0), "the temperature is 0"),
        (lambda m: m["calibration"].update(thresholds=[0.5]), "1 thresholds for 2 labels"),
        (lambda m: m.update(proof={"metric": "accuracy"}), "damaged: proof.count"),
        (lambda m: m["files"].pop("model.onnx"), "does not list model.onnx"),
        (lambda m: m["files"].update({"../../x": "0"}), "outside itself"),
    ],
)
def test_wrong_manifest(folder, change, text):
    edit(folder, change)
    with pytest.raises(InvalidArtifact, match=text):
        load_bundle(folder)


def test_not_a_bundle(tmp_path):
    with pytest.raises(InvalidArtifact, match="does not exist"):
        load_bundle(tmp_path / "none")
    with pytest.raises(InvalidArtifact, match="is not a bundle"):
        load_bundle(tmp_path)


def test_a_manifest_of_the_first_schema_is_read(folder):
    files = json.loads((folder / MANIFEST_FILE).read_text())["files"]
    old = json.loads((GOLDEN / "schema-1.edgekd.json").read_text())
    (folder / MANIFEST_FILE).write_text(json.dumps({**old, "files": files}))
    manifest = load_bundle(folder).manifest
    assert (manifest.schema_version, manifest.name, manifest.calibration) == (3, "tiny", Calibration())
    assert manifest.proof == Proof(metric="accuracy", count=40, seeds=[0], student=[0.875], control=[0.8])


def test_a_first_schema_manifest_without_a_control(folder):
    def change(manifest):
        manifest.pop("calibration")
        manifest.pop("proof")
        manifest.update(schema_version=1, control_accuracy=None, control_correct=None)

    edit(folder, change)
    assert load_bundle(folder).manifest.proof is None


def test_calibration_and_proof_survive_a_file(tmp_path):
    calibration = Calibration(1.25, (0.25, 0.5))
    proof = Proof(metric="macro_f1", count=9, seeds=[0, 1], student=[0.5, 0.6], control=[0.4, 0.5])
    bundle = make_bundle(tmp_path, task=TaskKind.MULTI_LABEL, calibration=calibration, proof=proof)
    again = load_bundle(tmp_path).manifest
    assert again == bundle.manifest
    assert (again.calibration, again.proof) == (calibration, proof)
    assert again.as_task == Task(TaskKind.MULTI_LABEL, ("negative", "positive"))
