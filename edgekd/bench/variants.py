"""What is measured: a bundle, or a teacher's Hugging Face folder. Reads files; runs nothing."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekd.artifacts import hash_json, read_json, sha256_file
from edgekd.bundle import is_bundle, load_bundle
from edgekd.errors import ConfigError, InvalidArtifact
from edgekd.provenance import LineageStep
from edgekd.results import Role
from edgekd.runfolder import METRICS_FILE
from edgekd.tasks import Calibration, Task, TaskKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.bundle import Bundle
    from edgekd.proof import Proof
    from edgekd.provenance import ParityFigures

DEFAULT_MAX_LENGTH = 512
TORCH = "torch"
_MODEL_FILES = (
    *("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
    *("vocab.txt", "vocab.json", "merges.txt", "model.safetensors.index.json"),
)


@dataclass(frozen=True)
class Variant:
    """One thing to measure."""

    name: str
    path: Path
    backend: str  # the runtime of a bundle, or "torch"
    role: Role
    kind: str
    precision: str
    task: Task
    max_length: int
    artifact_hash: str
    size_bytes: int
    graph: str = ""  # of a bundle: the file that its runtime opens
    inputs: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    lengths: tuple[int, ...] = ()  # of a bundle, in tokens: what texts are padded to
    batch: int | None = None  # of a bundle: the texts that its graph takes, no more and no fewer
    parameters: int | None = None
    calibration: Calibration = field(default_factory=Calibration)
    proof: Proof | None = None
    lineage: tuple[LineageStep, ...] = ()
    parity: ParityFigures | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """Label names in the order of the logits."""
        return self.task.labels

    def worker_spec(self) -> dict[str, Any]:
        """Return what a measuring process needs to open it: plain values for a JSON request."""
        return {
            "name": self.name,
            "path": str(self.path),
            "backend": self.backend,
            "graph": self.graph,
            "inputs": self.inputs,
            "providers": self.providers,
            "max_length": self.max_length,
            "lengths": self.lengths,
            "batch": self.batch,
        }


def variant_from_bundle(folder: Path, *, role: Role | None = None) -> Variant:
    """Open and verify a bundle.

    Args:
        folder: the bundle.
        role: replaces the manifest's.

    Raises:
        InvalidArtifact: when it is damaged.
    """
    return variant_of(load_bundle(folder), folder, role=role)


def variant_of(bundle: Bundle, path: Path, *, role: Role | None = None) -> Variant:
    """Describe an open bundle.

    Args:
        bundle: verified when it was opened.
        path: as results name it, and measuring processes open it.
        role: replaces the manifest's.
    """
    manifest = bundle.manifest
    return Variant(
        name=manifest.name,
        path=path,
        backend=manifest.runtime,
        role=role or Role(manifest.role),
        kind=manifest.kind,
        precision=manifest.precision,
        task=manifest.as_task,
        max_length=manifest.max_length,
        artifact_hash=bundle.artifact_hash,
        size_bytes=bundle.size_bytes,
        graph=bundle.model_path.name,
        inputs=tuple(manifest.inputs),
        providers=tuple(manifest.providers),
        lengths=tuple(manifest.lengths),
        batch=manifest.batch,
        parameters=manifest.parameters,
        calibration=manifest.calibration,
        proof=manifest.proof,
        lineage=tuple(manifest.lineage),
        parity=manifest.parity,
    )


def variant_from_teacher(folder: Path, *, max_length: int | None = None, name: str = "teacher-torch-fp32") -> Variant:
    """Describe a Hugging Face classifier folder, which is measured in PyTorch fp32.

    Args:
        folder: config.json, tokenizer and safetensors weights.
        max_length: tokens a text is cut to; by default what the tokenizer and the positions allow.
        name: shown in results.

    Raises:
        ConfigError: when it is not such a folder.
    """
    config_path = folder / "config.json"
    if not config_path.is_file():
        raise ConfigError(
            f"Teacher '{folder}' is neither a bundle nor a model folder: it has no config.json.",
            hint="Give the folder that 'edgekd teach' or save_pretrained() wrote, or a bundle.",
        )
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise ConfigError(
            f"Teacher '{folder}' has no *.safetensors weights; pickled weights are not read.",
            hint="Write it once more with model.save_pretrained(folder).",
        )
    config = read_json(config_path)
    files = [*weights, *(folder / file for file in _MODEL_FILES if (folder / file).is_file())]
    digest = hash_json({path.name: sha256_file(path) for path in files})
    return Variant(
        name=name,
        path=folder,
        backend=TORCH,
        role=Role.TEACHER,
        kind="teacher",
        precision="fp32",
        task=Task(_task_kind(config, folder), _labels(config, folder)),
        max_length=max_length or _max_length(config, folder),
        artifact_hash=digest,
        size_bytes=sum(path.stat().st_size for path in files),
        parameters=sum(_count_parameters(path) for path in weights),
        calibration=_calibration(folder),
        lineage=(LineageStep(step="teacher", name=folder.name, hash=digest),),
    )


def open_teacher(path: Path, bundles: Sequence[Variant] = ()) -> Variant:
    """Open ``--teacher``: a bundle, or a folder that is cut to the same length as the bundles beside it."""
    if is_bundle(path):
        return variant_from_bundle(path, role=Role.TEACHER)
    lengths = {variant.max_length for variant in bundles}
    return variant_from_teacher(path, max_length=max(lengths) if lengths else None)


def unique_names(variants: Sequence[Variant]) -> list[Variant]:
    """Number the names that occur more than once: "cnn-int8", "cnn-int8-2"."""
    taken: set[str] = set()
    result = []
    for variant in variants:
        name, number = variant.name, 1
        while name in taken:
            number += 1
            name = f"{variant.name}-{number}"
        taken.add(name)
        result.append(replace(variant, name=name))
    return result


def label_order(variant: Variant, task: Task) -> list[int]:
    """Return, for each output of a variant, its place among the labels of ``task``.

    Raises:
        ConfigError: when the variant has another task or other labels. The name of what a regression measures
            may differ.
    """
    mine = variant.task
    if mine.kind is not task.kind:
        raise ConfigError(
            f"'{variant.name}' is a {mine.kind.value} model; the others are {task.kind.value} models.",
            hint="Measure variants of the same task together.",
        )
    if task.kind is TaskKind.REGRESSION:
        return [0]
    if sorted(mine.labels) != sorted(task.labels):
        raise ConfigError(
            f"'{variant.name}' predicts {', '.join(mine.labels)}; the others predict {', '.join(task.labels)}.",
            hint="Measure variants of the same task together.",
        )
    return [task.labels.index(label) for label in mine.labels]


def in_order(calibration: Calibration, order: Sequence[int]) -> Calibration:
    """Return a calibration whose thresholds belong to reordered outputs; ``order`` is that of :func:`label_order`."""
    if calibration.thresholds is None:
        return calibration
    by_place = dict(zip(order, calibration.thresholds, strict=True))
    return replace(calibration, thresholds=tuple(by_place[place] for place in sorted(by_place)))


_TASK_OF = {
    "single_label_classification": TaskKind.SINGLE_LABEL,
    "multi_label_classification": TaskKind.MULTI_LABEL,
    "regression": TaskKind.REGRESSION,
}


def _task_kind(config: dict[str, Any], folder: Path) -> TaskKind:
    """Return the task that config.json names; without a name one output is a regression, as in transformers."""
    problem = config.get("problem_type")
    if problem is None:
        return TaskKind.REGRESSION if len(config.get("id2label") or ()) == 1 else TaskKind.SINGLE_LABEL
    if problem not in _TASK_OF:
        raise ConfigError(
            f"Teacher '{folder}' has the problem_type '{problem}' in config.json; known are {', '.join(_TASK_OF)}."
        )
    return _TASK_OF[problem]


def _calibration(folder: Path) -> Calibration:
    """Return what was fitted on validation when the teacher was trained here, else none."""
    path = folder / METRICS_FILE
    stored = read_json(path).get("calibration") if path.is_file() else None
    if not stored:
        return Calibration()
    thresholds = stored.get("thresholds")
    return Calibration(float(stored["temperature"]), None if thresholds is None else tuple(map(float, thresholds)))


def _labels(config: dict[str, Any], folder: Path) -> tuple[str, ...]:
    names = config.get("id2label")
    if not isinstance(names, dict) or not names:
        raise ConfigError(
            f"Teacher '{folder}' names no labels: config.json has no id2label.",
            hint="Use a fine-tuned classifier, for example from 'edgekd teach'.",
        )
    return tuple(str(names[key]) for key in sorted(names, key=int))


def _max_length(config: dict[str, Any], folder: Path) -> int:
    path = folder / "tokenizer_config.json"
    told = read_json(path).get("model_max_length") if path.is_file() else None
    limits = [DEFAULT_MAX_LENGTH]
    limits += [value for value in (told, config.get("max_position_embeddings")) if isinstance(value, int)]
    return min(limits)


def _count_parameters(path: Path) -> int:
    """Return the number of values in a safetensors file, from its header (huggingface/safetensors, Format)."""
    with path.open("rb") as stream:
        try:
            (length,) = struct.unpack("<Q", stream.read(8))
            header = json.loads(stream.read(length))
        except (struct.error, ValueError, OverflowError, MemoryError) as error:
            raise InvalidArtifact(f"'{path}' is not a safetensors file.") from error
    return sum(prod(entry["shape"]) for name, entry in header.items() if name != "__metadata__")
