"""One training loop for teachers, students and controls: ``transformers.Trainer`` with our loss and our data.

Data flow: encoded texts (+ labels, + teacher logits) -> Trainer -> the model that was best on validation.
A killed run goes on from its last complete checkpoint.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from transformers import EarlyStoppingCallback, PrinterCallback, Trainer, TrainerCallback, TrainingArguments
from transformers.utils import logging as transformers_logging

from edgekd.batches import EncodedTexts, PadToLongest
from edgekd.student.losses import IGNORE_INDEX, distillation_loss

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from transformers import PreTrainedModel

    from edgekd.config import LossKind
    from edgekd.progress import Progress

CHECKPOINT_FILES = ("trainer_state.json", "model.safetensors", "optimizer.pt", "scheduler.pt")


@contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Turn what safetensors and torch raise when a disk is full or read-only into the OSError behind it."""
    try:
        yield
    except SafetensorError as error:
        number = re.search(r"os error (\d+)", str(error))
        if number is None:
            raise
        code = int(number.group(1))
        raise OSError(code, os.strerror(code), str(folder)) from error
    except RuntimeError as error:
        if "PytorchStreamWriter" not in str(error) and "inline_container" not in str(error):
            raise
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder)) from error


@dataclass(frozen=True)
class Objective:
    """The loss: ``alpha * CE(student, y) + beta * L_teacher``. Without teacher logits it is the cross entropy."""

    kind: LossKind = "soft"
    alpha: float = 0.1
    beta: float = 0.9
    temperature: float = 2.0


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train."""

    epochs: int
    learning_rate: float
    batch_size: int
    warmup_ratio: float
    weight_decay: float
    patience: int  # evaluations without improvement before stopping
    seed: int
    evaluations_per_epoch: int = 1


@dataclass(frozen=True)
class TrainingOutcome:
    """What a training run did."""

    best_validation_accuracy: float
    steps: int
    epochs: float
    duration_s: float  # of this process; less than the whole when the run was resumed
    resumed_from_step: int


class DistillationTrainer(Trainer):
    """Trainer whose loss mixes true labels and precomputed teacher logits."""

    def __init__(self, *args: Any, objective: Objective, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.objective = objective

    def compute_loss(
        self, model: PreTrainedModel, inputs: dict[str, Any], return_outputs: bool = False, **_: Any
    ) -> Any:
        """Return the loss of one batch."""
        inputs = dict(inputs)
        teacher_logits = inputs.pop("teacher_logits", None)
        labels = inputs.pop("labels")
        outputs = model(**inputs)
        if teacher_logits is None:
            loss = torch.nn.functional.cross_entropy(outputs.logits, labels, ignore_index=IGNORE_INDEX)
        else:
            goal = self.objective
            loss = distillation_loss(
                outputs.logits,
                labels,
                teacher_logits,
                kind=goal.kind,
                alpha=goal.alpha,
                beta=goal.beta,
                temperature=goal.temperature,
            )
        return (loss, outputs) if return_outputs else loss


class _ShowProgress(TrainerCallback):
    def __init__(self, progress: Progress, description: str) -> None:
        self.progress, self.description, self.note = progress, description, ""

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.progress.start(self.description, state.max_steps)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.progress.update(state.global_step, self.note)

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: dict[str, float], **_: Any) -> None:
        self.note = f"validation accuracy {metrics['eval_accuracy']:.3f}"

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.progress.finish(f"best validation accuracy {state.best_metric or 0:.3f}")


def _accuracy(prediction: Any) -> dict[str, float]:
    return {"accuracy": float((prediction.predictions.argmax(axis=-1) == prediction.label_ids).mean())}


def last_complete_checkpoint(work: Path) -> Path | None:
    """Return the newest checkpoint that was written to its end; half-written ones are removed."""
    found = sorted(work.glob("checkpoint-*"), key=lambda p: int(p.name.rpartition("-")[2]), reverse=True)
    for folder in found:
        try:
            complete = all((folder / name).is_file() for name in CHECKPOINT_FILES)
            json.loads((folder / CHECKPOINT_FILES[0]).read_text(encoding="utf-8"))
        except (OSError, json.JSONDecodeError):
            complete = False
        if complete:
            return folder
        shutil.rmtree(folder)
    return None


def train(
    model: PreTrainedModel,
    train_set: EncodedTexts,
    validation_set: EncodedTexts,
    *,
    objective: Objective,
    schedule: Schedule,
    work: Path,
    description: str,
    progress: Progress,
) -> TrainingOutcome:
    """Train in place, leaving ``model`` with the weights that were best on validation.

    Checkpoints go to ``work``; when it holds a complete one, training goes on from there. A GPU is used when there is
    one, in bf16 where it supports that.
    """
    transformers_logging.set_verbosity_error()
    cuda = torch.cuda.is_available()
    steps_per_epoch = -(-len(train_set) // schedule.batch_size)
    every = max(1, steps_per_epoch // schedule.evaluations_per_epoch)
    checkpoint = last_complete_checkpoint(work)
    arguments = TrainingArguments(
        output_dir=str(work),
        num_train_epochs=schedule.epochs,
        learning_rate=schedule.learning_rate,
        per_device_train_batch_size=schedule.batch_size,
        per_device_eval_batch_size=max(64, schedule.batch_size),
        warmup_steps=int(schedule.warmup_ratio * steps_per_epoch * schedule.epochs),
        weight_decay=schedule.weight_decay,
        lr_scheduler_type="linear",
        eval_strategy="steps",
        save_strategy="steps",
        eval_steps=every,
        save_steps=every,
        save_total_limit=1,
        load_best_model_at_end=True,
        metric_for_best_model="accuracy",
        greater_is_better=True,
        train_sampling_strategy="group_by_length",
        remove_unused_columns=False,
        label_names=["labels"],
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
        seed=schedule.seed,
        use_cpu=not cuda,
        bf16=cuda and torch.cuda.is_bf16_supported(),
        dataloader_pin_memory=cuda,
    )
    trainer = DistillationTrainer(
        model=model,
        args=arguments,
        objective=objective,
        train_dataset=train_set,
        eval_dataset=validation_set,
        data_collator=PadToLongest(model.config.pad_token_id or 0),
        compute_metrics=_accuracy,
        callbacks=[
            _ShowProgress(progress, description),
            EarlyStoppingCallback(early_stopping_patience=schedule.patience),
        ],
    )
    trainer.remove_callback(PrinterCallback)
    started = time.monotonic()
    with writing_to(work):
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    state = trainer.state
    return TrainingOutcome(
        best_validation_accuracy=float(state.best_metric or 0.0),
        steps=int(state.global_step),
        epochs=float(state.epoch or 0.0),
        duration_s=time.monotonic() - started,
        resumed_from_step=int(checkpoint.name.rpartition("-")[2]) if checkpoint else 0,
    )
