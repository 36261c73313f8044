"""Train one arm of one student and publish it.

Data flow: Lesson (texts, true labels, teacher labels) + Arm + seed -> trained student -> a folder with ``train.json``
and the logits of every split; for the distilled arm also model and tokenizer.
"""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from safetensors.numpy import save_file

from edgekd.artifacts import publish_folder, write_json_atomic
from edgekd.goals import Schedule
from edgekd.proof import Arm
from edgekd.runfolder import PREDICTIONS_FILE, TRAIN_FILE
from edgekd.score_text import change_text, score_text
from edgekd.scoring import in_words, score_model
from edgekd.student.base import count_parameters, start_at_priors
from edgekd.student.heads import HeadsObjective, HeadTexts, layout, only, widen
from edgekd.student.kinds import build_student
from edgekd.student.objective import DistillationObjective, LabelObjective
from edgekd.student.self_training import self_train
from edgekd.training import train, writing_to

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from transformers import PreTrainedModel

    from edgekd.config import StudentConfig
    from edgekd.goals import Objective, OnScore, Validation
    from edgekd.progress import Progress
    from edgekd.student.heads import Head
    from edgekd.student.lesson import Lesson

MAX_CONTROL_EPOCHS = 30
SAMPLE_TEXTS = 64  # for the automatic layer mapping


def train_arm(
    arm: Arm,
    lessons: Sequence[Lesson],
    *,
    seed: int,
    steps: int | None,
    targets: Sequence[Path],
    work: Path,
    progress: Progress,
    on_score: OnScore | None = None,
) -> None:
    """Train a student from its start and publish it, with ``train.json``.

    Args:
        arm: distilled, or one of the controls. A control may take as many steps as the distilled student, up to 30
            epochs, and keeps the weights that were best on validation, so that a gain of the teacher is no artefact of
            a short control run.
        lessons: the material; more than one for a student with a head for each task.
        seed: of the weights and the order of the texts.
        steps: for controls: what the distilled student took.
        targets: where it is published, one folder a lesson.
        work: holds checkpoints; removed at the end.
        progress: told where the work stands.
        on_score: told the step and the score of each evaluation; may raise to end the training.
    """
    trained = train_student(arm, lessons, seed=seed, steps=steps, work=work, progress=progress, on_score=on_score)
    for lesson, head, target in zip(lessons, trained.heads, targets, strict=True):
        model = trained.model if len(lessons) == 1 else only(trained.model, head)
        _publish(arm, lesson, model, trained.record, target)
    shutil.rmtree(work, ignore_errors=True)


@dataclass(frozen=True)
class TrainedModel:
    """A student after training, not published yet."""

    model: PreTrainedModel
    heads: list[Head]
    record: dict[str, Any]  # what train.json says about the training


def train_student(
    arm: Arm,
    lessons: Sequence[Lesson],
    *,
    seed: int,
    steps: int | None,
    work: Path,
    progress: Progress,
    on_score: OnScore | None = None,
) -> TrainedModel:
    """Train a student and return it; see :func:`train_arm`."""
    first = lessons[0]
    config = first.config.model_copy(update={"seed": seed})
    model = build_student(config, first.teacher, first.tokenizer if config.vocabulary else None)
    heads = layout([lesson.data.task for lesson in lessons])
    texts = [lesson.texts_of(arm) for lesson in lessons]
    if len(lessons) > 1:
        widen(model, heads)
    for lesson, head in zip(lessons, heads, strict=True):
        start_at_priors(model, lesson.data.task, lesson.data.train.targets, head.start)
    objectives = [_objective(arm, lesson, model) for lesson in lessons]
    objective: Objective = objectives[0] if len(lessons) == 1 else HeadsObjective(heads, objectives)
    train_set = texts[0] if len(lessons) == 1 else HeadTexts(texts)
    schedule = _schedule(arm, config, len(train_set), steps)
    outcome = train(
        model,
        train_set,
        _validation(lessons, heads),
        objective=objective,
        schedule=schedule,
        work=work / "training",
        description=f"{_DESCRIPTIONS[arm].format(config.label)}{f', seed {seed}' if seed else ''}",
        progress=progress,
        on_score=on_score,
    )
    record: dict[str, Any] = {
        "arm": arm.value,
        "seed": seed,
        "parameters": count_parameters(model),
        "texts": len(train_set),
        "objective": objective.describe(),
        "training": asdict(outcome),
    }
    if arm is Arm.DISTILLED and config.self_training is not None:
        record["self_training"] = _self_train(model, first, config, schedule, work, progress)
    return TrainedModel(model, heads, record)


