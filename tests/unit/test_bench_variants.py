from __future__ import annotations

import json
import struct

import pytest

from edgekd.bench.job import BenchJob, run_job, run_split, target_of
from edgekd.bench.variants import (
    in_order,
    label_order,
    open_teacher,
    unique_names,
    variant_from_bundle,
    variant_from_teacher,
)
from edgekd.errors import ConfigError, InvalidArtifact
from edgekd.progress import Silent
from edgekd.results import Role
from edgekd.tasks import Calibration, Task, TaskKind
from tests.bundles import make_bundle

pytest.importorskip("onnx")


def write_teacher(folder, **config):
    """Write a model folder whose weights are a safetensors header with two tensors."""
    folder.mkdir()
    facts = {"id2label": {"1": "positive", "0": "negative"}, "max_position_embeddings": 128}
    (folder / "config.json").write_text(json.dumps(facts | config), encoding="utf-8")
    (folder / "tokenizer.json").write_text("{}", encoding="utf-8")
    (folder / "notes.txt").write_text("not shipped", encoding="utf-8")
    header = json.dumps(
        {
            "__metadata__": {"format": "pt"},
            "a": {"dtype": "F32", "shape": [3, 4], "data_offsets": [0, 48]},
            "b": {"dtype": "F32", "shape": [], "data_offsets": [48, 52]},
        }
    ).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(52))
    return folder


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("run") / "bundles" / "cpu" / "tiny")


def test_a_bundle_says_what_it_is(bundle):
    variant = variant_from_bundle(bundle.folder)
    assert (variant.name, variant.backend, variant.role) == ("tiny", "onnxruntime", Role.STUDENT)
    assert variant.size_bytes == sum(p.stat().st_size for p in bundle.folder.iterdir())
    assert variant.artifact_hash == bundle.artifact_hash
    assert variant_from_bundle(bundle.folder, role=Role.TEACHER).role is Role.TEACHER


def test_a_damaged_bundle_is_refused(tmp_path):
    bundle = make_bundle(tmp_path)
    bundle.model_path.write_bytes(bundle.model_path.read_bytes() + b"x")
    with pytest.raises(InvalidArtifact, match=r"'model\.onnx' has sha256"):
        variant_from_bundle(tmp_path)


def test_a_teacher_folder_is_described_without_torch(tmp_path):
    folder = write_teacher(tmp_path / "teacher")
    variant = variant_from_teacher(folder)
    assert variant.labels == ("negative", "positive")
    assert variant.parameters == 13
    assert variant.max_length == 128
    shipped = ("config.json", "tokenizer.json", "model.safetensors")
    assert variant.size_bytes == sum((folder / name).stat().st_size for name in shipped)
    assert variant_from_teacher(folder, max_length=32).max_length == 32


def test_labels_are_ordered_by_number(tmp_path):
    labels = {str(i): f"label {i}" for i in reversed(range(12))}
    assert variant_from_teacher(write_teacher(tmp_path / "t", id2label=labels)).labels[10] == "label 10"


def test_the_tokenizer_may_be_shorter_than_the_positions(tmp_path):
    folder = write_teacher(tmp_path / "teacher")
    (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 40}), encoding="utf-8")
    assert variant_from_teacher(folder).max_length == 40


def test_teachers_that_cannot_be_used(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"neither a bundle nor a model folder.*config\.json"):
        open_teacher(tmp_path / "empty")
    pickled = write_teacher(tmp_path / "pickled")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    with pytest.raises(ConfigError, match="pickled weights are not read"):
        open_teacher(pickled)
    with pytest.raises(ConfigError, match="names no labels"):
        open_teacher(write_teacher(tmp_path / "nameless", id2label=None))
    broken = write_teacher(tmp_path / "broken")
    (broken / "model.safetensors").write_bytes(b"oops")
    with pytest.raises(InvalidArtifact, match="is not a safetensors file"):
        open_teacher(broken)


def test_a_teacher_is_cut_like_the_bundles_beside_it(tmp_path, bundle):
    student = variant_from_bundle(bundle.folder)
    assert open_teacher(write_teacher(tmp_path / "t"), [student]).max_length == bundle.manifest.max_length
    assert open_teacher(bundle.folder).role is Role.TEACHER


def test_names_become_unique(bundle):
    variant = variant_from_bundle(bundle.folder)
    assert [v.name for v in unique_names([variant] * 3)] == ["tiny", "tiny-2", "tiny-3"]


