"""Bundles: every damage is found, with a message that names the file."""

import json

import pytest

from edgekd.bundle import MANIFEST_FILE, load_bundle
from edgekd.errors import InvalidArtifact
from tests.bundles import make_bundle


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
