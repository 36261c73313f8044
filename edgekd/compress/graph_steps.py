"""Steps on a graph: configuration type -> what it does. A folder with a graph in, another one out."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekd.analysis.scores import score
from edgekd.bundle import MODEL_FILE, graph_in
from edgekd.compress.calibration import choose_calibration
from edgekd.compress.embeddings import quantize_embeddings
from edgekd.compress.examiner import Examiner
from edgekd.compress.half import to_half
from edgekd.compress.int8 import dynamic_int8
from edgekd.compress.mixed import mixed_int8
from edgekd.compress.openvino import to_openvino
from edgekd.compress.sensitivity import Sensitivity, sensitivity
from edgekd.compress.static_int8 import static_int8
from edgekd.compress.weight_only import weight_only
from edgekd.export.parity import Exam, graph_logits, limits_for, require_parity
from edgekd.steps import (
    EmbeddingsStep,
    Fp16Step,
    Int8Step,
    MixedInt8Step,
    OpenVinoStep,
    Rung,
    StaticInt8Step,
    WeightsStep,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    import numpy as np

    from edgekd.config import ExportConfig
    from edgekd.data.types import Examples, Target
    from edgekd.devices import Int8
    from edgekd.export.parity import Answers
    from edgekd.progress import Progress
    from edgekd.provenance import Parity
    from edgekd.tasks import Calibration, Task

Record = dict[str, Any]


@dataclass(frozen=True)
class GraphWorkshop:
    """What a step on a graph may use.

    Args:
        task: of the model.
        flavour: int8 of the target.
        encode: texts to token ids, as the model wants them.
        train: texts to calibrate with.
        validation: texts to judge with.
        calibration: how logits become choices.
        pad_token_id: of the tokenizer.
        max_drop: of the main score that mixed precision may lose.
        parity: what a graph may differ by from the one before.
        progress: told where the work stands.
    """

    task: Task
    flavour: Int8
    encode: Callable[[Sequence[str]], list[list[int]]]
    train: Examples
    validation: Examples
    calibration: Calibration
    pad_token_id: int
    max_drop: float
    parity: ExportConfig
    progress: Progress
    _answers: dict[Path, Answers] = field(default_factory=dict, repr=False)

    def calibration_rows(self, count: int) -> list[list[int]]:
        """Return token ids of training texts of all lengths and classes."""
        rows, targets = self._train_rows
        return [rows[i] for i in choose_calibration([len(row) for row in rows], targets, self.task, count)]

    @cached_property
    def _train_rows(self) -> tuple[list[list[int]], Sequence[Target]]:
        return self.encode(self.train.texts), self.train.targets

    @cached_property
    def validation_rows(self) -> list[list[int]]:
        """Token ids of the validation texts."""
        return self.encode(self.validation.texts)

    def quantizer(self, source: Path) -> Callable[[Path, Collection[str]], None]:
        """Return what writes the graph of a folder in dynamic int8 to a path, but for some nodes."""

        def quantize(path: Path, exclude: Collection[str]) -> None:
            dynamic_int8(source / MODEL_FILE, path, self.flavour, exclude=exclude)

        return quantize

    @cached_property
    def exam(self) -> Exam:
        """Validation and hostile texts, to compare two graphs, or a graph and its model."""
        return Exam.of(
            self.validation.texts,
            self.validation.targets,
            encode=self.encode,
            task=self.task,
            calibration=self.calibration,
            pad_token_id=self.pad_token_id,
            count=self.parity.parity_texts,
            rows=self.validation_rows,
        )

    def answers_of(self, source: Path) -> Answers:
        """Return what the fp32 graph in a folder answers to the exam; asked once for all that is made from it."""
        if source not in self._answers:
            self._answers[source] = self.exam.answers_of(source / MODEL_FILE)
        return self._answers[source]

    def fp32_logits(self, source: Path) -> np.ndarray[Any, Any]:
        """Return what the graph in a folder answers to the validation texts."""
        return graph_logits(source / MODEL_FILE, self.validation_rows, pad_token_id=self.pad_token_id)

    def score(self, logits: np.ndarray[Any, Any]) -> float:
        """Return the main score on validation."""
        found = score(self.task, self.validation.targets, logits, self.calibration)
        return float(found[self.task.main_metric])


def change_graph(
    source: Path, target: Path, steps: Sequence[Any], shop: GraphWorkshop, *, name: str, evidence: Path
) -> tuple[list[Record], Parity]:
    """Carry out steps: reads the graph in folder ``source`` and writes the last one into folder ``target``.

    Args:
        source: fp32.
        target: an empty folder.
        steps: on graphs, at least one.
        shop: of the model.
        name: of the last graph, for messages.
        evidence: folder for what is found when the last graph fails its parity check.

    Returns:
        What each step did, and how the answers compare with those of the source.

    Raises:
        NotApplicable: when a step has nothing to do on this graph.
        InvalidArtifact: when a step fails, or the last graph answers too differently.
    """
    details: list[Record] = []
    with ExitStack() as stack:
        before = source
        for number, step in enumerate(steps, start=1):
            after = target if number == len(steps) else Path(stack.enter_context(tempfile.TemporaryDirectory()))
            details.append({**step.model_dump(mode="json"), **_HANDLERS[type(step)](before, after, step, shop)})
            before = after
    limits = limits_for(shop.parity, Rung(steps=list(steps)).precision, max_score_drop=shop.max_drop)
    expected, graph = shop.answers_of(source), graph_in(target)[1]
    return details, require_parity(shop.exam, expected, graph, limits, name=name, evidence=evidence)


def _int8(source: Path, target: Path, step: Int8Step, shop: GraphWorkshop) -> Record:
    dynamic_int8(source / MODEL_FILE, target / MODEL_FILE, shop.flavour, step=step)
    return {}


def _static_int8(source: Path, target: Path, step: StaticInt8Step, shop: GraphWorkshop) -> Record:
    rows = shop.calibration_rows(step.texts)
    static_int8(
        source / MODEL_FILE, target / MODEL_FILE, shop.flavour, step=step, rows=rows, pad_token_id=shop.pad_token_id
    )
    return {"calibration_texts": len(rows)}


def _mixed(source: Path, target: Path, step: MixedInt8Step, shop: GraphWorkshop) -> Record:
    record = mixed_int8(
        source / MODEL_FILE,
        target / MODEL_FILE,
        shop.quantizer(source),
        rows=shop.validation_rows,
        reference=shop.fp32_logits(source),
        targets=shop.validation.targets,
        task=shop.task,
        calibration=shop.calibration,
        pad_token_id=shop.pad_token_id,
        step=step,
        budget_drop=shop.max_drop,
        progress=shop.progress,
    )
    return dict(record.as_dict())


def int8_sensitivity(source: Path, shop: GraphWorkshop) -> Sensitivity:
    """Return what each operator of the fp32 graph in folder ``source`` costs in dynamic int8.

    Raises:
        NotApplicable: when int8 has nothing to do on the graph.
    """
    examiner = Examiner(
        shop.validation_rows, shop.fp32_logits(source), shop.validation.targets, shop.task, shop.calibration
    )
    return sensitivity(source / MODEL_FILE, shop.quantizer(source), examiner, progress=shop.progress)


def _weights(source: Path, target: Path, step: WeightsStep, _: GraphWorkshop) -> Record:
    weight_only(source / MODEL_FILE, target / MODEL_FILE, step=step)
    return {}


def _embeddings(source: Path, target: Path, step: EmbeddingsStep, _: GraphWorkshop) -> Record:
    quantize_embeddings(source / MODEL_FILE, target / MODEL_FILE, bits=step.bits, block=step.block)
    return {}


def _half(source: Path, target: Path, _: Fp16Step, __: GraphWorkshop) -> Record:
    to_half(source / MODEL_FILE, target / MODEL_FILE)
    return {}


def _openvino(source: Path, target: Path, step: OpenVinoStep, shop: GraphWorkshop) -> Record:
    return to_openvino(
        source / MODEL_FILE,
        target,
        step,
        calibration=partial(shop.calibration_rows, step.texts),
        validation_rows=lambda: shop.validation_rows,
        score=shop.score,
        pad_token_id=shop.pad_token_id,
        reduce_range=shop.flavour.reduce_range,
    )


_HANDLERS: dict[type, Callable[[Path, Path, Any, GraphWorkshop], Record]] = {
    Int8Step: _int8,
    StaticInt8Step: _static_int8,
    MixedInt8Step: _mixed,
    WeightsStep: _weights,
    EmbeddingsStep: _embeddings,
    Fp16Step: _half,
    OpenVinoStep: _openvino,
}
