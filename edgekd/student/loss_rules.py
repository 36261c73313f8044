"""Which losses go with which task and student; known without torch, so that a mistake is found before any training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd.errors import ConfigError
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from edgekd.config import StudentConfig

USES_TEMPERATURE = ("soft", "dkd", "dist")
LAYER_LOSSES = ("hidden", "attention", "relations")
SENTENCE_LOSSES = ("cosine", "contrastive", "rkd")
WITH_LAYERS = ("transformer",)
WITHOUT_SENTENCE_VECTOR = ("linear",)  # one matrix from tokens to logits: there is nothing in between


def check_losses(task: TaskKind, config: StudentConfig) -> None:
    """Check that the losses, curves and weights of a student fit its task and kind.

    Raises:
        ConfigError: naming the option, what was given and what is allowed.
    """
    where = f"Student '{config.label}'"
    _check_logit_losses(task, config, where)
    _check_curves(task, config, where)
    if config.feature_losses:
        _check_feature_losses(config, where)


def _check_logit_losses(task: TaskKind, config: StudentConfig, where: str) -> None:
    if task is not TaskKind.SINGLE_LABEL and config.loss in {"dkd", "dist"}:
        raise ConfigError(
            f"{where}: loss '{config.loss}' compares classes that exclude each other, but the task is {task.value}.",
            hint="Allowed here: soft, hard, mse, huber.",
        )
    if task is TaskKind.REGRESSION and config.label_smoothing > 0:
        raise ConfigError(
            f"{where}: label_smoothing {config.label_smoothing} needs labels, but the task is regression."
        )
    if task is TaskKind.REGRESSION and config.sample_weights != "equal":
        raise ConfigError(
            f"{where}: sample_weights '{config.sample_weights}' needs probabilities, but the task is regression.",
            hint="Use sample_weights: equal.",
        )


def _check_curves(task: TaskKind, config: StudentConfig, where: str) -> None:
    total = config.alpha + config.beta
    if config.alpha_end is not None and config.alpha_end > total + 1e-9:  # 0.7 + 0.1 is a little less than 0.8
        raise ConfigError(
            f"{where}: alpha_end {config.alpha_end} is more than alpha + beta = {total:g}, "
            "which stays the same, so beta would become negative."
        )
    if config.temperature_end is not None and (config.loss not in USES_TEMPERATURE or task is TaskKind.REGRESSION):
        raise ConfigError(
            f"{where}: temperature_curve has no effect, because loss '{config.loss}' for a {task.value} task has no "
            "temperature.",
            hint=f"Losses with a temperature: {', '.join(USES_TEMPERATURE)} (not for regression).",
        )


def _check_feature_losses(config: StudentConfig, where: str) -> None:
    if config.vocabulary is not None:
        raise ConfigError(
            f"{where}: feature_losses need teacher and student to read the same tokens, but it has an own vocabulary.",
            hint="Remove 'vocabulary' or 'feature_losses'.",
        )
    for loss in config.feature_losses:
        if loss.kind in LAYER_LOSSES and config.kind not in WITH_LAYERS:
            possible = "none" if config.kind in WITHOUT_SENTENCE_VECTOR else ", ".join(SENTENCE_LOSSES)
            raise ConfigError(
                f"{where}: feature loss '{loss.kind}' compares layers, and a student of kind '{config.kind}' has none. "
                f"Feature losses of this kind: {possible}."
            )
        if config.kind in WITHOUT_SENTENCE_VECTOR:
            raise ConfigError(
                f"{where}: feature loss '{loss.kind}' compares sentence vectors, and a student of kind "
                f"'{config.kind}' has none to train. It has no feature losses."
            )
