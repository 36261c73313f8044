"""The layout of a run folder as data, and the rule when a stage's output may be reused."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgekd.artifacts import STAGE_FILE, hash_json, read_json, stage_is_valid, write_stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from edgekd.proof import Arm

# Raise a stage's number when its code changes what it writes for the same inputs.
STAGE_VERSIONS = {"teacher": 3, "student": 3, "control": 3, "compress": 1, "export": 3, "graph": 2}

# Which outputs of the teacher are kept with its labels; features follow with feature losses.
KEPT_OUTPUTS = ["logits"]

# Files inside the model folders, named here because this module does not import torch.
WEIGHTS_FILE = "model.safetensors"
METRICS_FILE = "edgekd_metrics.json"  # a teacher's scores
TRAIN_FILE = "train.json"  # a student's scores and training record
COMPRESS_FILE = "compress.json"  # what a step of compression did, and the scores after it
PREDICTIONS_FILE = "predictions.safetensors"  # logits of each split


@dataclass(frozen=True)
class RunFolder:
    """Where each stage of a run puts its output."""

    root: Path

    @property
    def recipe(self) -> Path:
        """The resolved recipe."""
        return self.root / "recipe.yaml"

    @property
    def data(self) -> Path:
        """The prepared data: one JSON-lines file a split."""
        return self.root / "data"

    @property
    def teacher(self) -> Path:
        """The fine-tuned teacher, a Hugging Face folder."""
        return self.root / "teacher"

    def work(self, name: str) -> Path:
        """Checkpoints of a stage that is running."""
        return self.root / "work" / name

    def labels(self, key: str) -> Path:
        """Teacher labels under their key."""
        return self.root / "labels" / key[:16]

    def task(self, name: str) -> RunFolder:
        """The folder of one of ``more_tasks``, with the same layout."""
        return RunFolder(self.root / "tasks" / name)

    def more_teacher(self, number: int) -> Path:
        """One of the further teachers, from 1."""
        return self.root / "more-teachers" / str(number)

    def arm(self, name: str, arm: Arm, seed: int) -> Path:
        """One training of a student: for the arm ``distilled`` a Hugging Face folder, for controls scores only."""
        return self.root / "students" / name / arm.value / f"seed-{seed}"

    def proof(self, name: str) -> Path:
        """What the arms of a student say about the teacher's help."""
        return self.root / "students" / name / "proof.json"

    def export(self, name: str, opset: int, flavour: str) -> Path:
        """The fp32 graph of a model: "portable" or "ort-fused"."""
        return self.root / "exports" / (f"{name}-opset{opset}" + ("" if flavour == "portable" else f"-{flavour}"))

    def compressed(self, name: str, steps: str) -> Path:
        """A model after some steps of compression, a Hugging Face folder."""
        return self.root / "compressed" / name / steps

    def candidates(self, target: str) -> Path:
        """The bundles that were tried for a target."""
        return self.root / "candidates" / target

    def bundles(self, target: str) -> Path:
        """The bundles of a target."""
        return self.root / "bundles" / target

    def results(self, target: str) -> Path:
        """The result files of a target."""
        return self.root / "results" / target

    @property
    def report(self) -> Path:
        """The report."""
        return self.root / "report"


def stage_key(stage: str, inputs: Mapping[str, Any]) -> str:
    """Return the key of a stage: its version and everything its output depends on."""
    return hash_json({"stage": stage, "version": STAGE_VERSIONS[stage], "inputs": dict(inputs)})


def is_done(folder: Path, stage: str, inputs: Mapping[str, Any]) -> bool:
    """Tell whether ``folder`` already holds this stage's output for these inputs, unchanged."""
    return stage_is_valid(folder, stage_key(stage, inputs))


@contextmanager
def recorded(folder: Path, stage: str, inputs: Mapping[str, Any]) -> Iterator[None]:
    """Run a stage that publishes ``folder``, and record what it was made of when it ends without an error."""
    started_at = time.time()
    yield
    write_stage(folder, stage=stage, key=stage_key(stage, inputs), inputs=inputs, started_at=started_at)


def file_hash(folder: Path, name: str) -> str:
    """Return the hash of one of a finished stage's files, as recorded."""
    return str(read_json(folder / STAGE_FILE)["files"][name])


def label_key(weights_hash: str, tokenizer_hash: str, texts: Sequence[str], max_length: int) -> str:
    """Return the cache key of teacher labels: everything that they depend on."""
    return hash_json([weights_hash, tokenizer_hash, hash_json(list(texts)), max_length, KEPT_OUTPUTS])
