"""Checking, packing, describing and comparing bundles, and their model cards."""

from __future__ import annotations

import json

import pytest
import yaml

from edgekd.bundle import Metric, load_bundle, write_manifest
from edgekd.bundles.card import model_card
from edgekd.bundles.checks import State, check_bundle, is_sound
from edgekd.bundles.diff import Change, FileChange, ScorePair, as_json, compare_bundles
from edgekd.bundles.info import describe, lengths_text
from edgekd.bundles.pack import opened, pack_bundle, unpack_bundle
from edgekd.errors import ConfigError, InvalidArtifact
from edgekd.proof import Proof
from edgekd.provenance import LineageStep, Parity
from edgekd.tasks import Calibration, TaskKind
from tests.bundles import make_bundle

pytest.importorskip("onnx")

HOSTILE_LABEL = "<b>*a*</b>|`x`\n# [y](z)\u202e"


@pytest.fixture
def bundle(tmp_path):
    return make_bundle(tmp_path / "b")


def change(bundle, **fields):
    return write_manifest(bundle.folder, bundle.manifest.model_copy(update=fields))


def states(checks):
    return {check.name: check.state.value for check in checks}


def found(bundle, name):
    [check] = [check for check in check_bundle(bundle.folder) if check.name == name]
    return check.state.value, check.detail


def test_a_sound_bundle_passes_every_check(bundle):
    (bundle.folder / "config.json").write_text(json.dumps({"id2label": {"0": "negative", "1": "positive"}}))
    checks = check_bundle(change(bundle).folder)
    names = ["manifest", "names", "files", "labels", "tokenizer", "graph", "answers"]
    assert states(checks) == dict.fromkeys(names, "ok")
    assert checks[-1].detail == "3 texts (short, empty, too long), 2 finite outputs each"


def test_every_damaged_file_is_named(bundle):
    (bundle.folder / "tokenizer.json").unlink()
    (bundle.folder / "model.onnx").write_bytes(b"x")
    state, detail = found(bundle, "files")
    assert state == "failed"
    assert "tokenizer.json is missing" in detail
    assert "model.onnx is changed: sha256 2d711642b726..., expected " in detail
    assert "graph" not in states(check_bundle(bundle.folder))


@pytest.mark.parametrize(
    ("name", "reason"),
    [("../x", "'..'"), ("/etc/passwd", "absolute"), ("a\\b", "backslash"), ("link", "leads out of the bundle")],
)
def test_an_unsafe_name_fails(bundle, tmp_path, name, reason):
    (bundle.folder / "link").symlink_to(tmp_path)
    raw = json.loads((bundle.folder / "edgekd.json").read_text())
    raw["files"][name] = "0"
    (bundle.folder / "edgekd.json").write_text(json.dumps(raw))
    state, detail = found(bundle, "names")
    assert state == "failed"
    assert reason in detail


def test_files_that_nobody_vouches_for_are_a_warning(bundle):
    (bundle.folder / "notes.txt").write_text("x")
    (bundle.folder / "README.md").write_text("x")
    (bundle.folder / "run.py").write_text("import antigravity")
    checks = check_bundle(bundle.folder)
    assert is_sound(checks)
    assert found(bundle, "other files") == ("warning", "not listed, so nothing vouches for them: notes.txt")
    assert found(bundle, "run.py") == ("warning", "is not the one that this edgekd writes; read it before you run it")


def test_labels_that_other_tools_would_name_differently_are_a_warning(bundle):
    (bundle.folder / "config.json").write_text(json.dumps({"id2label": {"0": "positive", "1": "negative"}}))
    state, detail = found(change(bundle), "labels")
    assert (state, "['positive', 'negative']" in detail) == ("warning", True)


def test_a_label_that_is_there_twice_fails(bundle):
    assert found(change(bundle, labels=["a", "a"]), "labels") == ("failed", "a label is there twice")


def test_a_graph_with_another_number_of_outputs_fails(bundle):
    state, detail = found(change(bundle, labels=["a", "b", "c"]), "answers")
    assert (state, "shape (1, 2), the task needs (1, 3)" in detail) == ("failed", True)


