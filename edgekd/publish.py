"""From trained models to verified bundles: export, parity, int8, manifest.

Data flow: model folder -> ``exports/NAME-opsetN/model.onnx`` (checked against torch) -> int8 graph in the target's
flavour (checked against fp32) -> ``bundles/TARGET/NAME-PRECISION/`` with tokenizer, configuration and manifest.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from typing import TYPE_CHECKING, Any

from edgekd.artifacts import publish_folder, read_json, write_json_atomic
from edgekd.bundle import (
    MODEL_FILE,
    TOKENIZER_FILE,
    Bundle,
    LineageStep,
    Manifest,
    Metric,
    Parity,
    load_bundle,
    write_manifest,
)
from edgekd.decisions import Decision
from edgekd.devices import int8_for
from edgekd.errors import InvalidArtifact
from edgekd.labelling import read_calibration
from edgekd.results import Evidence
from edgekd.runfolder import RunFolder, file_hash, is_done, recorded
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edgekd.config import Recipe
    from edgekd.data.types import TextData
    from edgekd.devices import DeviceProfile, Int8
    from edgekd.progress import Progress
    from edgekd.proof import Proof

PARITY_FILE = "parity.json"
LIBRARIES = ("torch", "transformers", "onnx", "onnxruntime", "tokenizers")


@dataclass(frozen=True)
class ExportedModel:
    """A trained model that becomes bundles."""

    name: str
    kind: str
    role: str  # "teacher" or "student"
    folder: Path  # Hugging Face folder
    weights_hash: str
    metrics: dict[str, Any]  # calibration, and scores on "validation", "test" and "evaluate"
    lineage: list[tuple[str, str, str, dict[str, Any]]]
    proof: Proof | None


def publish_bundles(
    models: Sequence[ExportedModel],
    profile: DeviceProfile,
    recipe: Recipe,
    data: TextData,
    folder: RunFolder,
    progress: Progress,
) -> tuple[list[Bundle], list[Decision]]:
    """Write the bundles of one target; return them and what was dropped, with the reason.

    Raises:
        InvalidArtifact: when an fp32 graph does not say what its model says.
    """
    publisher = _Publisher(profile, recipe, data, folder, progress)
    bundles = [bundle for model in models for bundle in publisher.publish(model)]
    wanted = {bundle.folder.name for bundle in bundles}
    for old in folder.bundles(profile.name).iterdir():
        if old.is_dir() and old.name not in wanted:
            shutil.rmtree(old)  # left by an earlier run of another recipe
    return bundles, publisher.decisions


class _Publisher:
    """Publishes models for one target."""

    def __init__(
        self,
        profile: DeviceProfile,
        recipe: Recipe,
        data: TextData,
        folder: RunFolder,
        progress: Progress,
    ) -> None:
        self.profile = profile
        self.recipe = recipe
        self.data = data
        self.folder = folder
        self.progress = progress
        self.decisions: list[Decision] = []

    def publish(self, model: ExportedModel) -> list[Bundle]:
        fp32 = self._export(model)
        bundles = [self._bundle(model, "fp32", fp32)]
        if self.recipe.quantize.int8:
            int8 = self._quantize(model, fp32)
            if int8 is not None:
                bundles.append(self._bundle(model, "int8", int8))
        return bundles

    # fp32

    def _export(self, model: ExportedModel) -> Path:
        target = self.folder.export(model.name, self.profile.opset)
        inputs = {
            "weights": model.weights_hash,
            "opset": self.profile.opset,
            "config": self.recipe.export.model_dump(),
            "texts": self.data.validation.hash(),
            "max_length": self.recipe.teacher.max_length,
        }
        if is_done(target, "export", inputs):
            return target
        import edgekd.student.kinds  # noqa: F401 - registers our models with the Auto classes
        from edgekd.batches import predict_logits
        from edgekd.export.onnx import export_onnx
        from edgekd.export.parity import compare_logits, graph_logits, require_parity
        from edgekd.teacher.load import load_classifier

        self.progress.start(f"Exporting {model.name} (opset {self.profile.opset})", None)
        loaded = load_classifier(model.folder, self.recipe.teacher.max_length, self.progress)
        pad = loaded.tokenizer.pad_token_id or 0
        ids = self._parity_ids(model.folder)
        expected = predict_logits(loaded.model, ids, pad_token_id=pad)
        task = self.data.task.kind
        with recorded(target, "export", inputs), publish_folder(target) as building:
            export_onnx(loaded.model, building / MODEL_FILE, opset=self.profile.opset)
            parity = compare_logits(expected, graph_logits(building / MODEL_FILE, ids, pad_token_id=pad), task)
            require_parity(parity, self.recipe.export, model.name)
            write_json_atomic(building / PARITY_FILE, parity.model_dump())
        self.progress.finish(f"largest difference {parity.max_abs_diff:.1e}, {parity.label_flips} label flips")
        return target

    def _parity_ids(self, model_folder: Path) -> list[list[int]]:
        """Return token ids of validation texts of all lengths."""
        from tokenizers import Tokenizer

        from edgekd.export.parity import spread_over_lengths

        tokenizer = Tokenizer.from_file(str(model_folder / TOKENIZER_FILE))
        tokenizer.no_padding()
        tokenizer.enable_truncation(self.recipe.teacher.max_length)
        ids = [encoding.ids for encoding in tokenizer.encode_batch(list(self.data.validation.texts))]
        return [ids[i] for i in spread_over_lengths([len(x) for x in ids], self.recipe.export.parity_texts)]

    # int8

    def _quantize(self, model: ExportedModel, fp32: Path) -> Path | None:
        """Return the folder of the int8 graph, or None when it was dropped."""
        flavour = self.flavour
        target = self.folder.quantized(model.name, self.profile.opset, self.profile.name)
        inputs = {
            "graph": file_hash(fp32, MODEL_FILE),
            "flavour": flavour.model_dump(mode="json", exclude={"reason"}),
            "texts": self.data.validation.hash(),
            "config": self.recipe.export.model_dump(),
        }
        if not is_done(target, "quantize", inputs):
            from edgekd.compress.quantize import quantize_dynamic_int8
            from edgekd.export.parity import compare_logits, graph_logits

            self.progress.start(f"Quantizing {model.name} to int8 for {self.profile.name}", None)
            ids = self._parity_ids(model.folder)
            pad = int(read_json(model.folder / "config.json").get("pad_token_id") or 0)
            expected = graph_logits(fp32 / MODEL_FILE, ids, pad_token_id=pad)
            try:
                with recorded(target, "quantize", inputs), publish_folder(target) as building:
                    quantize_dynamic_int8(fp32 / MODEL_FILE, building / MODEL_FILE, flavour)
                    actual = graph_logits(building / MODEL_FILE, ids, pad_token_id=pad)
                    parity = compare_logits(expected, actual, self.data.task.kind)
                    write_json_atomic(building / PARITY_FILE, parity.model_dump())
            except InvalidArtifact as error:
                self.progress.finish("dropped")
                self._drop(model, f"int8 failed: {error.message}", flavour)
                return None
            self.progress.finish(f"{parity.label_flips} of {parity.texts} labels differ from fp32")
        parity = Parity.model_validate(read_json(target / PARITY_FILE))
        rate = parity.label_flips / parity.texts
        if rate > self.recipe.quantize.max_flip_rate:
            self._drop(
                model,
                f"int8 changes {parity.label_flips} of {parity.texts} labels ({rate:.1%}); at most "
                f"{self.recipe.quantize.max_flip_rate:.1%} are allowed (quantize.max_flip_rate)",
                flavour,
            )
            return None
        return target

    @cached_property
    def flavour(self) -> Int8:
        """The int8 flavour of the target; for the profile of this machine its own instructions decide."""
        from edgekd.bench.machine import describe_machine

        return int8_for(self.profile, describe_machine().isa)

    def _drop(self, model: ExportedModel, reason: str, flavour: Int8) -> None:
        signs = f"{flavour.activation} x {flavour.weight}"
        self.decisions.append(
            Decision(
                variant=f"{model.name}-int8",
                target=self.profile.name,
                kept=False,
                reason=f"{reason} [{signs}]",
                evidence=Evidence.HOST.value,
            )
        )

    # Bundle

    def _bundle(self, model: ExportedModel, precision: str, graph: Path) -> Bundle:
        name = f"{model.name}-{precision}"
        target = self.folder.bundles(self.profile.name) / name
        manifest = self._manifest(model, name, precision, graph)
        if target.is_dir():
            try:
                existing = load_bundle(target)
            except InvalidArtifact:
                pass  # damaged: written again
            else:
                if existing.manifest.model_copy(update={"files": {}}) == manifest:
                    return existing
        with publish_folder(target) as building:
            shutil.copyfile(graph / MODEL_FILE, building / MODEL_FILE)
            for file_name in (TOKENIZER_FILE, "tokenizer_config.json", "config.json"):
                shutil.copyfile(model.folder / file_name, building / file_name)
            write_manifest(building, manifest)
        return load_bundle(target)

    def _manifest(self, model: ExportedModel, name: str, precision: str, graph: Path) -> Manifest:
        lineage = [
            LineageStep(step=s, name=n, hash=h, details=d)
            for s, n, h, d in [*model.lineage, (model.role, model.name, model.weights_hash, {})]
        ]
        graph_hash = file_hash(graph, MODEL_FILE)
        step = "export" if precision == "fp32" else "quantize"
        details: dict[str, Any] = {"opset": self.profile.opset}
        if precision == "int8":
            details |= self.flavour.model_dump(mode="json")
        lineage.append(LineageStep(step=step, name=name, hash=graph_hash, details=details))
        return Manifest(
            name=name,
            role=model.role,
            kind=model.kind,
            precision=precision,
            task=self.data.task.kind,
            labels=list(self.data.task.labels),
            calibration=read_calibration(model.metrics),
            max_length=self.recipe.teacher.max_length,
            inputs=["input_ids", "attention_mask"],
            runtime="onnxruntime",
            providers=self.profile.runtimes[0].providers or ["CPUExecutionProvider"],
            target=self.profile.name,
            parameters=model.metrics.get("parameters"),
            lineage=lineage,
            recipe=json.loads(self.recipe.model_dump_json(exclude={"targets"})),
            metrics=_metrics(model, self.data.task.kind) if precision == "fp32" else [],
            parity=Parity.model_validate(read_json(graph / PARITY_FILE)),
            proof=model.proof,
            data_name=self.data.name,
            libraries={name: metadata.version(name) for name in LIBRARIES},
        )


# The scores of a manifest, by task; the main one first.
_SCORES = {
    TaskKind.SINGLE_LABEL: ("accuracy", "macro_f1"),
    TaskKind.MULTI_LABEL: ("macro_f1", "micro_f1", "map"),
    TaskKind.REGRESSION: ("pearson", "rmse"),
}


def _metrics(model: ExportedModel, task: TaskKind) -> list[Metric]:
    """Return the scores of the model in torch, after training, on validation, test and further data by their names."""
    splits = {name: model.metrics[name] for name in ("validation", "test")}
    splits |= {f"evaluate: {name}": scores for name, scores in model.metrics.get("evaluate", {}).items()}
    return [
        Metric(name=name, value=scores[name], count=scores["count"], split=split, evidence=Evidence.HOST.value)
        for split, scores in splits.items()
        for name in _SCORES[task]
    ]
