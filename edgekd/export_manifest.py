"""The manifest of an exported bundle, and the key that says what it was made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgekd.artifacts import hash_json, sha256_file
from edgekd.bundle import GRAPH_FILES, TOKENIZER_FILE, Manifest
from edgekd.export.facts import facts_of
from edgekd.provenance import LineageStep
from edgekd.publish import library_versions, stored_metrics

if TYPE_CHECKING:
    from pathlib import Path

    from edgekd.config import ExportConfig
    from edgekd.devices import DeviceProfile
    from edgekd.export.formats import Format
    from edgekd.export_material import ExportMaterial
    from edgekd.provenance import Parity


def bundle_key(one: Format, material: ExportMaterial, config: ExportConfig, profile: DeviceProfile) -> str:
    """Return what identifies a bundle: everything that it depends on."""
    model, data = material.model, material.data
    return hash_json(
        {
            "model": [step.model_dump(mode="json") for step in model.lineage],
            "tokenizer": sha256_file(model.folder / TOKENIZER_FILE),
            "task": [model.task.kind.value, model.task.labels],
            "calibration": [model.calibration.temperature, model.calibration.thresholds],
            "shape": [model.shape.lengths, model.shape.batch, model.max_length],
            "opset": material.opset,
            "format": one.name,
            "target": profile.name,
            "config": config.model_dump(),
            "data": None if data is None else [data.train.hash(), data.validation.hash()],
            "libraries": library_versions(),
        }
    )


def bundle_manifest(
    one: Format,
    material: ExportMaterial,
    profile: DeviceProfile,
    folder: Path,
    *,
    name: str,
    precision: str,
    details: dict[str, Any],
    parity: Parity,
) -> Manifest:
    """Return the manifest, without the hashes of the files.

    Args:
        one: the format.
        material: of the export.
        profile: the target.
        folder: with the graph.
        name: of the bundle.
        precision: that its runtime computes in.
        details: what the conversion did, for the lineage; "operators" replaces what is read from the graph.
        parity: with the source.
    """
    model, shape, data = material.model, material.model.shape, material.data
    facts = facts_of(one.runtime, folder / GRAPH_FILES[one.runtime][0])
    graph = hash_json([sha256_file(folder / file) for file in GRAPH_FILES[one.runtime]])
    done = {key: value for key, value in details.items() if key != "operators"}
    line = LineageStep(step="export", name=name, hash=graph, details={"format": one.name, **done})
    has_scores = precision == "fp32" and "test" in model.scores
    return Manifest(
        name=name,
        role=model.role,
        kind=model.kind,
        precision=precision,
        task=model.task.kind,
        labels=list(model.task.labels),
        calibration=model.calibration,
        max_length=model.max_length,
        inputs=list(model.inputs),
        runtime=one.runtime,
        providers=_providers(one, profile),
        target=profile.name,
        graph=facts.flavour,
        opset=facts.opset,
        lengths=list(shape.lengths),
        batch=shape.batch,
        operators=details.get("operators", facts.operators),
        parameters=model.parameters,
        lineage=[*model.lineage, line],
        metrics=stored_metrics(model.scores, model.task.kind) if has_scores else [],
        parity=parity.figures,
        data_name="" if data is None else data.name,
        libraries=library_versions(),
    )


def _providers(one: Format, profile: DeviceProfile) -> list[str]:
    """Return what the runtime of a format uses on a target."""
    if one.runtime == "openvino":
        return ["CPU"]
    named = {runtime.name: runtime.providers for runtime in profile.runtimes}
    wanted = named.get(one.runtime, []) if one.runtime == "onnxruntime" else []
    return wanted or ["CPUExecutionProvider"]
