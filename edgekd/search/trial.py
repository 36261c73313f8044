"""Train a student once, to see how its values do on validation; nothing is published and no test text is read."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from edgekd.config import StudentConfig
    from edgekd.desk import Desk
    from edgekd.labelling import Labeller
    from edgekd.progress import Progress


class TrainOnce(Protocol):
    """Trains a student to see how its values do."""

    def __call__(
        self, config: StudentConfig, *, work: Path, progress: Progress, on_score: Callable[[int, float], None]
    ) -> float:
        """Return the best score on validation.

        Args:
            config: the student.
            work: holds checkpoints, from which a trial that was cut off goes on.
            progress: told where the work stands.
            on_score: told each step and score; may raise to end the training.
        """


class OpenTrainer(Protocol):
    """Makes the material of a student's trials."""

    def __call__(self, config: StudentConfig, desks: Sequence[Desk], labellers: Sequence[Labeller]) -> TrainOnce:
        """Return what trains the student once."""


def open_trainer(config: StudentConfig, desks: Sequence[Desk], labellers: Sequence[Labeller]) -> TrainOnce:
    """Return what trains a student once; opens the teacher, labels what is not labelled yet, encodes all texts.

    Self-training is left out: its rounds come after what is searched here.
    """
    from edgekd.arms import make_lessons
    from edgekd.proof import Arm
    from edgekd.student.distill import train_student

    lessons = make_lessons(config, desks, labellers)
    for lesson in lessons:
        lesson.texts_of(Arm.DISTILLED)  # encodes the texts, once for all trials

    def train_once(
        config: StudentConfig, *, work: Path, progress: Progress, on_score: Callable[[int, float], None]
    ) -> float:
        gc.collect()  # the trainer before holds itself in a cycle, and with it weights and the optimizer's state
        plain = config.model_copy(update={"self_training": None})
        trained = train_student(
            Arm.DISTILLED,
            [lesson.with_config(plain) for lesson in lessons],
            seed=config.seed,
            steps=None,
            work=work,
            progress=progress,
            on_score=on_score,
        )
        return float(trained.record["training"]["best_validation_score"])

    return train_once


class TrialProgress:
    """Shows a training as one trial, with one line at its end instead of the training's own."""

    def __init__(self, progress: Progress, description: str) -> None:
        self.progress = progress
        self.description = description
        self.is_started = False

    def start(self, description: str, total: int | None) -> None:
        """Begin, under the trial's name."""
        self.is_started = True
        self.progress.start(self.description, total)

    def update(self, done: int, note: str = "") -> None:
        """Say how many steps are done."""
        self.progress.update(done, note)

    def finish(self, note: str = "") -> None:
        """Ignore: the line comes when the trial is recorded."""

    def say(self, message: str) -> None:
        """Say one line."""
        self.progress.say(message)

    def end(self, note: str) -> None:
        """End the trial; a training that had ended before a kill did not begin again."""
        if not self.is_started:
            self.start(self.description, None)
        self.progress.finish(note)