@pytest.mark.parametrize(("file", "name"), [("model.onnx", "graph"), ("tokenizer.json", "tokenizer")])
def test_a_listed_file_that_cannot_be_opened_fails(bundle, file, name):
    (bundle.folder / file).write_text("nothing of the kind")
    assert found(change(bundle), name)[0] == "failed"


def test_a_runtime_that_is_not_installed_is_said_and_no_failure(bundle, monkeypatch):
    from edgekd.errors import MissingExtra
    from edgekd.runtime import OnnxSession

    def missing():
        raise MissingExtra("onnxruntime", "all")

    monkeypatch.setattr(OnnxSession, "import_libraries", staticmethod(missing))
    checks = check_bundle(bundle.folder)
    assert is_sound(checks)
    assert (checks[-1].name, checks[-1].state) == ("onnxruntime", State.SKIPPED)
    assert "pip install 'edgekd[all]'" in checks[-1].detail


def test_a_tensorrt_bundle_is_tried_in_onnx_runtime_where_tensorrt_is_missing(bundle):
    import importlib.util

    if importlib.util.find_spec("tensorrt"):
        pytest.skip("TensorRT is installed here")
    checks = check_bundle(change(bundle, runtime="tensorrt").folder)
    assert states(checks)["tensorrt"] == "skipped"
    assert states(checks)["answers"] == "ok"


def test_packing_keeps_the_manifest_so_it_is_the_same_bundle(bundle, tmp_path):
    packed = pack_bundle(bundle, tmp_path / "b.tar.gz", "# card")
    assert packed.files == ("README.md", "config.json", "edgekd.json", "model.onnx", "run.py", "tokenizer.json")
    unpacked = unpack_bundle(packed.file, tmp_path / "out")
    assert unpacked.manifest == bundle.manifest
    assert unpacked.artifact_hash == bundle.artifact_hash
    again = pack_bundle(unpacked, tmp_path / "again.tar.gz", "# card")
    assert (again.sha256, again.left_out) == (packed.sha256, ())
    assert (unpacked.folder / "run.py").stat().st_mode & 0o100


def test_a_file_that_is_not_listed_stays_behind(bundle, tmp_path):
    (bundle.folder / "private.txt").write_text("x")
    packed = pack_bundle(bundle, tmp_path / "b.tar.gz", "")
    assert packed.left_out == ("private.txt",)
    assert "private.txt" not in packed.files


def test_a_readme_that_the_manifest_lists_is_kept(bundle, tmp_path):
    (bundle.folder / "README.md").write_text("my own")
    pack_bundle(change(bundle), tmp_path / "b.tar.gz", "made")
    assert (unpack_bundle(tmp_path / "b.tar.gz", tmp_path / "out").folder / "README.md").read_text() == "my own"


def test_another_file_is_replaced_only_when_told(bundle, tmp_path):
    out = tmp_path / "b.tar.gz"
    out.write_text("precious")
    with pytest.raises(InvalidArtifact, match="holds something else"):
        pack_bundle(bundle, out, "")
    assert out.read_text() == "precious"
    first = pack_bundle(bundle, out, "", replace=True)
    assert pack_bundle(bundle, out, "") == first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b", "b.tar.gz"]


@pytest.mark.parametrize("name", ["../up", "a/b", "", "a\nb"])
def test_a_bundle_whose_name_is_no_folder_is_not_packed(bundle, tmp_path, name):
    with pytest.raises(InvalidArtifact, match="cannot be packed because of the name"):
        pack_bundle(change(bundle, name=name), tmp_path / "b.tar.gz", "")


@pytest.mark.parametrize("out", ["b", "b.zip", "."])
def test_an_archive_has_a_name_that_says_so(bundle, tmp_path, out):
    with pytest.raises(ConfigError, match="--out"):
        pack_bundle(bundle, tmp_path / out, "")


