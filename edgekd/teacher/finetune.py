"""Fine-tune an encoder into a teacher.

Data flow: TextData + TeacherConfig -> checkpoints in a work folder -> a published Hugging Face folder with metrics.
"""

from __future__ import annotations

import shutil
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import torch

from edgekd.artifacts import publish_folder, write_json_atomic
from edgekd.batches import EncodedTexts
from edgekd.goals import Schedule, ValidationTexts
from edgekd.runfolder import METRICS_FILE
from edgekd.scoring import in_words, score_model
from edgekd.student.base import count_parameters, start_at_priors
from edgekd.student.objective import LabelObjective
from edgekd.teacher.load import Teacher, check_labels, encode, load_classifier, load_for_training
from edgekd.training import train, writing_to

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from transformers import PreTrainedModel

    from edgekd.config import TeacherConfig
    from edgekd.data.types import TextData
    from edgekd.progress import Progress


def score(teacher: Teacher, data: TextData) -> dict[str, Any]:
    """Return calibration and scores of a classifier on validation, test and further data."""
    return score_model(teacher.model, teacher.tokenizer, data, max_length=teacher.max_length).as_dict()


def publish(teacher: Teacher, metrics: dict[str, Any], target: Path) -> None:
    """Save model, tokenizer and metrics as one Hugging Face folder that appears whole."""
    with writing_to(target), publish_folder(target) as folder:
        teacher.model.save_pretrained(folder)
        teacher.tokenizer.save_pretrained(folder)
        write_json_atomic(folder / METRICS_FILE, metrics)


def fine_tune(data: TextData, config: TeacherConfig, target: Path, work: Path, progress: Progress) -> Teacher:
    """Fine-tune ``config.model`` on the data and publish it at ``target``.

    The weights that were best on validation are kept. With ``config.runs`` above 1 the runs start from the same weights
    with other orders of the texts, and the best combination on validation of their weights is published.
    ``work`` holds checkpoints and is removed at the end.
    """
    teacher = load_for_training(config, data.task, progress)
    start_at_priors(teacher.model, data.task, data.train.targets)
    train_set, validation = _material(teacher, data)
    start = {name: tensor.clone() for name, tensor in teacher.model.state_dict().items()}
    outcomes, weights = [], []
    for number in range(config.runs):
        teacher.model.load_state_dict(start)
        outcome = train(
            teacher.model,
            train_set,
            validation,
            objective=LabelObjective(data.task.kind),
            schedule=_schedule(config, number),
            work=work / f"run-{number}",
            description="Fine-tuning the teacher" + (f", run {number + 1} of {config.runs}" if config.runs > 1 else ""),
            progress=progress,
        )
        outcomes.append(asdict(outcome))
        weights.append({name: tensor.cpu().clone() for name, tensor in teacher.model.state_dict().items()})
    progress.start("Scoring the teacher", None)
    scores = [outcome["best_validation_score"] for outcome in outcomes]
    averaged = average_greedily(
        teacher.model,
        weights,
        scores,
        lambda: validation(teacher.model),
    )
    metrics = {
        **score(teacher, data),
        "training": outcomes,
        "averaged_runs": averaged,
        **_facts(teacher, data),
    }
    publish(teacher, metrics, target)
    progress.finish(in_words(data.task, metrics["test"]))
    shutil.rmtree(work, ignore_errors=True)
    return teacher


def _material(teacher: Teacher, data: TextData) -> tuple[EncodedTexts, ValidationTexts]:
    train_ids, validation_ids = (
        encode(teacher.tokenizer, part.texts, teacher.max_length) for part in (data.train, data.validation)
    )
    train_set = EncodedTexts(train_ids, data.train.targets, task=data.task.kind, num_labels=data.task.num_outputs)
    return train_set, ValidationTexts(data.task, validation_ids, data.validation.targets)


def _schedule(config: TeacherConfig, number: int) -> Schedule:
    return Schedule(
        epochs=config.epochs,
        learning_rate=config.learning_rate,
        batch_size=config.batch_size,
        warmup_ratio=config.warmup_ratio,
        weight_decay=config.weight_decay,
        patience=config.patience,
        seed=config.seed + number,
        evaluations_per_epoch=2,
    )


def average_greedily(
    model: PreTrainedModel,
    weights: Sequence[Mapping[str, torch.Tensor]],
    scores: Sequence[float],
    validate: Callable[[], float],
) -> list[int]:
    """Load the greedy average of several fine-tunings into ``model`` and return which runs are in it.

    Runs are tried from the best to the worst on validation; one joins the average when that does not lower the
    validation score (greedy soup: Wortsman et al. 2022, arXiv 2203.05482).
    """
    order = sorted(range(len(weights)), key=lambda run: -scores[run])
    chosen, best = [order[0]], scores[order[0]]
    for run in order[1:]:
        model.load_state_dict(_mean([weights[i] for i in (*chosen, run)]))
        score = validate()
        if score >= best:
            chosen, best = [*chosen, run], score
    model.load_state_dict(_mean([weights[i] for i in chosen]))
    return sorted(chosen)


def _mean(states: Sequence[Mapping[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """Return the mean of each floating-point tensor; others are equal in all states."""
    first = states[0]
    return {
        name: torch.stack([state[name] for state in states]).mean(dim=0) if tensor.is_floating_point() else tensor
        for name, tensor in first.items()
    }


def _facts(teacher: Teacher, data: TextData) -> dict[str, Any]:
    return {"parameters": count_parameters(teacher.model), "max_length": teacher.max_length, "data": data.name}


def adopt(data: TextData, config: TeacherConfig, target: Path, progress: Progress) -> Teacher:
    """Take an existing classifier as the teacher: check its labels, score it, and publish a copy at ``target``.

    Raises:
        DataError: when it predicts other labels than the data has.
    """
    teacher = load_classifier(config.model, config.max_length, progress)
    check_labels(teacher, data.task, config.model)
    progress.start("Scoring the teacher", None)
    metrics = {
        **score(teacher, data),
        **_facts(teacher, data),
    }
    publish(teacher, metrics, target)
    progress.finish(in_words(data.task, metrics["test"]))
    return teacher
