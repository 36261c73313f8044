"""What is measured: a bundle, or a teacher's Hugging Face folder. Reads files; runs nothing."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekd.artifacts import hash_json, read_json, sha256_file
from edgekd.bundle import is_bundle, load_bundle
from edgekd.errors import ConfigError, InvalidArtifact
from edgekd.results import Role

if TYPE_CHECKING:
    from collections.abc import Sequence

DEFAULT_MAX_LENGTH = 512
ONNXRUNTIME, TORCH = "onnxruntime", "torch"
_MODEL_FILES = (
    *("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
    *("vocab.txt", "vocab.json", "merges.txt", "model.safetensors.index.json"),
)


@dataclass(frozen=True)
class Variant:
    """One thing to measure."""

    name: str
    path: Path
    backend: str  # "onnxruntime", "torch"
    role: Role
    kind: str
    precision: str
    labels: tuple[str, ...]
    max_length: int
    artifact_hash: str
    size_bytes: int
    inputs: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    parameters: int | None = None
    control_accuracy: float | None = None
    control_correct: int | None = None
    lineage: tuple[str, ...] = ()


def variant_from_bundle(folder: Path, *, role: Role | None = None) -> Variant:
    """Open and verify a bundle.

    Args:
        folder: the bundle.
        role: replaces the manifest's.

    Raises:
        InvalidArtifact: when it is damaged.
    """
    bundle = load_bundle(folder)
    manifest = bundle.manifest
    return Variant(
        name=manifest.name,
        path=folder,
        backend=ONNXRUNTIME,
        role=role or Role(manifest.role),
        kind=manifest.kind,
        precision=manifest.precision,
        labels=tuple(manifest.labels),
        max_length=manifest.max_length,
        artifact_hash=bundle.artifact_hash,
        size_bytes=bundle.size_bytes,
        inputs=tuple(manifest.inputs),
        providers=tuple(manifest.providers),
        parameters=manifest.parameters,
        control_accuracy=manifest.control_accuracy,
        control_correct=manifest.control_correct,
        lineage=tuple(f"{step.step}:{step.name}@{step.hash[:12]}" for step in manifest.lineage),
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
        labels=_labels(config, folder),
        max_length=max_length or _max_length(config, folder),
        artifact_hash=digest,
        size_bytes=sum(path.stat().st_size for path in files),
        parameters=sum(_count_parameters(path) for path in weights),
        lineage=(f"teacher:{folder.name}@{digest[:12]}",),
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


def label_order(variant: Variant, labels: Sequence[str]) -> list[int]:
    """Return, for each output of a variant, its place among ``labels``.

    Raises:
        ConfigError: when the variant has other labels.
    """
    if sorted(variant.labels) != sorted(labels):
        raise ConfigError(
            f"'{variant.name}' predicts {', '.join(variant.labels)}; the others predict {', '.join(labels)}.",
            hint="Measure variants of the same task together.",
        )
    return [list(labels).index(label) for label in variant.labels]


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
