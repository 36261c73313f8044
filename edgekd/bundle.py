"""Bundles: the folder that goes to a board. Loadable without torch and transformers; every file is hashed.

Schema history of the manifest:
    1: a student's control is its accuracy and its number of right answers.
    2: ``calibration``; ``proof`` instead of the control's numbers.
    3: ``graph``, ``opset``, ``lengths``, ``batch``, ``operators``; more in ``parity``.

All are read; an older manifest becomes one of the present schema.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from edgekd import filenames
from edgekd.artifacts import hash_json, read_json, sha256_file, write_json_atomic
from edgekd.errors import InvalidArtifact
from edgekd.proof import Proof
from edgekd.provenance import LineageStep, ParityFigures
from edgekd.results import proof_of_control
from edgekd.tasks import Calibration, Task, TaskKind

SCHEMA_VERSION = 3
READABLE = (1, 2, 3)
MANIFEST_FILE = filenames.MANIFEST_FILE
MODEL_FILE = filenames.MODEL_FILE
# The files of the graph, by the manifest's runtime; the first one is what the runtime opens.
GRAPH_FILES = {
    "onnxruntime": (MODEL_FILE,),
    "openvino": ("openvino_model.xml", "openvino_model.bin"),
    "ort-format": ("model.ort",),
    "onnxruntime-extensions": ("text_model.onnx",),  # with the tokenizer inside
    "openvino-tokenizers": ("openvino_text_model.xml", "openvino_text_model.bin"),
    "tensorrt": (MODEL_FILE,),  # what the board builds its engine from; the engine is no part of the bundle
}
TOKENIZER_FILE = "tokenizer.json"


class Metric(BaseModel):
    """A number with where it was measured."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str  # "accuracy", "macro_f1", "pearson"...
    value: float
    count: int | None = None  # number of texts behind it
    split: str | None = None  # "validation", "test"
    evidence: str  # see edgekd.results.Evidence


