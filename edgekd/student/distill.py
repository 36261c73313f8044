"""Distil one student: with the teacher's labels, and once without them as the control.

Data flow: TextData + transfer texts + teacher logits + StudentConfig -> a published model folder with ``train.json``.
"""

from __future__ import annotations

import random
import shutil
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekd.analysis.scores import classification_scores
from edgekd.artifacts import publish_folder, write_json_atomic
from edgekd.batches import EncodedTexts, predict_logits
from edgekd.runfolder import TRAIN_FILE
from edgekd.student.base import count_parameters
from edgekd.student.kinds import build_student
from edgekd.student.losses import IGNORE_INDEX
from edgekd.teacher.load import encode
from edgekd.training import Objective, Schedule, train, writing_to

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import PreTrainedModel

    from edgekd.config import StudentConfig
    from edgekd.data.types import Examples, TextData
    from edgekd.progress import Progress
    from edgekd.teacher.load import Teacher

MAX_CONTROL_EPOCHS = 30


@dataclass(frozen=True)
class TransferSet:
    """What the teacher said: logits of the training texts, and further texts with theirs."""

    train_logits: np.ndarray[Any, Any]  # (training texts, num_labels)
    texts: list[str]
    logits: np.ndarray[Any, Any]  # (len(texts), num_labels)


def _schedule(config: StudentConfig, epochs: int, patience: int) -> Schedule:
    return Schedule(
        epochs=epochs,
        learning_rate=config.learning_rate,
        batch_size=config.batch_size,
        warmup_ratio=config.warmup_ratio,
        weight_decay=config.weight_decay,
        patience=patience,
        seed=config.seed,
    )


def _score(model: PreTrainedModel, teacher: Teacher, examples: Examples) -> dict[str, Any]:
    ids = encode(teacher.tokenizer, examples.texts, teacher.max_length)
    logits = predict_logits(model, ids, pad_token_id=teacher.tokenizer.pad_token_id or 0)
    predictions = logits.argmax(axis=1).tolist()
    return classification_scores(examples.targets, predictions, teacher.labels)


def transfer_rows(config: StudentConfig, available: int) -> list[int]:
    """Return which transfer texts this student uses: all, or a seeded sample of ``max_transfer``."""
    if config.max_transfer is None or config.max_transfer >= available:
        return list(range(available))
    return sorted(random.Random(config.seed).sample(range(available), config.max_transfer))  # noqa: S311


def distil(
    config: StudentConfig,
    teacher: Teacher,
    data: TextData,
    transfer: TransferSet,
    *,
    target: Path,
    work: Path,
    progress: Progress,
) -> dict[str, Any]:
    """Train a student from the teacher's labels and publish it at ``target``; return what ``train.json`` holds."""
    rows = transfer_rows(config, len(transfer.texts))
    texts = [*data.train.texts, *(transfer.texts[row] for row in rows)]
    train_set = EncodedTexts(
        encode(teacher.tokenizer, texts, teacher.max_length),
        [*data.train.targets, *[IGNORE_INDEX] * len(rows)],
        np.concatenate([transfer.train_logits, transfer.logits[rows]]),
    )
    objective = Objective(config.loss, config.alpha, config.beta, config.temperature)
    return _train_and_publish(
        config, teacher, data, train_set, objective, _schedule(config, config.epochs, config.patience),
        target=target, work=work, description=f"Distilling {config.label}", progress=progress,
    )  # fmt: skip


def train_control(
    config: StudentConfig,
    teacher: Teacher,
    data: TextData,
    *,
    distilled_steps: int,
    target: Path,
    work: Path,
    progress: Progress,
) -> dict[str, Any]:
    """Train the same student, from the same start, on the true labels alone, and publish it at ``target``.

    It sees only the labelled training texts (nobody else could label the transfer texts). It may take as many steps as
    the distilled student took, up to 30 epochs, and keeps the weights that were best on validation, so a small gain of
    the teacher is not an artefact of a short control run.
    """
    train_set = EncodedTexts(encode(teacher.tokenizer, data.train.texts, teacher.max_length), data.train.targets)
    steps_per_epoch = -(-len(train_set) // config.batch_size)
    equal_steps = max(1, round(distilled_steps / steps_per_epoch))
    epochs = config.control_epochs or min(equal_steps, MAX_CONTROL_EPOCHS)
    return _train_and_publish(
        config, teacher, data, train_set, Objective(), _schedule(config, epochs, max(5, config.patience)),
        target=target, work=work, description=f"Control for {config.label} (no teacher)", progress=progress,
    )  # fmt: skip


def _train_and_publish(
    config: StudentConfig,
    teacher: Teacher,
    data: TextData,
    train_set: EncodedTexts,
    objective: Objective,
    schedule: Schedule,
    *,
    target: Path,
    work: Path,
    description: str,
    progress: Progress,
) -> dict[str, Any]:
    model = build_student(config, teacher.model)
    validation_set = EncodedTexts(
        encode(teacher.tokenizer, data.validation.texts, teacher.max_length), data.validation.targets
    )
    outcome = train(
        model,
        train_set,
        validation_set,
        objective=objective,
        schedule=schedule,
        work=work,
        description=description,
        progress=progress,
    )
    record = {
        "parameters": count_parameters(model),
        "texts": len(train_set),
        "training": asdict(outcome),
        "validation": _score(model, teacher, data.validation),
        "test": _score(model, teacher, data.test),
    }
    with writing_to(target), publish_folder(target) as folder:
        model.save_pretrained(folder)
        teacher.tokenizer.save_pretrained(folder)
        write_json_atomic(folder / TRAIN_FILE, record)
    shutil.rmtree(work, ignore_errors=True)
    return record
