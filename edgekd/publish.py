"""Bundles: a graph with its tokenizer, its configuration and a manifest that says where it comes from."""

from __future__ import annotations

import json
import shutil
from importlib import metadata
from typing import TYPE_CHECKING, Any

from edgekd.artifacts import STAGE_FILE, publish_folder
from edgekd.bundle import (
    MANIFEST_FILE,
    TOKENIZER_FILE,
    Bundle,
    Manifest,
    Metric,
    graph_in,
    load_bundle,
    write_manifest,
)
from edgekd.compress.tokenizer_json import compact_tokenizer
from edgekd.errors import InvalidArtifact
from edgekd.export.facts import graph_facts
from edgekd.graphs import DETAILS_FILE, PARITY_FILE, read_parity
from edgekd.labelling import read_calibration
from edgekd.publish_config import write_configs
from edgekd.results import Evidence
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from pathlib import Path

    from edgekd.exported import ExportedModel
    from edgekd.graphs import Graphs

LIBRARIES = ("torch", "transformers", "onnx", "onnxruntime", "tokenizers", "openvino", "nncf")
_NOT_SHIPPED = (PARITY_FILE, DETAILS_FILE, STAGE_FILE)


def write_bundle(model: ExportedModel, graph: Path, graphs: Graphs, target: Path, precision: str) -> Bundle:
    """Write the bundle of a graph at ``target``, whose name is the variant's; an equal one stays as it is.

    Args:
        model: what the graph was made of, in the compressed form if it is one.
        graph: a folder made by ``graphs``.
        graphs: of the target.
        target: where the bundle goes.
        precision: "fp32", "fp16", "int8" or "int4".
    """
    manifest = _manifest(model, graph, graphs, target.name, precision)
    if (target / MANIFEST_FILE).is_file():
        try:
            existing = load_bundle(target)
        except InvalidArtifact:
            pass  # damaged: written again
        else:
            if existing.manifest.model_copy(update={"files": {}}) == manifest:
                return existing
    with publish_folder(target) as building:
        assemble(building, graph, model.folder, manifest)
    return load_bundle(target)


def assemble(building: Path, graph: Path, model_folder: Path, manifest: Manifest) -> None:
    """Put together the files of a bundle in an empty folder, the manifest last.

    Args:
        building: the folder.
        graph: folder with the graph and what its runtime needs.
        model_folder: with tokenizer and configuration.
        manifest: without the hashes of the files.
    """
    for path in graph.iterdir():
        if path.name not in _NOT_SHIPPED:
            shutil.copy(path, building / path.name)  # with its mode: scripts stay executable
    shutil.copyfile(model_folder / TOKENIZER_FILE, building / TOKENIZER_FILE)
    compact_tokenizer(building / TOKENIZER_FILE)
    write_configs(model_folder, building, manifest)
    write_manifest(building, manifest)


def _manifest(model: ExportedModel, graph: Path, graphs: Graphs, name: str, precision: str) -> Manifest:
    recipe, data, profile = graphs.recipe, graphs.data, graphs.profile
    runtime, _ = graph_in(graph)
    facts = graph_facts(graph)
    providers = profile.runtimes[0].providers or ["CPUExecutionProvider"]
    return Manifest(
        name=name,
        role=model.role,
        kind=model.kind,
        precision=precision,
        task=data.task.kind,
        labels=list(data.task.labels),
        calibration=read_calibration(model.metrics),
        max_length=recipe.teacher.max_length,
        inputs=["input_ids", "attention_mask"],
        runtime=runtime,
        providers=["CPU"] if runtime == "openvino" else providers,
        target=profile.name,
        graph=facts.flavour,
        opset=facts.opset,
        operators=facts.operators,
        parameters=model.metrics.get("parameters"),
        lineage=[*model.lineage, *graphs.lineage(graph, name)],
        recipe=json.loads(recipe.model_dump_json(exclude={"targets"})),
        metrics=stored_metrics(model.metrics, data.task.kind) if precision == "fp32" else [],
        parity=read_parity(graph).figures,
        proof=model.proof,
        data_name=data.name,
        libraries=library_versions(),
    )


def library_versions() -> dict[str, str]:
    """Return the versions of the libraries that had a part in a bundle."""
    installed = {found.metadata["Name"]: found.version for found in metadata.distributions()}
    return {name: installed[name] for name in LIBRARIES if name in installed}


# The scores of a manifest, by task; the main one first.
_SCORES = {
    TaskKind.SINGLE_LABEL: ("accuracy", "macro_f1"),
    TaskKind.MULTI_LABEL: ("macro_f1", "micro_f1", "map"),
    TaskKind.REGRESSION: ("pearson", "rmse"),
}


def stored_metrics(metrics: dict[str, Any], task: TaskKind) -> list[Metric]:
    """Return the scores of the model in torch, after training, on validation, test and further data by their names."""
    splits = {name: metrics[name] for name in ("validation", "test")}
    splits |= {f"evaluate: {name}": scores for name, scores in metrics.get("evaluate", {}).items()}
    return [
        Metric(name=name, value=scores[name], count=scores["count"], split=split, evidence=Evidence.HOST.value)
        for split, scores in splits.items()
        for name in _SCORES[task]
    ]