class Manifest(BaseModel):
    """``edgekd.json``: everything a consumer must know to run and judge the bundle."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = SCHEMA_VERSION
    name: str  # variant name, e.g. "cnn-int8"
    role: str  # "teacher" or "student"
    kind: str  # "cnn", "bag", "transformer", "teacher"
    precision: str  # "fp32", "int8"
    task: TaskKind
    labels: list[str]  # in the order of the logits; of a regression: the name of what is measured
    calibration: Calibration = Calibration()  # how logits become probabilities and choices
    max_length: int
    inputs: list[str]  # names of the graph's inputs, e.g. ["input_ids", "attention_mask"]
    runtime: str  # a key of GRAPH_FILES
    providers: list[str]
    target: str
    graph: str = "portable"  # "portable": standard operators; "ort-fused": also ONNX Runtime's own
    opset: int | None = None
    lengths: list[int] = Field(default_factory=list)  # in tokens; none: any; one: fixed; several: padded to the next
    batch: int | None = None  # texts a call; none: any
    operators: dict[str, int] = Field(default_factory=dict)  # how often each occurs in the graph
    parameters: int | None = None
    lineage: list[LineageStep] = Field(default_factory=list)
    recipe: dict[str, Any] = Field(default_factory=dict)
    metrics: list[Metric] = Field(default_factory=list)
    parity: ParityFigures | None = None
    proof: Proof | None = None  # of a student: what the teacher gained
    data_name: str = ""
    libraries: dict[str, str] = Field(default_factory=dict)
    files: dict[str, str] = Field(default_factory=dict)  # relative path -> sha256; the manifest itself is left out

    @model_validator(mode="after")
    def _calibration_fits(self) -> Manifest:
        if not self.calibration.temperature > 0:
            raise ValueError(f"the temperature is {self.calibration.temperature}; it must be positive")
        thresholds = self.calibration.thresholds
        if thresholds is not None and len(thresholds) != len(self.labels):
            raise ValueError(f"{len(thresholds)} thresholds for {len(self.labels)} labels")
        return self

    @property
    def as_task(self) -> Task:
        """The task with its labels."""
        return Task(self.task, tuple(self.labels))


class Bundle(BaseModel):
    """A verified bundle on disk."""

    model_config = ConfigDict(frozen=True)

    folder: Path
    manifest: Manifest

    @property
    def model_path(self) -> Path:
        """Path of the graph, as its runtime opens it."""
        return self.folder / GRAPH_FILES[self.manifest.runtime][0]

    @property
    def tokenizer_path(self) -> Path:
        """Path of the tokenizer."""
        return self.folder / TOKENIZER_FILE

    @property
    def artifact_hash(self) -> str:
        """Hash over the contents of all shipped files."""
        return hash_json(self.manifest.files)

    @property
    def size_bytes(self) -> int:
        """Bytes on disk of everything that must be shipped."""
        return sum((self.folder / name).stat().st_size for name in [*self.manifest.files, MANIFEST_FILE])


def write_manifest(folder: Path, manifest: Manifest) -> Bundle:
    """Hash the files of a finished folder and write its manifest."""
    files = {
        path.relative_to(folder).as_posix(): sha256_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST_FILE
    }
    complete = manifest.model_copy(update={"files": files})
    write_json_atomic(folder / MANIFEST_FILE, complete.model_dump(mode="json"))
    return Bundle(folder=folder, manifest=complete)


def graph_in(folder: Path) -> tuple[str, Path]:
    """Return the runtime that the graph in a folder is for, and the graph's main file.

    Raises:
        InvalidArtifact: when there is none.
    """
    for runtime, files in GRAPH_FILES.items():
        if all((folder / name).is_file() for name in files):
            return runtime, folder / files[0]
    raise InvalidArtifact(f"'{folder}' holds no graph.")


def is_bundle(folder: Path) -> bool:
    """Tell whether a folder looks like a bundle."""
    return (folder / MANIFEST_FILE).is_file()


def load_bundle(folder: Path, *, verify: bool = True) -> Bundle:
    """Open a bundle and check the hash of every file.

    Raises:
        InvalidArtifact: when the folder is no bundle, a file is missing or changed, the manifest is damaged, or the
            runtime is not known.
    """
    if not folder.is_dir():
        raise InvalidArtifact(f"Bundle folder '{folder}' does not exist.")
    if not is_bundle(folder):
        raise InvalidArtifact(
            f"'{folder}' is not a bundle: it has no {MANIFEST_FILE}.",
            hint="Bundles are written by 'edgekd distill' below RUN/bundles/TARGET/.",
        )
    raw = read_json(folder / MANIFEST_FILE)
    version = raw.get("schema_version") if isinstance(raw, dict) else None
    if version not in READABLE:
        raise InvalidArtifact(
            f"'{folder}' has manifest schema {version}; this edgekd reads {', '.join(map(str, READABLE))}.",
            hint="Update edgekd if the bundle is newer than it, or rebuild the bundle with 'edgekd distill'.",
        )
    try:
        manifest = Manifest.model_validate(_upgraded(raw))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "file"
        raise InvalidArtifact(f"Manifest of '{folder}' is damaged: {where}: {first['msg']}.") from error
    if manifest.runtime not in GRAPH_FILES:
        raise InvalidArtifact(
            f"'{folder}' is made for the runtime '{manifest.runtime}'; this edgekd knows {', '.join(GRAPH_FILES)}.",
            hint="Update edgekd if the bundle is newer than it.",
        )
    if verify:
        _verify_files(folder, manifest)
    return Bundle(folder=folder, manifest=manifest)


def _upgraded(raw: dict[str, Any]) -> dict[str, Any]:
    """Make an older manifest one of the present schema; the test accuracy of schema 1 is that of the fp32 student.

    Manifests of schema 3 and before have an empty list of texts in ``parity``.
    """
    if isinstance(raw.get("parity"), dict):
        raw = {**raw, "parity": {key: value for key, value in raw["parity"].items() if key != "worst"}}
    if raw["schema_version"] != 1:
        return {**raw, "schema_version": SCHEMA_VERSION}
    record = {key: value for key, value in raw.items() if not key.startswith("control_")}
    listed = raw.get("metrics")
    metrics = [metric for metric in listed if isinstance(metric, dict)] if isinstance(listed, list) else []
    accuracy = [m.get("value") for m in metrics if m.get("name") == "accuracy" and m.get("split") == "test"]
    proof = proof_of_control(accuracy[0] if accuracy else None, raw.get("control_accuracy"), raw.get("control_correct"))
    return {**record, "schema_version": SCHEMA_VERSION, "proof": proof}


def _verify_files(folder: Path, manifest: Manifest) -> None:
    root = folder.resolve()
    for needed in (*GRAPH_FILES[manifest.runtime], TOKENIZER_FILE):
        if needed not in manifest.files:
            raise InvalidArtifact(f"Bundle '{folder}' is damaged: its manifest does not list {needed}.")
    for name, expected in manifest.files.items():
        path = folder / name
        if not path.resolve().is_relative_to(root):
            raise InvalidArtifact(f"Bundle '{folder}' names a file outside itself: '{name}'.")
        if not path.is_file():
            raise InvalidArtifact(f"Bundle '{folder}' is damaged: '{name}' is missing.")
        found = sha256_file(path)
        if found != expected:
            raise InvalidArtifact(
                f"Bundle '{folder}' is damaged: '{name}' has sha256 {found[:12]}..., expected {expected[:12]}...",
                hint="Copy the bundle again, or rebuild it with 'edgekd distill'.",
            )