def test_labels_in_another_order_are_mapped_and_others_refused(tmp_path, bundle):
    variant = variant_from_bundle(bundle.folder)
    assert label_order(variant, Task(TaskKind.SINGLE_LABEL, ("positive", "negative"))) == [1, 0]
    with pytest.raises(ConfigError, match=r"'tiny' predicts negative, positive; the others predict bad, good"):
        label_order(variant, Task(TaskKind.SINGLE_LABEL, ("bad", "good")))
    with pytest.raises(ConfigError, match=r"'tiny' is a single-label model; the others are multi-label models"):
        label_order(variant, Task(TaskKind.MULTI_LABEL, ("negative", "positive")))


def test_what_a_regression_measures_may_have_any_name(tmp_path):
    variant = variant_from_teacher(write_teacher(tmp_path / "t", id2label={"0": "LABEL_0"}, problem_type="regression"))
    assert label_order(variant, Task(TaskKind.REGRESSION, ("rating",))) == [0]


def test_thresholds_follow_their_labels():
    calibration = Calibration(2.0, (0.1, 0.2, 0.3))
    # output 0 belongs to place 2, output 1 to place 0, output 2 to place 1
    assert in_order(calibration, [2, 0, 1]) == Calibration(2.0, (0.2, 0.3, 0.1))
    assert in_order(Calibration(3.0), [1, 0]) == Calibration(3.0)


@pytest.mark.parametrize(
    ("config", "task"),
    [
        ({}, TaskKind.SINGLE_LABEL),
        ({"problem_type": None}, TaskKind.SINGLE_LABEL),
        ({"problem_type": "single_label_classification"}, TaskKind.SINGLE_LABEL),
        ({"problem_type": "multi_label_classification"}, TaskKind.MULTI_LABEL),
        ({"problem_type": "regression", "id2label": {"0": "rating"}}, TaskKind.REGRESSION),
        ({"id2label": {"0": "LABEL_0"}}, TaskKind.REGRESSION),
    ],
)
def test_the_task_of_a_teacher_is_in_its_config(tmp_path, config, task):
    assert variant_from_teacher(write_teacher(tmp_path / "t", **config)).task.kind is task


def test_an_unknown_problem_type_names_those_that_are_known(tmp_path):
    with pytest.raises(ConfigError, match=r"problem_type 'ranking'.*multi_label_classification, regression"):
        variant_from_teacher(write_teacher(tmp_path / "t", problem_type="ranking"))


def test_the_calibration_of_a_teacher_lies_beside_it(tmp_path):
    folder = write_teacher(tmp_path / "t")
    assert variant_from_teacher(folder).calibration == Calibration()
    for stored in ({"temperature": 1.5, "thresholds": None}, {"temperature": 2.0, "thresholds": [0.25, 0.5]}):
        (folder / "edgekd_metrics.json").write_text(json.dumps({"calibration": stored}), encoding="utf-8")
        found = variant_from_teacher(folder).calibration
        assert found.temperature == stored["temperature"]
        assert list(found.thresholds or ()) == (stored["thresholds"] or [])
    (folder / "edgekd_metrics.json").write_text(json.dumps({"test": {}}), encoding="utf-8")
    assert variant_from_teacher(folder).calibration == Calibration()


# Options


def test_the_target_comes_from_the_bundles(tmp_path, bundle):
    other = make_bundle(tmp_path / "pi", target="raspberry-pi-5")
    assert target_of([bundle.folder]) == "cpu"
    with pytest.raises(ConfigError, match="made for cpu, raspberry-pi-5"):
        target_of([bundle.folder, other.folder])
    with pytest.raises(ConfigError, match="Which target"):
        target_of([])


def test_texts_come_from_the_run_folder(bundle, tmp_path):
    assert run_split([bundle.folder], "test") is None
    data = bundle.folder.parents[2] / "data"
    data.mkdir()
    (data / "test.jsonl").write_text("{}\n", encoding="utf-8")
    assert run_split([bundle.folder], "test") == data.resolve() / "test.jsonl"
    (data / "test.jsonl").unlink()
    with pytest.raises(ConfigError, match=r"--data is not given, and no bundle lies in a run folder"):
        run_job(BenchJob(bundles=(bundle.folder,), target="cpu"), Silent())


def test_nothing_to_measure():
    with pytest.raises(ConfigError, match="nothing to measure"):
        run_job(BenchJob(bundles=()), Silent())
