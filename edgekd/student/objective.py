"""What a model is trained for: a batch in, one scalar loss out. Runs the student, and the teacher where needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from edgekd.errors import ConfigError
from edgekd.student.curves import curve_value
from edgekd.student.features import FeatureLosses
from edgekd.student.loss_rules import USES_TEMPERATURE, check_losses
from edgekd.student.losses import label_loss, teacher_part
from edgekd.student.sample_weights import sample_weights
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor
    from transformers import PreTrainedModel

    from edgekd.config import StudentConfig

_LABEL_LOSS_NAMES = {
    TaskKind.SINGLE_LABEL: "cross entropy",
    TaskKind.MULTI_LABEL: "binary cross entropy",
    TaskKind.REGRESSION: "squared error",
}


class LabelObjective(nn.Module):
    """The loss on the true labels alone: for teachers and controls.

    Args:
        task: what a label is.
        label_smoothing: of the labels; 0 for a regression.
    """

    def __init__(self, task: TaskKind, label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.task = task
        self.label_smoothing = label_smoothing

    def forward(
        self,
        model: nn.Module,
        inputs: Mapping[str, Tensor],
        *,
        labels: Tensor,
        teacher_logits: Tensor | None = None,
        progress: float = 0.0,
        features_only: bool = False,
    ) -> tuple[Tensor, Any]:
        """Return the mean loss over the batch and the model's outputs; everything about a teacher is ignored."""
        outputs = model(**inputs)
        return label_loss(self.task, outputs.logits.float(), labels, self.label_smoothing).mean(), outputs

    def describe(self) -> list[str]:
        """Return the loss in words."""
        smoothing = f", label smoothing {self.label_smoothing:g}" if self.label_smoothing else ""
        return [f"true labels: {_LABEL_LOSS_NAMES[self.task]}{smoothing}"]


class DistillationObjective(nn.Module):
    """``mean_i( alpha * L_labels,i + beta * w_i * L_teacher,i ) + sum_k weight_k * L_feature,k``.

    A text without true label has no first part, so the mix of a batch does not change the weight of a single text.
    ``alpha`` and the temperature may move along curves; ``beta`` keeps ``alpha + beta`` constant. ``w_i`` are the
    sample weights, with mean 1.

    Args:
        task: what a label is.
        config: losses and weights.
        student: the student that is trained.
        teacher: needed only for feature losses; it is not trained, not saved, and always runs without gradients.
        sample: a collated batch, needed only for feature losses with ``mapping: auto``.

    Raises:
        ConfigError: when the losses do not fit the task, the student or the teacher.
        ValueError: when teacher or sample are needed and missing.
    """

    def __init__(
        self,
        task: TaskKind,
        config: StudentConfig,
        *,
        student: PreTrainedModel,
        teacher: PreTrainedModel | None = None,
        sample: Mapping[str, Tensor] | None = None,
    ) -> None:
        super().__init__()
        check_losses(task, config)
        self.task = task
        self.config = config
        self.features: FeatureLosses | None = None
        if config.feature_losses:
            if teacher is None:
                raise ValueError("feature losses need the teacher")
            # Own random numbers, so that projections start the same in every process and change no other randomness.
            with torch.random.fork_rng(devices=[]):
                torch.default_generator.manual_seed(config.seed)
                self.features = FeatureLosses(config.feature_losses, student, teacher, sample)

    def weights(self, progress: float) -> tuple[float, float, float]:
        """Return alpha, beta and the temperature at a progress from 0 to 1."""
        config = self.config
        alpha = curve_value(config.alpha_curve, config.alpha, config.alpha_end, progress)
        temperature = curve_value(config.temperature_curve, config.temperature, config.temperature_end, progress)
        return alpha, max(0.0, config.alpha + config.beta - alpha), temperature

    def forward(
        self,
        model: nn.Module,
        inputs: Mapping[str, Tensor],
        *,
        labels: Tensor,
        teacher_logits: Tensor | None = None,
        progress: float = 0.0,
        features_only: bool = False,
    ) -> tuple[Tensor, Any]:
        """Run the student on a batch; return the scalar loss and the student's outputs.

        In evaluation mode the loss is the one on the true labels alone, and the teacher does not run.

        Args:
            model: the student, perhaps wrapped for mixed precision or several processes.
            inputs: ``input_ids`` and ``attention_mask``, each ``(batch, tokens)``.
            labels: as collated; -100 (single-label) or NaN for a text without label.
            teacher_logits: ``(batch, outputs)``; needed in training while beta is above 0.
            progress: share of the training that is done, from 0 to 1, for the curves.
            features_only: the feature losses alone.

        Raises:
            ValueError: when teacher logits or feature losses are asked for and missing.
        """
        if not model.training:
            outputs = model(**inputs)
            return label_loss(self.task, outputs.logits.float(), labels).mean(), outputs
        if features_only and self.features is None:
            raise ValueError("features_only without feature losses")
        if self.features is None:
            outputs = model(**inputs)
            return self._logit_part(outputs.logits.float(), labels, teacher_logits, progress), outputs
        if isinstance(model, nn.DataParallel):
            raise ConfigError(
                "Feature losses read inner representations, which torch's DataParallel spreads over threads.",
                hint="Use one GPU (CUDA_VISIBLE_DEVICES=0) or one process per GPU (accelerate launch).",
            )
        loss, outputs = self.features(model, inputs)
        if not features_only:
            loss = loss + self._logit_part(outputs.logits.float(), labels, teacher_logits, progress)
        return loss, outputs

    def _logit_part(self, logits: Tensor, labels: Tensor, teacher_logits: Tensor | None, progress: float) -> Tensor:
        config = self.config
        alpha, beta, temperature = self.weights(progress)
        per_text = torch.zeros(len(logits), device=logits.device)
        if alpha > 0:
            per_text = per_text + alpha * label_loss(self.task, logits, labels, config.label_smoothing)
        if beta > 0:
            if teacher_logits is None:
                raise ValueError(f"beta is {beta} and the batch has no teacher logits")
            teacher_logits = teacher_logits.float()
            part = teacher_part(
                self.task,
                config.loss,
                logits,
                teacher_logits,
                labels,
                temperature=temperature,
                dkd_target=config.dkd_target,
                dkd_others=config.dkd_others,
            )
            weight = sample_weights(config.sample_weights, self.task, logits, teacher_logits)
            per_text = per_text + beta * weight * part
        return per_text.mean()

    def describe(self) -> list[str]:
        """Return the parts of the loss in words, with the layer mapping of each feature loss."""
        config = self.config
        smoothing = f", label smoothing {config.label_smoothing:g}" if config.label_smoothing else ""
        alpha = _moving(config.alpha, config.alpha_end, config.alpha_curve)
        end = None if config.alpha_end is None else config.alpha + config.beta - config.alpha_end
        beta = _moving(config.beta, end, config.alpha_curve)
        teacher = f"teacher: {config.loss}, weight {beta}"
        if config.loss in USES_TEMPERATURE and self.task is not TaskKind.REGRESSION:
            moving = _moving(config.temperature, config.temperature_end, config.temperature_curve)
            teacher += f", temperature {moving}"
        if config.sample_weights != "equal":
            teacher += f", texts weighted by {config.sample_weights}"
        lines = [f"true labels: {_LABEL_LOSS_NAMES[self.task]}, weight {alpha}{smoothing}", teacher]
        if self.features is not None:
            lines += [f"features: {line}" for line in self.features.describe()]
        return lines


def _moving(start: float, end: float | None, curve: str) -> str:
    return f"{start:g}" if end is None else f"{start:g} to {end:g} ({curve})"