def _publish(arm: Arm, lesson: Lesson, model: PreTrainedModel, record: dict[str, Any], target: Path) -> None:
    scored = score_model(model, lesson.tokenizer, lesson.data, max_length=lesson.teacher.max_length)
    with writing_to(target), publish_folder(target) as folder:
        if arm is Arm.DISTILLED:
            model.save_pretrained(folder)
            lesson.tokenizer.save_pretrained(folder)
        save_file(scored.logits, folder / PREDICTIONS_FILE)
        write_json_atomic(folder / TRAIN_FILE, {**record, **scored.as_dict()})


def _validation(lessons: Sequence[Lesson], heads: Sequence[Head]) -> Validation:
    """Return the score that decides: of the task, or the mean over the tasks."""
    if len(lessons) == 1:
        return lessons[0].validation()
    parts = [lesson.validation(slice(head.start, head.stop)) for lesson, head in zip(lessons, heads, strict=True)]
    return lambda model: sum(part(model) for part in parts) / len(parts)


_DESCRIPTIONS = {
    Arm.DISTILLED: "Distilling {}",
    Arm.CONTROL: "Control for {} (no teacher)",
    Arm.TRANSFER_CONTROL: "Control for {} (teacher's choices only)",
}


def _objective(arm: Arm, lesson: Lesson, model: PreTrainedModel) -> Objective:
    task, config = lesson.data.task, lesson.config
    if arm is not Arm.DISTILLED:
        return LabelObjective(task.kind, config.label_smoothing)
    sample = None
    if config.feature_losses:
        few = lesson.texts_of(Arm.CONTROL)
        rows = list(range(0, len(few), max(1, len(few) // SAMPLE_TEXTS)))[:SAMPLE_TEXTS]
        sample = few.batch(rows, model.config.pad_token_id or 0)
    return DistillationObjective(
        task.kind,
        config,
        student=model,
        teacher=lesson.labeller.model if config.feature_losses else None,
        sample=sample,
    )


def _schedule(arm: Arm, config: StudentConfig, texts: int, steps: int | None) -> Schedule:
    epochs, patience, feature_epochs = config.epochs, config.patience, config.feature_epochs
    if arm is Arm.CONTROL:
        equal_steps = max(1, round((steps or 0) / -(-texts // config.batch_size)))
        epochs = config.control_epochs or min(equal_steps, MAX_CONTROL_EPOCHS)
        patience = max(5, patience)
    return Schedule(
        epochs=epochs,
        learning_rate=config.learning_rate,
        batch_size=config.batch_size,
        warmup_ratio=config.warmup_ratio,
        weight_decay=config.weight_decay,
        patience=patience,
        seed=config.seed,
        average=config.average,
        feature_epochs=feature_epochs if arm is Arm.DISTILLED else 0,
    )


def _self_train(
    model: PreTrainedModel, lesson: Lesson, config: StudentConfig, schedule: Schedule, work: Path, progress: Progress
) -> dict[str, Any]:
    """Run the rounds; return them with the test scores before and after, told plainly."""
    assert config.self_training is not None
    task, length = lesson.data.task, lesson.teacher.max_length
    before = score_model(model, lesson.tokenizer, lesson.data, max_length=length).scores["test"]
    schedule = replace(schedule, feature_epochs=0)
    rounds = self_train(model, lesson, config.self_training, schedule, work=work, progress=progress)
    after = score_model(model, lesson.tokenizer, lesson.data, max_length=length).scores["test"]
    metric = task.main_metric
    gain = change_text(metric, after[metric] - before[metric])
    words = f"self-training: {in_words(task, before)} before, {score_text(metric, after[metric])} after ({gain})"
    if not rounds:
        words = f"self-training found no text it was sure of ({in_words(task, before)})"
    elif not any(item["kept"] for item in rounds):
        words = f"self-training did not help on validation and was undone ({in_words(task, before)})"
    progress.say(f"  {words}")
    return {"rounds": rounds, "test_before": before, "test_after": after, "words": words}
