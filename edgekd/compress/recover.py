"""Distil a compressed model again: from the teacher's cached labels, with the model's own settings but slower."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from edgekd.goals import Schedule
from edgekd.proof import Arm
from edgekd.student.objective import DistillationObjective
from edgekd.training import train

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import PreTrainedModel

    from edgekd.progress import Progress
    from edgekd.student.lesson import Lesson

EVALUATIONS = 4  # an epoch: a short training should not miss its best moment


def _objective(model: PreTrainedModel, lesson: Lesson) -> DistillationObjective:
    """Return the loss that the model learned with, but for losses on inner representations: layers may be gone."""
    config = lesson.config.model_copy(update={"feature_losses": [], "feature_epochs": 0})
    return DistillationObjective(lesson.data.task.kind, config, student=model, teacher=None, sample=None)


def recover(
    model: PreTrainedModel,
    lesson: Lesson,
    *,
    learning_rate: float,
    work: Path,
    description: str,
    progress: Progress,
    epochs: int = 1,
    steps: int | None = None,
) -> dict[str, Any]:
    """Distil ``model`` in place; it ends with the weights that were best on validation.

    Args:
        model: fits the lesson's tokenizer.
        lesson: texts and what the teacher said of them.
        learning_rate: peak of the schedule.
        work: holds checkpoints; a killed run goes on from the last.
        description: what the progress bar says.
        progress: told where the work stands.
        epochs: over all texts.
        steps: instead of epochs, on a seeded sample of the texts.

    Returns:
        What happened, as plain JSON types.
    """
    config = lesson.config
    if steps is None:
        texts = lesson.texts_of(Arm.DISTILLED)
    else:
        texts, epochs = lesson.sample(steps * config.batch_size, config.seed), 1
    outcome = train(
        model,
        texts,
        lesson.validation(),
        objective=_objective(model, lesson),
        schedule=Schedule(
            epochs=epochs,
            learning_rate=learning_rate,
            batch_size=config.batch_size,
            warmup_ratio=config.warmup_ratio,
            weight_decay=config.weight_decay,
            patience=EVALUATIONS * epochs,
            seed=config.seed,
            evaluations_per_epoch=EVALUATIONS,
        ),
        work=work,
        description=description,
        progress=progress,
    )
    model.to("cpu").eval()
    return {"texts": len(texts), "learning_rate": learning_rate, **asdict(outcome)}
