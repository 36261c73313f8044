"""One step on something that is there already: ``edgekd prune`` on a model folder, ``edgekd quantize`` on a bundle."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from edgekd.arms import make_lessons
from edgekd.artifacts import (
    STAGE_FILE,
    folder_bytes,
    publish_folder,
    read_json,
    sha256_file,
    write_json_atomic,
)
from edgekd.bench.machine import describe_machine
from edgekd.bundle import MANIFEST_FILE, TOKENIZER_FILE, graph_in, is_bundle, load_bundle, write_manifest
from edgekd.compression import Compressor
from edgekd.config import StudentConfig
from edgekd.data.prepare import prepare
from edgekd.desk import Desk
from edgekd.devices import int8_for
from edgekd.errors import ConfigError
from edgekd.export.evidence import evidence_folder
from edgekd.export.facts import graph_facts
from edgekd.exported import ExportedModel
from edgekd.graphs import Graphs, encode_texts, read_parity
from edgekd.judging import measure_and_judge
from edgekd.provenance import LineageStep
from edgekd.publish import write_bundle
from edgekd.publish_config import write_configs
from edgekd.runfolder import COMPRESS_FILE, RunFolder
from edgekd.runtime.tokenization import pad_id
from edgekd.student.names import STUDENT_KINDS
from edgekd.workplace import require_source, work_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.bundle import Bundle
    from edgekd.compress.graph_steps import GraphWorkshop
    from edgekd.compress.sensitivity import Sensitivity
    from edgekd.config import Recipe
    from edgekd.data.types import TextData
    from edgekd.decisions import Decision
    from edgekd.devices import DeviceProfile
    from edgekd.progress import Progress
    from edgekd.provenance import Parity
    from edgekd.steps import Rung

# Before a step takes its share of it. A trained transformer forgets at rates that a small student needs.
TRANSFORMER_RATE, OTHER_RATE = 1e-4, 1e-3
TRANSFORMER_BATCH, OTHER_BATCH = 32, 128
_PREFIX = "edgekd-"


@dataclass(frozen=True)
class SmallerModel:
    """A model folder after some steps."""

    folder: Path
    before: dict[str, Any]  # scores, "parameters", "bytes"
    after: dict[str, Any]
    details: list[dict[str, Any]]  # what each step did

    @property
    def is_uneven(self) -> bool:
        """True when its layers have different widths, so that only edgekd opens it."""
        return bool(read_json(self.folder / "config.json").get("edgekd_pruned"))


def compress_folder(
    model: Path, steps: Sequence[Any], recipe: Recipe, profile: DeviceProfile, out: Path, progress: Progress
) -> SmallerModel:
    """Apply steps to a model folder and publish the smaller one at ``out``.

    The recipe's teacher labels the texts for the distillation that follows a step; it may be the model itself. Finished
    steps are kept in a hidden sibling folder until all are done, so a killed run goes on.

    Raises:
        NotApplicable: when a step has nothing to do on the model.
    """
    require_source(model)
    if is_bundle(model):
        raise ConfigError(
            f"'{model}' is a bundle; its graph cannot be trained again.",
            hint="Give the model folder that it was made of (config.json and model.safetensors).",
        )
    with work_folder(model, out, COMPRESS_FILE) as folder:
        desk, made = _open(model, recipe, folder, progress)
        graphs = Graphs(profile, recipe, desk.data, folder, progress)
        after = _compressor(desk, made, graphs).apply(made, steps)
        details = [line.details for line in after.lineage[len(made.lineage) :]]
        before_bytes = folder_bytes(made.folder)
        with publish_folder(out) as building:
            for path in after.folder.iterdir():
                if path.name != STAGE_FILE:
                    shutil.copyfile(path, building / path.name)
        record = read_json(out / COMPRESS_FILE)
        metrics = record["metrics"]
        write_json_atomic(out / COMPRESS_FILE, {**record, "max_length": recipe.teacher.max_length})
    return SmallerModel(out, {**made.metrics, "bytes": before_bytes}, {**metrics, "bytes": folder_bytes(out)}, details)


@dataclass(frozen=True)
class QuantizedModel:
    """A bundle that was made and judged.

    Args:
        bundle: published.
        decisions: on it and on its fp32 self, from one interleaved measurement.
        parity: with the texts that it answers differently, which the bundle does not carry.
    """

    bundle: Bundle
    decisions: list[Decision]
    parity: Parity


def quantize(
    source: Path, rung: Rung, recipe: Recipe, profile: DeviceProfile, out: Path, progress: Progress
) -> QuantizedModel:
    """Apply steps to the fp32 graph of a bundle or model folder; publish a bundle at ``out`` and judge it.

    Raises:
        ConfigError: when the source is no fp32 ONNX bundle and no model folder.
        NotApplicable: when a step has nothing to do.
    """
    require_source(source)
    with work_folder(source, out, MANIFEST_FILE) as folder:
        if is_bundle(source):
            base, data = load_bundle(source), prepare(recipe.data)
            made, parity = _from_bundle(base, rung, recipe, profile, data, out, progress)
        else:
            desk, model = _open(source, recipe, folder, progress)
            data = desk.data
            graphs = Graphs(profile, recipe, data, folder, progress, evidence=evidence_folder(out))
            form = _compressor(desk, model, graphs).apply(model, rung.model_steps)
            base = write_bundle(
                model, graphs.export(model), graphs, folder.candidates(profile.name) / f"{source.name}-fp32", "fp32"
            )
            graph = graphs.change(form, graphs.export(form, rung.graph_steps), rung.graph_steps)
            parity = read_parity(graph)
            made = write_bundle(form, graph, graphs, out, rung.precision)
        _, decisions = measure_and_judge(
            base,
            [(made, rung)],
            data=data,
            profile=profile,
            config=recipe.compress,
            out=folder.results(profile.name),
            progress=progress,
        )
    return QuantizedModel(made, decisions, parity)


def sensitivity_of(source: Path, recipe: Recipe, profile: DeviceProfile, progress: Progress) -> Sensitivity:
    """Return what each operator of the fp32 graph of a bundle or model folder costs in dynamic int8.

    Raises:
        ConfigError: when the source is no fp32 ONNX bundle and no model folder.
        NotApplicable: when int8 has nothing to do on it.
    """
    from edgekd.compress.graph_steps import int8_sensitivity

    require_source(source)
    if is_bundle(source):
        base = load_bundle(source)
        return int8_sensitivity(base.folder, _shop_of(base, recipe, profile, prepare(recipe.data), progress))
    with TemporaryDirectory() as work:
        desk, model = _open(source, recipe, RunFolder(Path(work)), progress)
        graphs = Graphs(profile, recipe, desk.data, desk.folder, progress)
        return int8_sensitivity(graphs.export(model), graphs.workshop(model))


def _from_bundle(
    base: Bundle, rung: Rung, recipe: Recipe, profile: DeviceProfile, data: TextData, out: Path, progress: Progress
) -> tuple[Bundle, Parity]:
    """Apply steps to the graph of a bundle."""
    from edgekd.compress.graph_steps import change_graph

    manifest = base.manifest
    if rung.model_steps:
        raise ConfigError(
            f"{', '.join(step.label for step in rung.model_steps)} needs the trained model, and '{base.folder}' is a "
            "bundle.",
            hint="Give the model folder (config.json and model.safetensors).",
        )
    if manifest.graph != "portable" and any(step.needs_portable_graph for step in rung.graph_steps):
        raise ConfigError(
            f"The graph of '{base.folder}' is for ONNX Runtime only; {rung.label} needs a portable one.",
            hint="Give the model folder, or a bundle of 'edgekd export MODEL --to onnx'.",
        )
    shop = _shop_of(base, recipe, profile, data, progress)
    with publish_folder(out) as building:
        details, parity = change_graph(
            base.folder, building, rung.graph_steps, shop, name=out.name, evidence=evidence_folder(out)
        )
        runtime, graph = graph_in(building)
        shutil.copyfile(base.folder / TOKENIZER_FILE, building / TOKENIZER_FILE)
        facts = graph_facts(building)
        line = LineageStep(step="graph", name=out.name, hash=sha256_file(graph), details={"steps": details})
        update: dict[str, Any] = {
            "name": out.name,
            "precision": rung.precision,
            "parity": parity.figures,
            "metrics": [],
            "target": profile.name,
            "graph": facts.flavour,
            "opset": facts.opset,
            "operators": facts.operators,
            "lineage": [*manifest.lineage, line],
        }
        if runtime != manifest.runtime:
            update |= {"runtime": runtime, "providers": ["CPU"]}
        changed = manifest.model_copy(update=update)
        write_configs(base.folder, building, changed)
        write_manifest(building, changed)
    return load_bundle(out), parity


def _shop_of(base: Bundle, recipe: Recipe, profile: DeviceProfile, data: TextData, progress: Progress) -> GraphWorkshop:
    """Return what steps on the graph of a bundle may use.

    Raises:
        ConfigError: when it is not fp32 ONNX, or the data have other labels.
    """
    from edgekd.compress.graph_steps import GraphWorkshop

    manifest = base.manifest
    if manifest.precision != "fp32" or manifest.runtime != "onnxruntime":
        raise ConfigError(
            f"'{base.folder}' is a bundle of {manifest.runtime} in {manifest.precision}; steps start from ONNX fp32.",
            hint="Give the fp32 bundle of the same model.",
        )
    if manifest.as_task != data.task:
        raise ConfigError(
            f"The bundle predicts {', '.join(manifest.labels)} ({manifest.task.value}), the data has "
            f"{', '.join(data.task.labels)} ({data.task.kind.value})."
        )
    return GraphWorkshop(
        task=data.task,
        flavour=int8_for(profile, describe_machine().isa),
        encode=lambda texts: encode_texts(base.tokenizer_path, texts, manifest.max_length),
        train=data.train,
        validation=data.validation,
        calibration=manifest.calibration,
        pad_token_id=pad_id(base.tokenizer_path),
        max_drop=recipe.compress.max_accuracy_drop,
        parity=recipe.export,
        progress=progress,
    )


def _open(model: Path, recipe: Recipe, folder: RunFolder, progress: Progress) -> tuple[Desk, ExportedModel]:
    """Score a model folder and return it with the desk of its teacher."""
    import edgekd.student.kinds  # noqa: F401 - registers our models with the Auto classes

    desk = Desk(recipe, folder, progress)
    if (model / "config.json").is_file() and read_json(model / "config.json").get("edgekd_qat"):
        raise ConfigError(
            f"'{model}' was trained with int8 rounding (qat), which is the last step.",
            hint="Give the model folder from before it.",
        )
    config = recipe.teacher.model_copy(update={"model": str(model), "fine_tune": False})
    classifier = (
        desk.teachers[0] if recipe.teacher.model == str(model) else desk.make_teacher(config, folder.root / "model")
    )
    model_type = str(read_json(classifier.folder / "config.json").get("model_type", ""))
    kind = model_type.removeprefix(_PREFIX)
    return desk, ExportedModel(
        name=model.name,
        kind=kind if kind in STUDENT_KINDS else "transformer",
        role="student",
        folder=classifier.folder,
        weights_hash=classifier.weights_hash,
        tokenizer_hash=classifier.tokenizer_hash,
        metrics=classifier.metrics,
        lineage=[LineageStep(step="model", name=model.name, hash=classifier.weights_hash)],
        proof=None,
    )


def _compressor(desk: Desk, model: ExportedModel, graphs: Graphs) -> Compressor:
    is_transformer = model.kind == "transformer"
    config = StudentConfig(
        name=model.name,
        kind=model.kind,
        learning_rate=TRANSFORMER_RATE if is_transformer else OTHER_RATE,
        batch_size=TRANSFORMER_BATCH if is_transformer else OTHER_BATCH,
    )
    return Compressor(
        cache(lambda _: make_lessons(config, [desk], [desk.labeller])[0]), lambda _: desk.labeller.key, graphs
    )
