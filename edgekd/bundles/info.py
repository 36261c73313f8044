"""A bundle as a sheet: parts with rows of text, the same for the terminal and for tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgekd import units
from edgekd.bundle import MANIFEST_FILE
from edgekd.score_text import change_interval, change_text, score_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.bundle import Bundle, Manifest
    from edgekd.proof import Proof
    from edgekd.provenance import ParityFigures

HASH_DIGITS = 12  # shown of a hash


@dataclass(frozen=True)
class Part:
    """A titled table. Without headings its rows are a label and a value each."""

    title: str
    rows: Sequence[tuple[str, ...]]
    headings: tuple[str, ...] = ()
    right: tuple[int, ...] = ()  # columns of numbers


def describe(bundle: Bundle) -> list[Part]:
    """Return what is known of a bundle; parts that would be empty are left out."""
    manifest = bundle.manifest
    parts = [
        Part("Model", _model(bundle)),
        Part("Graph", _graph(manifest)),
        Part("Operators", _operators(manifest), ("operator", "count"), (1,)),
        Part("Files", _files(bundle), ("file", "size", "sha256"), (1,)),
        Part("Made from", _lineage(manifest), ("step", "name", "hash", "details")),
        Part("Scores", _scores(manifest), ("score", "texts from", "value", "texts", "evidence"), (2, 3)),
        Part(
            "Graph against the model",
            parity_lines(manifest.parity, manifest.as_task.main_metric) if manifest.parity else [],
        ),
        Part("Did the teacher help?", [("", proof_words(manifest.proof))] if manifest.proof else []),
        Part("Made with", sorted(manifest.libraries.items())),
    ]
    return [part for part in parts if part.rows]


def as_json(bundle: Bundle, *, recipe: bool) -> dict[str, Any]:
    """Return the same for programs: the manifest, sizes and the hash that results refer to."""
    manifest = bundle.manifest.model_dump(mode="json", exclude=None if recipe else {"recipe"})
    return {
        "folder": str(bundle.folder),
        "artifact_hash": bundle.artifact_hash,
        "size_bytes": bundle.size_bytes,
        "file_bytes": file_bytes(bundle),
        "manifest": manifest,
    }


def file_bytes(bundle: Bundle) -> dict[str, int]:
    """Return the size of every file of a bundle, the manifest too."""
    names = [*bundle.manifest.files, MANIFEST_FILE]
    return {name: (bundle.folder / name).stat().st_size for name in names}


def lengths_text(manifest: Manifest) -> str:
    """Say which inputs the graph takes."""
    if not manifest.lengths:
        tokens = "any length"
    elif len(manifest.lengths) == 1:
        tokens = f"always {manifest.lengths[0]} tokens"
    else:
        tokens = f"{', '.join(map(str, sorted(manifest.lengths)))} tokens, padded to the next"
    texts = "any number of texts" if manifest.batch is None else f"{manifest.batch} texts a call"
    return f"{tokens}, {'1 text a call' if manifest.batch == 1 else texts}"


def operators_text(manifest: Manifest) -> str:
    """Say what the graph is made of; manifests before schema 3 do not know it."""
    if not manifest.operators and manifest.runtime != "ort-format":
        return ""
    return "standard ones" if manifest.graph == "portable" else "also those of ONNX Runtime alone"


def proof_words(proof: Proof) -> str:
    """Return the sentence of a proof; the first manifests had none."""
    if proof.words:
        return proof.words
    if not proof.student or not proof.control:
        return "No control was trained, so the gain is unknown."
    first, second = score_text(proof.metric, proof.student[0]), score_text(proof.metric, proof.control[0])
    return f"{first} with the teacher, {second} without it; no interval was recorded."


def parity_lines(parity: ParityFigures, metric: str) -> list[tuple[str, str]]:
    """Return what a parity check found, without the texts; ``metric`` is the score that decides in the task."""
    lines = [
        ("texts", f"{parity.texts:,} validation texts"),
        ("logits", f"largest difference {units.tiny(parity.max_abs_diff)}, mean {units.tiny(parity.mean_abs_diff)}"),
        ("flips", f"{parity.label_flips} of {parity.texts:,} answers differ"),
    ]
    if parity.kl is not None:
        lines.append(("divergence", f"{units.tiny(parity.kl)} nats (mean Kullback-Leibler)"))
    if parity.score_change is not None:
        low_high = parity.score_change_interval
        interval = f" [{change_interval(metric, *low_high)}]" if low_high else ""
        lines.append(("score", f"{change_text(metric, parity.score_change)}{interval} against the model"))
    if parity.padding_max_abs_diff is not None:
        found = f"largest difference {units.tiny(parity.padding_max_abs_diff)}, {parity.padding_flips} answers differ"
        lines.append(("padded", f"alone and in a batch: {found}"))
    if parity.hostile_texts:
        largest = parity.hostile_max_abs_diff
        found = "" if largest is None else f"largest difference {units.tiny(largest)}, "
        lines.append(("hostile", f"{parity.hostile_texts} texts: {found}{parity.hostile_flips} answers differ"))
    return lines


def details_text(details: dict[str, Any]) -> str:
    """Write what is known of a step: its own words where it has some, the steps on a graph, and plain values."""
    steps = details.get("steps")
    names = [str(step.get("step", step)) if isinstance(step, dict) else str(step) for step in steps or []]
    plain = [
        f"{key} {value:,}" if isinstance(value, int) else f"{key} {value}"
        for key, value in details.items()
        if key != "words" and isinstance(value, int | float | str)
    ]
    return "; ".join([*names, *plain, *([str(details["words"])] if details.get("words") else [])])


def _model(bundle: Bundle) -> list[tuple[str, str]]:
    manifest, calibration = bundle.manifest, bundle.manifest.calibration
    thresholds = calibration.thresholds or ()
    rows = [
        ("name", manifest.name),
        ("what", f"{manifest.role}, {manifest.kind}, {manifest.precision}"),
        ("task", manifest.task.value),
        ("labels", ", ".join(manifest.labels)),
        ("target", manifest.target),
        ("data", manifest.data_name),
        ("parameters", units.count(manifest.parameters) if manifest.parameters else ""),
        ("size", units.size(bundle.size_bytes)),
        ("temperature", units.setting(calibration.temperature)),
        (
            "thresholds",
            ", ".join(
                f"{label} {units.short_number(t)}" for label, t in zip(manifest.labels, thresholds, strict=False)
            ),
        ),
        ("hash", bundle.artifact_hash),
    ]
    return [row for row in rows if row[1]]


def _graph(manifest: Manifest) -> list[tuple[str, str]]:
    rows = [
        ("runtime", f"{manifest.runtime} ({', '.join(manifest.providers)})"),
        ("operators", operators_text(manifest)),
        ("opset", str(manifest.opset or "")),
        ("inputs", ", ".join(manifest.inputs)),
        ("takes", lengths_text(manifest)),
        ("texts", f"cut at {manifest.max_length} tokens"),
    ]
    return [row for row in rows if row[1]]


def _operators(manifest: Manifest) -> list[tuple[str, ...]]:
    if not manifest.operators:
        return []
    counted = sorted(manifest.operators.items(), key=lambda item: (-item[1], item[0]))
    return [*((name, str(count)) for name, count in counted), ("in all", str(sum(manifest.operators.values())))]


def _files(bundle: Bundle) -> list[tuple[str, ...]]:
    hashes = bundle.manifest.files
    sizes = sorted(file_bytes(bundle).items(), key=lambda item: -item[1])
    return [(name, units.size(size), hashes.get(name, "")[:HASH_DIGITS]) for name, size in sizes]


def _lineage(manifest: Manifest) -> list[tuple[str, ...]]:
    return [(step.step, step.name, step.hash[:HASH_DIGITS], details_text(step.details)) for step in manifest.lineage]


def _scores(manifest: Manifest) -> list[tuple[str, ...]]:
    return [
        (m.name, m.split or "", score_text(m.name, m.value), f"{m.count:,}" if m.count is not None else "", m.evidence)
        for m in manifest.metrics
    ]
