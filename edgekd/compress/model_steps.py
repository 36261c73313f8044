"""Steps on a trained model: configuration type -> what it does. Model and tokenizer in, smaller ones out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekd.compress.prune import (
    drop_layers,
    find_groups,
    importance,
    narrow,
    plan,
    reduce_embedding_dim,
    remove,
)
from edgekd.compress.qat import prepare
from edgekd.compress.recover import recover
from edgekd.compress.sparse import sparsify
from edgekd.compress.vocabulary import shrink_vocabulary
from edgekd.proof import Arm
from edgekd.steps import PruneStep, QatStep, SparseStep, VocabularyStep
from edgekd.student.objective import LabelObjective

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from edgekd.compress.prune import Plan
    from edgekd.devices import Int8
    from edgekd.progress import Progress
    from edgekd.student.lesson import Lesson

CALIBRATION_TEXTS, CALIBRATION_BATCH = 512, 32


@dataclass(frozen=True)
class Workpiece:
    """A model with its tokenizer."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerFast


@dataclass(frozen=True)
class Workshop:
    """What a step may use.

    Args:
        lesson: texts and teacher labels for the model's present tokenizer.
        name: of the model, for messages.
        work: holds checkpoints of a step that trains.
        flavour: int8 of the target.
        median_latency_s: of a model's graph for the target, measured here.
        progress: told where the work stands.
    """

    lesson: Lesson
    name: str
    work: Path
    flavour: Int8
    median_latency_s: Callable[[PreTrainedModel], float]
    progress: Progress

    def learning_rate(self, given: float | None, share: float) -> float:
        """Return the rate of a step: the one given, or a share of the model's own."""
        return given or share * self.lesson.config.learning_rate

    def calibration(self) -> Iterator[dict[str, torch.Tensor]]:
        """Yield batches of training texts with their true labels."""
        texts = self.lesson.texts_of(Arm.CONTROL)
        rows = np.random.default_rng(0).permutation(len(texts))[:CALIBRATION_TEXTS].tolist()
        pad = self.lesson.tokenizer.pad_token_id or 0
        for start in range(0, len(rows), CALIBRATION_BATCH):
            yield texts.batch(rows[start : start + CALIBRATION_BATCH], pad)

    def loss(self, model: PreTrainedModel, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return the loss of the true labels: a model that labels for itself agrees with itself without a gradient."""
        inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
        loss, _ = LabelObjective(self.lesson.data.task.kind)(model, inputs, labels=batch["labels"])
        return loss


Record = dict[str, Any]


def apply_model_step(piece: Workpiece, step: Any, shop: Workshop) -> tuple[Workpiece, Record]:
    """Carry out one step.

    Raises:
        NotApplicable: when it has nothing to do on this model.
    """
    return _HANDLERS[type(step)](piece, step, replace(shop, lesson=shop.lesson.with_tokenizer(piece.tokenizer)))


def _vocabulary(piece: Workpiece, step: VocabularyStep, shop: Workshop) -> tuple[Workpiece, Record]:
    data = shop.lesson.data
    texts = [*data.train.texts, *data.unlabelled]
    if step.texts == "transfer":
        texts += shop.lesson.transfer_texts
    model, tokenizer, report = shrink_vocabulary(
        piece.model,
        piece.tokenizer,
        texts,
        max_length=shop.lesson.teacher.max_length,
        size=step.size,
        min_count=step.min_count,
        characters=step.characters,
        measured={"validation": data.validation.texts, "test": data.test.texts},
    )
    shop.progress.say(f"  {report.words()}")
    piece = Workpiece(model, tokenizer)
    record: Record = {"vocabulary": report.as_dict(), "words": report.words()}
    if step.epochs:
        shop = replace(shop, lesson=shop.lesson.with_tokenizer(tokenizer))
        rate = shop.learning_rate(step.learning_rate, 0.2)
        record["recovery"] = [_distil_again(piece.model, shop, step.epochs, rate, "fewer tokens", 0)]
    return piece, record


def _prune(piece: Workpiece, step: PruneStep, shop: Workshop) -> tuple[Workpiece, Record]:
    model, record = piece.model, Record()
    if step.layers is not None:
        model, record["layers"] = drop_layers(model, step.layers, shop.lesson.validation())
    if step.hidden_dim is not None:
        model = narrow(model, piece.tokenizer, step.hidden_dim, max_length=shop.lesson.teacher.max_length)
    if step.embedding_dim is not None:
        model = reduce_embedding_dim(model, step.embedding_dim, _token_counts(shop))
    rate = shop.learning_rate(step.learning_rate, 0.5)
    budgeted = any(given is not None for given in (step.ratio, step.max_bytes, step.macs_ratio, step.latency_ratio))
    record["rounds"] = []
    first: Plan | None = None
    said: list[str] = []
    for number in range(step.rounds):
        done: Record = {}
        if budgeted:
            groups = find_groups(model, step.units)
            scores = importance(model, groups, step.importance, shop.calibration(), shop.loss)
            made = plan(
                model,
                groups,
                scores,
                step,
                rounds_left=step.rounds - number,
                first=first,
                latency_s=shop.median_latency_s if step.latency_ratio is not None else None,
            )
            first = first or made
            model = remove(model, made.kept)
            done["plan"] = made.as_dict()
            said.append(made.words())
            shop.progress.say(f"  {made.words()}")
        if step.epochs:
            what = f"pruned, round {number + 1} of {step.rounds}" if step.rounds > 1 else "pruned"
            done["recovery"] = _distil_again(model, shop, step.epochs, rate, what, number)
        record["rounds"].append(done)
        if not budgeted:
            break
    return Workpiece(model, piece.tokenizer), {**record, "words": " ".join(said)}


def _sparse(piece: Workpiece, step: SparseStep, shop: Workshop) -> tuple[Workpiece, Record]:
    def train(model: PreTrainedModel) -> Record:
        rate = shop.learning_rate(step.learning_rate, 0.5)
        return _distil_again(model, shop, step.epochs, rate, "sparse", 0)

    total_steps = step.epochs * -(-len(shop.lesson.texts_of(Arm.DISTILLED)) // shop.lesson.config.batch_size)
    model, record = sparsify(piece.model, step, train=train, total_steps=total_steps)
    shop.progress.say(f"  {record['words']}")
    return Workpiece(model, piece.tokenizer), record


def _qat(piece: Workpiece, step: QatStep, shop: Workshop) -> tuple[Workpiece, Record]:
    prepare(piece.model, per_channel=step.per_channel, flavour=shop.flavour, steps=step.steps)
    record = recover(
        piece.model,
        shop.lesson,
        learning_rate=shop.learning_rate(step.learning_rate, 0.2),
        work=shop.work / "qat",
        description=f"Training {shop.name} with int8 rounding",
        progress=shop.progress,
        steps=step.steps,
    )
    return piece, {"recovery": record}


def _distil_again(
    model: PreTrainedModel, shop: Workshop, epochs: int, learning_rate: float, what: str, number: int
) -> Record:
    return recover(
        model,
        shop.lesson,
        learning_rate=learning_rate,
        work=shop.work / f"round-{number}",
        description=f"Distilling {shop.name} again ({what})",
        progress=shop.progress,
        epochs=epochs,
    )


def _token_counts(shop: Workshop) -> Counter[int]:
    """Return how often each token occurs in the texts that the model learns from."""
    texts = shop.lesson.texts_of(Arm.DISTILLED)
    return Counter(chain.from_iterable(texts[row]["input_ids"] for row in range(len(texts))))


_HANDLERS: dict[type, Callable[[Workpiece, Any, Workshop], tuple[Workpiece, Record]]] = {
    VocabularyStep: _vocabulary,
    PruneStep: _prune,
    SparseStep: _sparse,
    QatStep: _qat,
}
