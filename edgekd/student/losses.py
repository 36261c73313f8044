"""Distillation losses: tensors in, one value per example out. No state, no configuration reading.

Shapes: logits are ``(batch, num_labels)``; every function returns ``(batch,)``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody uses

if TYPE_CHECKING:
    from torch import Tensor

    from edgekd.config import LossKind

IGNORE_INDEX = -100  # label of a text that has none (transfer data)


def true_label_loss(student_logits: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy with the true labels: ``-log softmax(s)[y]``; 0 where the label is ``IGNORE_INDEX``."""
    return F.cross_entropy(student_logits, labels, ignore_index=IGNORE_INDEX, reduction="none")


def soft_target_loss(student_logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    """``T^2 * KL(softmax(t / T) || softmax(s / T))``.

    The factor T^2 keeps the gradient's scale independent of the temperature (Hinton, Vinyals, Dean 2015,
    arXiv 1503.02531, section 2). It is applied for every T, 1 included.
    """
    student = F.log_softmax(student_logits / temperature, dim=-1)
    teacher = F.log_softmax(teacher_logits / temperature, dim=-1)
    divergence = F.kl_div(student, teacher, log_target=True, reduction="none").sum(dim=-1)
    return temperature**2 * divergence


def hard_target_loss(student_logits: Tensor, teacher_logits: Tensor) -> Tensor:
    """Cross entropy with the teacher's most likely label (pseudo-labels)."""
    return F.cross_entropy(student_logits, teacher_logits.argmax(dim=-1), reduction="none")


def logit_mse_loss(student_logits: Tensor, teacher_logits: Tensor) -> Tensor:
    """Mean over the labels of ``(s - t)^2`` (Ba, Caruana 2014, arXiv 1312.6184)."""
    return F.mse_loss(student_logits, teacher_logits, reduction="none").mean(dim=-1)


def teacher_loss(kind: LossKind, student_logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    """Return the teacher's part of the objective. Only ``soft`` uses the temperature."""
    if kind == "soft":
        return soft_target_loss(student_logits, teacher_logits, temperature)
    if kind == "hard":
        return hard_target_loss(student_logits, teacher_logits)
    return logit_mse_loss(student_logits, teacher_logits)


def distillation_loss(
    student_logits: Tensor,
    labels: Tensor,
    teacher_logits: Tensor,
    *,
    kind: LossKind,
    alpha: float,
    beta: float,
    temperature: float,
) -> Tensor:
    """Mean over the batch of ``alpha * CE(s, y) + beta * L_teacher(s, t)``.

    Texts without a true label contribute only their teacher part, so a batch's mix of labelled and unlabelled
    texts does not change the weight of a single text.
    """
    per_example = torch.zeros(student_logits.shape[0], device=student_logits.device)
    if alpha > 0:
        per_example = per_example + alpha * true_label_loss(student_logits, labels)
    if beta > 0:
        per_example = per_example + beta * teacher_loss(kind, student_logits, teacher_logits, temperature)
    return per_example.mean()
