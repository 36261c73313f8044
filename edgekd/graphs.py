"""From model folders to graphs, each a stage: exported and checked against torch, then changed step by step.

Data flow: model folder -> ``exports/NAME-opsetN/model.onnx`` (says what torch says) -> steps on the graph ->
``exports/NAME-opsetN-STEPS-TARGET/`` (compared with fp32).
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from edgekd import units
from edgekd.artifacts import STAGE_FILE, hash_json, publish_folder, read_json, write_json_atomic
from edgekd.bundle import GRAPH_FILES, MODEL_FILE, TOKENIZER_FILE, graph_in
from edgekd.devices import int8_for
from edgekd.errors import InvalidArtifact, MissingExtra, NotApplicable
from edgekd.labelling import read_calibration
from edgekd.provenance import LineageStep, Parity
from edgekd.refusals import raise_remembered, remembered
from edgekd.runfolder import is_done, recorded
from edgekd.runtime.tokenization import pad_id

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from transformers import PreTrainedModel

    from edgekd.compress.graph_steps import GraphWorkshop
    from edgekd.compress.latency import LatencyProbe
    from edgekd.config import Recipe
    from edgekd.data.types import TextData
    from edgekd.devices import DeviceProfile, Int8
    from edgekd.export.parity import Limits
    from edgekd.exported import ExportedModel
    from edgekd.progress import Progress
    from edgekd.runfolder import RunFolder

PARITY_FILE = "parity.json"
DETAILS_FILE = "details.json"
LATENCY_TEXTS = 100
QDQ_MAX_ABS_DIFF = 0.5  # of a logit
QDQ_MAX_FLIP_SHARE = 0.01


class Graphs:
    """Makes the graphs of one target; what is already there is reused.

    Args:
        profile: of the target.
        recipe: limits and settings.
        data: what graphs are compared and calibrated with.
        folder: where graphs go.
        progress: told where the work stands.
        evidence: where the evidence of a failed parity check goes; beside the graph's folder if not given.
    """

    def __init__(
        self,
        profile: DeviceProfile,
        recipe: Recipe,
        data: TextData,
        folder: RunFolder,
        progress: Progress,
        *,
        evidence: Path | None = None,
    ) -> None:
        self.profile = profile
        self.recipe = recipe
        self.data = data
        self.folder = folder
        self.progress = progress
        self._evidence = evidence
        self._workshop: tuple[tuple[str, str], GraphWorkshop] | None = None  # of the last form that was asked for

    @cached_property
    def flavour(self) -> Int8:
        """The int8 flavour of the target; for the profile of this machine its own instructions decide."""
        from edgekd.bench.machine import describe_machine

        return int8_for(self.profile, describe_machine().isa)

    def graph_flavour(self, steps: Sequence[Any]) -> str:
        """Return the flavour of graph that steps start from: the one of the target's runtime, if they can read it."""
        portable = any(step.needs_portable_graph for step in steps)
        return "portable" if portable else self.profile.runtimes[0].graph

    def export(self, model: ExportedModel, steps: Sequence[Any] = ()) -> Path:
        """Return the folder of a model's graph as it was trained, in the flavour that ``steps`` start from.

        Raises:
            InvalidArtifact: when the graph does not say what the model says.
        """
        flavour = self.graph_flavour(steps)
        target = self.folder.export("-".join(filter(None, (model.name, model.form))), self.profile.opset, flavour)
        inputs = {
            "weights": model.weights_hash,
            "tokenizer": model.tokenizer_hash,
            "opset": self.profile.opset,
            "flavour": flavour,
            "config": self.recipe.export.model_dump(),
            "texts": self.data.validation.hash(),
            "max_length": self.recipe.teacher.max_length,
        }
        if is_done(target, "export", inputs):
            return target
        import edgekd.student.kinds  # noqa: F401 - registers our models with the Auto classes
        from edgekd.batches import predict_logits
        from edgekd.export.parity import require_parity
        from edgekd.teacher.load import load_classifier

        self.progress.start(f"Exporting {name_of(model)}", None)
        loaded = load_classifier(model.folder, self.recipe.teacher.max_length, self.progress)
        exam = self.workshop(model).exam
        expected = exam.answers_by(lambda rows: predict_logits(loaded.model, rows, pad_token_id=exam.pad_token_id))
        with recorded(target, "export", inputs), publish_folder(target) as building:
            limits = self._write(loaded.model, building / MODEL_FILE, flavour)
            parity = require_parity(
                exam, expected, building / MODEL_FILE, limits, name=target.name, evidence=self.evidence(target)
            )
            write_json_atomic(building / PARITY_FILE, parity.model_dump())
        self.progress.finish(f"largest difference {units.tiny(parity.max_abs_diff)}, {parity.label_flips} label flips")
        return target

    def evidence(self, target: Path) -> Path:
        """Return where the evidence goes when the graph for ``target`` fails its parity check."""
        from edgekd.export.parity import evidence_folder

        return self._evidence or evidence_folder(target)

    def _write(self, model: PreTrainedModel, path: Path, flavour: str) -> Limits:
        """Export a model; return what its graph may differ by."""
        from edgekd.compress.qat import is_recorded
        from edgekd.compress.qdq import export_qdq
        from edgekd.export.onnx import export_onnx
        from edgekd.export.parity import Limits, limits_for

        if not is_recorded(model.config):
            export_onnx(model, path, opset=self.profile.opset, flavour=flavour)
            return limits_for(self.recipe.export, "fp32")
        export_qdq(model, path, opset=self.profile.opset)
        # Rounding is a step function: what torch and ONNX Runtime add up in another order may round to the neighbour.
        return Limits(max_abs_diff=QDQ_MAX_ABS_DIFF, max_flip_share=QDQ_MAX_FLIP_SHARE)

    def change(self, model: ExportedModel, exported: Path, steps: Sequence[Any]) -> Path:
        """Return the folder of an exported graph after ``steps``.

        Raises:
            NotApplicable: when a step has nothing to do on it.
            InvalidArtifact: when a step fails.
        """
        if not steps:
            return exported
        settings = [step.model_dump(mode="json") for step in steps]
        label = "-".join(step.label for step in steps)
        target = exported.with_name(f"{exported.name}-{label}-{hash_json(settings)[:6]}-{self.profile.name}")
        inputs = {
            "graph": read_json(exported / STAGE_FILE)["key"],
            "steps": settings,
            "flavour": self.flavour.model_dump(mode="json", exclude={"reason"}),
            "texts": [self.data.validation.hash(), self.data.train.hash()],
            "max_drop": self.recipe.compress.max_accuracy_drop,
            "parity": self.recipe.export.model_dump(),
        }
        if is_done(target, "graph", inputs):
            raise_remembered(target)
            return target
        from edgekd.compress.graph_steps import change_graph

        self.progress.start(f"{name_of(model)}: {label}", None)
        try:
            with remembered(target, "graph", inputs), publish_folder(target) as building:
                details, parity = change_graph(
                    exported,
                    building,
                    steps,
                    self.workshop(model),
                    name=target.name,
                    evidence=self.evidence(target),
                )
                write_json_atomic(building / PARITY_FILE, parity.model_dump())
                write_json_atomic(building / DETAILS_FILE, details)
        except (NotApplicable, MissingExtra, InvalidArtifact) as error:
            self.progress.finish("it failed" if isinstance(error, InvalidArtifact) else "nothing came of it")
            raise
        self.progress.finish(f"{parity.label_flips} of {parity.texts} labels differ")
        return target

    def latency_probe(self) -> LatencyProbe:
        """Return what times graphs of models on texts as long as the validation texts."""
        from edgekd.compress.latency import LatencyProbe

        longest = self.recipe.teacher.max_length
        texts = self.data.validation.texts[:LATENCY_TEXTS]
        lengths = [min(len(text.split()) + 2, longest) for text in texts]
        return LatencyProbe(lengths, self.profile.threads, self.profile.opset, self.graph_flavour(()))

    def lineage(self, folder: Path, name: str) -> list[LineageStep]:
        """Return what led from the model to the graph in ``folder``."""
        files = read_json(folder / STAGE_FILE)["files"]
        runtime, _ = graph_in(folder)
        graph = hash_json([files[name] for name in GRAPH_FILES[runtime]])
        details: dict[str, Any] = {"opset": self.profile.opset}
        if (folder / DETAILS_FILE).is_file():
            details |= {"steps": read_json(folder / DETAILS_FILE), "flavour": self.flavour.model_dump(mode="json")}
        step = "graph" if "steps" in details else "export"
        return [LineageStep(step=step, name=name, hash=graph, details=details)]

    def workshop(self, model: ExportedModel) -> GraphWorkshop:
        """Return what steps on the graph of a model may use; texts are encoded once for all candidates of a form."""
        from edgekd.compress.graph_steps import GraphWorkshop

        key = (model.weights_hash, model.tokenizer_hash)
        if self._workshop is not None and self._workshop[0] == key:
            return self._workshop[1]
        made = GraphWorkshop(
            task=self.data.task,
            flavour=self.flavour,
            encode=lambda texts: encode_texts(model.folder / TOKENIZER_FILE, texts, self.recipe.teacher.max_length),
            train=self.data.train,
            validation=self.data.validation,
            calibration=read_calibration(model.metrics),
            pad_token_id=pad_id(model.folder / TOKENIZER_FILE),
            max_drop=self.recipe.compress.max_accuracy_drop,
            parity=self.recipe.export,
            progress=self.progress,
        )
        self._workshop = (key, made)
        return made


def read_parity(graph: Path) -> Parity:
    """Return how a graph of these compares with its model, with the texts that it answers differently."""
    return Parity.model_validate(read_json(graph / PARITY_FILE))


def name_of(model: ExportedModel) -> str:
    """Return what to call a model: its name, and the steps that were done on it."""
    return f"{model.name}-{model.lineage[-1].name}" if model.form else model.name


def encode_texts(tokenizer_file: Path, texts: Sequence[str], max_length: int) -> list[list[int]]:
    """Return token ids of texts, one list a text, cut to ``max_length``."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length)
    return [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]
