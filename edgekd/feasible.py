"""What a recipe asks for that cannot work together: told before anything is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd.errors import ConfigError
from edgekd.student.loss_rules import check_losses
from edgekd.student.names import check_kind
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from edgekd.config import Recipe, StudentConfig


def check_students(recipe: Recipe) -> None:
    """Refuse combinations that no student, task or loss can have.

    Raises:
        ConfigError: naming the keys and what is allowed.
    """
    task = recipe.data.task
    if task is not TaskKind.SINGLE_LABEL and (recipe.transfer.min_confidence or recipe.transfer.class_balance):
        raise ConfigError(
            f"transfer.min_confidence and transfer.class_balance need a single-label task, not {task.value}."
        )
    for config in recipe.students:
        check_kind(config.kind)
        check_losses(task, config)
        if config.self_training is not None and task is not TaskKind.SINGLE_LABEL:
            raise ConfigError(f"Student '{config.label}': self_training needs a single-label task, not {task.value}.")
        if recipe.more_tasks:
            _check_heads(config)
        _check_assistant(config, recipe)


def _check_heads(config: StudentConfig) -> None:
    """Refuse what a student with several heads cannot have."""
    given = {
        "teacher": config.teacher is not None,
        "self_training": config.self_training is not None,
        "feature_losses": bool(config.feature_losses),
    }
    wrong = [name for name, is_given in given.items() if is_given]
    if config.kind == "linear":
        wrong.append("kind: linear")
    if wrong:
        raise ConfigError(
            f"Student '{config.label}': {', '.join(wrong)} cannot be used together with more_tasks.",
            hint="Remove it, or distil the tasks in runs of their own.",
        )


def _check_assistant(config: StudentConfig, recipe: Recipe) -> None:
    """Refuse feature losses on an assistant whose tokens are others than the student's."""
    assistant = next((student for student in recipe.students if student.label == config.teacher), None)
    if assistant is not None and assistant.vocabulary is not None and config.feature_losses:
        raise ConfigError(
            f"Student '{config.label}': feature_losses compare tokens, but its teacher '{assistant.label}' has an own "
            "vocabulary.",
            hint="Remove the feature losses, or give the assistant the teacher's vocabulary.",
        )
