"""Fine-tune an encoder into a teacher.

Data flow: TextData + TeacherConfig -> checkpoints in a work folder -> a published Hugging Face folder with metrics.
"""

from __future__ import annotations

import shutil
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from edgekd.artifacts import publish_folder, write_json_atomic
from edgekd.analysis.scores import classification_scores
from edgekd.runfolder import METRICS_FILE
from edgekd.teacher.load import Teacher, check_labels, encode, load_classifier, load_for_training
from edgekd.training import EncodedTexts, Objective, Schedule, predict_logits, train, writing_to

if TYPE_CHECKING:
    from pathlib import Path

    from edgekd.config import TeacherConfig
    from edgekd.data.types import Examples, TextData
    from edgekd.progress import Progress


def score(teacher: Teacher, examples: Examples) -> dict[str, Any]:
    """Return accuracy, precision, recall and F1 (macro and per class) of a classifier on labelled texts."""
    ids = encode(teacher.tokenizer, examples.texts, teacher.max_length)
    logits = predict_logits(teacher.model, ids, pad_token_id=teacher.tokenizer.pad_token_id or 0)
    predictions = logits.argmax(axis=1).tolist()
    return classification_scores(examples.targets, predictions, teacher.labels)


def publish(teacher: Teacher, metrics: dict[str, Any], target: Path) -> None:
    """Save model, tokenizer and metrics as one Hugging Face folder that appears whole."""
    with writing_to(target), publish_folder(target) as folder:
        teacher.model.save_pretrained(folder)
        teacher.tokenizer.save_pretrained(folder)
        write_json_atomic(folder / METRICS_FILE, metrics)


def fine_tune(data: TextData, config: TeacherConfig, target: Path, work: Path, progress: Progress) -> Teacher:
    """Fine-tune ``config.model`` on the data and publish it at ``target``.

    The weights that were best on validation are kept. ``work`` holds checkpoints and is removed at the end.
    """
    teacher = load_for_training(config, data.task, progress)
    sets = [
        EncodedTexts(encode(teacher.tokenizer, part.texts, teacher.max_length), part.targets)
        for part in (data.train, data.validation)
    ]
    outcome = train(
        teacher.model,
        *sets,
        objective=Objective(),
        schedule=Schedule(
            epochs=config.epochs,
            learning_rate=config.learning_rate,
            batch_size=config.batch_size,
            warmup_ratio=config.warmup_ratio,
            weight_decay=config.weight_decay,
            patience=config.patience,
            seed=config.seed,
            evaluations_per_epoch=2,
        ),
        work=work,
        description="Fine-tuning the teacher",
        progress=progress,
    )
    progress.start("Scoring the teacher", None)
    metrics = {
        "validation": score(teacher, data.validation),
        "test": score(teacher, data.test),
        "training": asdict(outcome),
        "parameters": sum(p.numel() for p in teacher.model.parameters()),
        "max_length": teacher.max_length,
        "data": data.name,
    }
    publish(teacher, metrics, target)
    progress.finish(f"test accuracy {metrics['test']['accuracy']:.3f}")
    shutil.rmtree(work, ignore_errors=True)
    return teacher


def adopt(data: TextData, config: TeacherConfig, target: Path, progress: Progress) -> Teacher:
    """Take an existing classifier as the teacher: check its labels, score it, and publish a copy at ``target``.

    Raises:
        DataError: when it predicts other labels than the data has.
    """
    teacher = load_classifier(config.model, config.max_length, progress)
    check_labels(teacher, data.task, config.model)
    progress.start("Scoring the teacher", None)
    metrics = {
        "validation": score(teacher, data.validation),
        "test": score(teacher, data.test),
        "parameters": sum(p.numel() for p in teacher.model.parameters()),
        "max_length": teacher.max_length,
        "data": data.name,
    }
    publish(teacher, metrics, target)
    progress.finish(f"test accuracy {metrics['test']['accuracy']:.3f}")
    return teacher
