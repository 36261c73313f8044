"""One training loop for teachers, students and controls: ``transformers.Trainer`` with our loss and our data.

Data flow: encoded texts (+ labels, + teacher logits) and an objective -> Trainer -> the model that was best on
validation. A killed run goes on from its last complete checkpoint.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers import PrinterCallback, TrainingArguments
from transformers.utils import logging as transformers_logging

from edgekd import units
from edgekd.artifacts import read_json, write_json_atomic
from edgekd.trainer import BEST_FILE, EXTRAS_FILE, DistillationTrainer, callbacks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from transformers import PreTrainedModel

    from edgekd.batches import EncodedTexts
    from edgekd.goals import Objective, OnScore, Schedule, Validation
    from edgekd.progress import Progress

CHECKPOINT_FILES = ("trainer_state.json", "model.safetensors", "optimizer.pt", "scheduler.pt", EXTRAS_FILE)
DONE_FILE = "outcome.json"  # written when the training has ended


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
class TrainingOutcome:
    """What a training run did."""

    best_validation_score: float  # accuracy, mean average precision or Pearson, by task
    validation_scores: list[float]  # after each evaluation
    steps: int
    epochs: float
    duration_s: float  # of this process; less than the whole when the run was resumed
    resumed_from_step: int
    timing: dict[str, float]  # seconds of this process by part, and the share that is computing (edgekd.step_timer)


def last_complete_checkpoint(work: Path) -> Path | None:
    """Return the newest checkpoint that was written to its end; half-written ones are removed."""
    found = sorted(work.glob("checkpoint-*"), key=lambda p: int(p.name.rpartition("-")[2]), reverse=True)
    for folder in found:
        try:
            complete = all((folder / name).is_file() for name in CHECKPOINT_FILES)
            json.loads((folder / CHECKPOINT_FILES[0]).read_text(encoding="utf-8"))
        except (OSError, json.JSONDecodeError):
            complete = False
        if complete and (work / BEST_FILE).is_file():
            return folder
        shutil.rmtree(folder)
    return None


def train(
    model: PreTrainedModel,
    train_set: EncodedTexts,
    validation: Validation,
    *,
    objective: Objective,
    schedule: Schedule,
    work: Path,
    description: str,
    progress: Progress,
    on_score: OnScore | None = None,
) -> TrainingOutcome:
    """Train in place, leaving ``model`` with the weights that were best on validation.

    Checkpoints go to ``work``; when it holds a complete one, training goes on from there. A GPU is used when there is
    one. Matrix products are in bf16 where that is faster (see :func:`has_fast_bf16`).

    Args:
        model: on its way out on the device it was trained on.
        train_set: the texts to learn from.
        validation: decides which weights are kept.
        objective: the loss; its own parameters are trained too.
        schedule: how long and how fast.
        work: holds checkpoints, and the outcome when the training has ended.
        description: what the progress bar says.
        progress: told where the work stands.
        on_score: told the step and the score of each evaluation; may raise to end the training.
    """
    if (work / DONE_FILE).is_file():
        model.load_state_dict(load_file(work / BEST_FILE))
        return TrainingOutcome(**read_json(work / DONE_FILE))
    transformers_logging.set_verbosity_error()
    cuda = torch.cuda.is_available()
    epochs = schedule.epochs + schedule.feature_epochs
    steps_per_epoch = -(-len(train_set) // schedule.batch_size)
    every = max(1, steps_per_epoch // schedule.evaluations_per_epoch)
    checkpoint = last_complete_checkpoint(work)
    arguments = TrainingArguments(
        output_dir=str(work),
        num_train_epochs=epochs,
        learning_rate=schedule.learning_rate,
        per_device_train_batch_size=schedule.batch_size,
        warmup_steps=int(schedule.warmup_ratio * steps_per_epoch * epochs),
        weight_decay=schedule.weight_decay,
        lr_scheduler_type="linear",
        eval_strategy="steps",
        save_strategy="steps",
        eval_steps=every,
        save_steps=every,
        save_total_limit=1,
        metric_for_best_model="score",
        greater_is_better=True,
        remove_unused_columns=False,
        label_names=["labels"],
        logging_strategy="no",
        logging_nan_inf_filter=False,
        report_to="none",
        disable_tqdm=True,
        seed=schedule.seed,
        use_cpu=not cuda,
        dataloader_pin_memory=cuda,
    )
    trainer = DistillationTrainer(
        model=model,
        args=arguments,
        objective=objective,
        schedule=schedule,
        validation=validation,
        on_score=on_score,
        train_dataset=train_set,
        eval_dataset=train_set,  # the Trainer wants one; evaluate() does not look at it
    )
    for callback in callbacks(trainer, progress, description):
        trainer.add_callback(callback)
    trainer.remove_callback(PrinterCallback)
    if checkpoint is not None:
        trainer.load_extras(checkpoint)
    started = time.monotonic()
    trainer.timer.start()
    with writing_to(work):
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    trainer.timer.stop()
    timing = trainer.timer.report()
    share = (
        f", {units.rough_percent(timing['computing_share'])} of the steps' time computing"
        if trainer.state.global_step
        else ""
    )
    progress.finish(f"best on validation {units.probability(trainer.state.best_metric or 0)}{share}")
    model.load_state_dict(load_file(work / BEST_FILE))
    state = trainer.state
    outcome = TrainingOutcome(
        best_validation_score=float(state.best_metric or 0.0),
        validation_scores=trainer.scores,
        steps=int(state.global_step),
        epochs=float(state.epoch or 0.0),
        duration_s=time.monotonic() - started,
        resumed_from_step=int(checkpoint.name.rpartition("-")[2]) if checkpoint else 0,
        timing=timing,
    )
    write_json_atomic(work / DONE_FILE, asdict(outcome))
    for folder in work.glob("checkpoint-*"):
        shutil.rmtree(folder)
    return outcome
