"""Write bundles of many kinds, and what edgekd says about texts with them, for ``check.py``.

Run in edgekd's own environment: ``python -m tests.interop.make OUT [RUN]``. The bundles of RUN are taken as well, if it
is there.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from transformers.utils import logging

from edgekd.bench.machine import describe_machine
from edgekd.bundle import load_bundle, write_manifest
from edgekd.compress.int8 import dynamic_int8
from edgekd.config import ExportConfig, StudentConfig
from edgekd.devices import find_profile, int8_for
from edgekd.export.formats import find_format
from edgekd.exporting import ExportSettings, export_model
from edgekd.progress import Silent
from edgekd.runtime import session_for
from edgekd.student.kinds import build_student
from tests.families import make_family
from tests.students import SHAPES, make_teacher

TEXTS = [
    "the film was great",
    "Boring, DULL and awful!",
    "it is not bad",
    "na\u00efve caf\u00e9 \u2014 \u4e2d \U0001f642",
    "fun " * 100,  # longer than the bundles allow
    "",
]
STUDENTS = ("linear", "bag", "cnn", "bilstm", "bigru", "cut transformer")
TASKS = {
    "single_label_classification": ("bad", "good", "so-so"),
    "multi_label_classification": ("dull", "fun", "long"),
    "regression": ("stars",),
}
RUNTIMES = ("onnxruntime", "openvino")  # what Optimum has classes for


def make(out: Path, run: Path | None) -> None:
    """Write the bundles below OUT/bundles, and OUT/expected.json."""
    logging.disable_progress_bar()
    shutil.rmtree(out, ignore_errors=True)
    bundles = out / "bundles"
    models = out / "models"
    for problem, labels in TASKS.items():
        make_teacher(models / problem, labels=labels, problem_type=problem).model.save_pretrained(models / problem)
        _export(models / problem, bundles, ["onnx", "onnx-fused", "openvino"])
    for family in ("roberta", "albert", "modernbert"):
        _export(make_family(models / family, family), bundles, ["onnx"])
    teacher = make_teacher(models / "teacher")
    for name in STUDENTS:
        folder = models / name.replace(" ", "-")
        build_student(StudentConfig(name="student", **SHAPES[name]), teacher).eval().save_pretrained(folder)
        teacher.tokenizer.save_pretrained(folder)
        _export(folder, bundles, ["onnx"] if name != "cnn" else ["onnx", "openvino"])
    _int8(bundles / "cut-transformer-onnx", bundles / "cut-transformer-int8")
    if run is not None:
        for path in sorted(run.glob("bundles/*/*/edgekd.json")):
            shutil.copytree(path.parent, bundles / f"{path.parts[-3]}-{path.parts[-2]}")
    expected = {}
    for folder in sorted(bundles.iterdir()):
        bundle = load_bundle(folder)
        manifest = bundle.manifest
        if manifest.runtime not in RUNTIMES:
            continue
        session = session_for(bundle, 1)
        session.load()
        expected[folder.name] = {
            "runtime": manifest.runtime,
            "task": manifest.task.value,
            "labels": manifest.labels,
            "precision": manifest.precision,
            "logits": [session.run([text])[0].tolist() for text in TEXTS],
        }
    (out / "expected.json").write_text(json.dumps({"texts": TEXTS, "bundles": expected}), encoding="utf-8")


def _export(folder: Path, out: Path, formats: list[str]) -> None:
    settings = ExportSettings(formats=[find_format(name) for name in formats], config=ExportConfig())
    for one in export_model(str(folder), settings, find_profile("cpu"), out, Silent()).exported:
        if one.error is not None:
            raise one.error


def _int8(source: Path, target: Path) -> None:
    """Write the bundle of an int8 graph."""
    bundle = load_bundle(source)
    shutil.copytree(source, target)
    flavour = int8_for(find_profile("cpu"), describe_machine().isa)
    dynamic_int8(bundle.model_path, target / bundle.model_path.name, flavour)
    write_manifest(target, bundle.manifest.model_copy(update={"name": target.name, "precision": "int8"}))


if __name__ == "__main__":
    given = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    make(Path(sys.argv[1]), given if given is not None and given.is_dir() else None)