def test_a_damaged_bundle_inside_never_appears(bundle, tmp_path):
    pack_bundle(bundle, tmp_path / "b.tar.gz", "")
    with opened(tmp_path / "b.tar.gz") as folder:
        (folder / "model.onnx").write_bytes(b"x")
        from edgekd.bundles.archive import write_archive

        files = {path.name: path for path in folder.iterdir()}
        write_archive(tmp_path / "bad.tar.gz", "tiny", files)
    with pytest.raises(InvalidArtifact, match=r"'model\.onnx' has sha256"):
        unpack_bundle(tmp_path / "bad.tar.gz", tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b", "b.tar.gz", "bad.tar.gz"]


def test_nothing_is_overwritten(bundle, tmp_path):
    pack_bundle(bundle, tmp_path / "b.tar.gz", "")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("mine")
    (tmp_path / "empty").mkdir()
    for place in ("full", "b.tar.gz"):
        with pytest.raises(InvalidArtifact, match="nothing is overwritten"):
            unpack_bundle(tmp_path / "b.tar.gz", tmp_path / place)
    assert unpack_bundle(tmp_path / "b.tar.gz", tmp_path / "empty").manifest == bundle.manifest


def test_a_sheet_tells_what_is_known(bundle):
    parity = Parity(texts=9, max_abs_diff=0.1, mean_abs_diff=0.01, label_flips=1, hostile_texts=5, hostile_flips=0)
    metric = Metric(name="accuracy", value=0.875, count=40, split="test", evidence="host")
    full = change(bundle, operators={"Gather": 1, "MatMul": 2}, parity=parity, metrics=[metric], lengths=[8, 16])
    parts = {part.title: list(part.rows) for part in describe(full)}
    assert parts["Operators"] == [("MatMul", "2"), ("Gather", "1"), ("in all", "3")]
    assert parts["Scores"] == [("accuracy", "test", "87.5 %", "40", "host")]
    assert ("flips", "1 of 9 answers differ") in parts["Graph against the model"]
    assert ("takes", "8, 16 tokens, padded to the next, any number of texts") in parts["Graph"]
    assert ("operators", "standard ones") in parts["Graph"]
    assert "Operators" not in {part.title for part in describe(change(bundle))}


@pytest.mark.parametrize(
    ("lengths", "batch", "text"),
    [
        ([], None, "any length, any number of texts"),
        ([32], 1, "always 32 tokens, 1 text a call"),
        ([], 8, "any length, 8 texts a call"),
    ],
)
def test_what_a_graph_takes(bundle, lengths, batch, text):
    assert lengths_text(bundle.manifest.model_copy(update={"lengths": lengths, "batch": batch})) == text


def test_a_bundle_is_the_same_as_its_archive(bundle, tmp_path):
    pack_bundle(bundle, tmp_path / "b.tar.gz", "card")
    with opened(tmp_path / "b.tar.gz") as folder:
        difference = compare_bundles(bundle, load_bundle(folder))
    assert difference.is_same
    assert as_json(difference)["changes"] == {}
    assert {file.state for file in difference.files} == {"same"}


def test_what_changed_is_told_by_its_dotted_path(tmp_path):
    step = LineageStep(step="teacher", name="t", hash="a" * 64)
    metric = Metric(name="accuracy", value=0.5, count=4, split="test", evidence="host")
    first = change(
        make_bundle(tmp_path / "1"),
        recipe={"teacher": {"epochs": 2}, "students": [{"kind": "bag"}, {"kind": "cnn"}]},
        libraries={"onnx": "1.20"},
        operators={"MatMul": 3, "Where": 1},
        lineage=[step],
        metrics=[metric],
    )
    second = change(
        make_bundle(tmp_path / "2", precision="int8", calibration=Calibration(2.0), seed=1),
        recipe={"teacher": {"epochs": 3}, "students": [{"kind": "linear"}]},
        libraries={"onnx": "1.23", "nncf": "3.0"},
        operators={"MatMul": 2},
        lineage=[step, LineageStep(step="export", name="e", hash="b" * 64, details={"opset": 18})],
        metrics=[metric.model_copy(update={"value": 0.75})],
    )
    (second.folder / "extra.txt").write_text("12345")
    difference = compare_bundles(first, write_manifest(second.folder, second.manifest))
    assert not difference.is_same
    groups = difference.groups
    assert groups["manifest"] == [Change("precision", "fp32", "int8"), Change("calibration.temperature", 1.0, 2.0)]
    assert groups["operators"] == [Change("MatMul", 3, 2), Change("Where", 1, None)]
    assert groups["libraries"] == [Change("onnx", "1.20", "1.23"), Change("nncf", None, "3.0")]
    assert groups["lineage"] == [Change("step 2", None, f"export e, {'b' * 12}")]
    assert groups["recipe"] == [
        Change("teacher.epochs", 2, 3),
        Change("students[0].kind", "bag", "linear"),
        Change("students[1]", {"kind": "cnn"}, None),
    ]
    assert difference.scores == [ScorePair("accuracy", "test", "host", 0.5, 0.75)]
    by_name = {file.name: file for file in difference.files}
    assert by_name["extra.txt"] == FileChange("extra.txt", "added", None, 5)
    assert by_name["model.onnx"].state == "changed"
    assert by_name["tokenizer.json"].state == "same"
    assert difference.after_bytes == load_bundle(second.folder).size_bytes


def front(card):
    _, block, rest = card.split("---\n", 2)
    return yaml.safe_load(block), rest


def test_a_card_says_what_is_known_and_what_is_not(bundle):
    words = "Distillation helped: +2.0 points."
    proof = Proof(metric="accuracy", count=9, seeds=[0], student=[0.5], words=words)
    metric = Metric(name="accuracy", value=0.875, count=40, split="test", evidence="host")
    made = change(
        bundle,
        proof=proof,
        metrics=[metric],
        data_name="toy",
        recipe={"teacher": {"model": "asset:all-MiniLM-L6-v2"}, "data": {"train": "mine/train.csv"}},
    )
    facts, text = front(model_card(made))
    assert facts["license"] == "unknown"
    assert facts["base_model"] == "sentence-transformers/all-MiniLM-L6-v2"
    assert "datasets" not in facts
    [result] = facts["model-index"][0]["results"]
    assert result["dataset"] == {"type": "toy", "name": "toy", "split": "test"}
    assert result["metrics"] == [{"type": "accuracy", "name": "accuracy", "value": 0.875}]
    assert "| accuracy | the trained model, before export | test | 87.5 % | 40 | host |" in text
    assert words in text
    assert "- Base model: all-MiniLM-L6-v2, Apache-2.0 (sentence-transformers/all-MiniLM-L6-v2)." in text
    assert "- Data: mine/train.csv; its licence is not recorded, so check it before you share this." in text
    assert "Not measured for this card" in text
    assert 'python run.py "a text"' in text


def test_a_licence_is_taken_over(bundle):
    facts, text = front(model_card(bundle, license_id="mit"))
    assert facts["license"] == "mit"
    assert "- This model: mit." in text


def test_names_in_a_card_cannot_become_markup(tmp_path):
    made = make_bundle(tmp_path, labels=(HOSTILE_LABEL, "b"), name="---\nx: 1", target="a`b\u202e")
    facts, text = front(model_card(made))
    assert set(facts) == {"license", "pipeline_tag", "library_name", "tags"}
    assert "| 0 | &lt;b&gt;\\*a\\*&lt;/b&gt;\\|\\`x\\` \\# \\[y\\](z) |" in text
    assert "\u202e" not in text
    assert "`ab`" in text


def test_a_card_of_each_task_says_what_comes_out(tmp_path):
    emotions = make_bundle(
        tmp_path / "m", labels=("joy", "love"), task=TaskKind.MULTI_LABEL, calibration=Calibration(1.0, (0.25, 0.5))
    )
    assert "| 0 | joy | 0.25 |" in model_card(emotions)
    rating = make_bundle(tmp_path / "r", labels=("rating",), task=TaskKind.REGRESSION)
    assert "One number: rating, in the units of the data." in model_card(rating)


def test_the_texts_of_a_parity_check_are_not_in_the_card(bundle):
    flip = {"text": "a private text", "expected": "negative", "actual": "positive", "max_abs_diff": 0.2}
    parity = Parity.model_validate(
        {"texts": 9, "max_abs_diff": 0.1, "mean_abs_diff": 0.01, "label_flips": 1, "worst": [flip]}
    )
    card = model_card(change(bundle, parity=parity))
    assert "1 of 9 answers differ" in card
    assert "private" not in card
