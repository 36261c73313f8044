"""Losses on logits: tensors in, one value per text out. No state, no configuration reading.

Shapes: logits are ``(batch, outputs)``; every function returns ``(batch,)``. `decoupled` and `dist` hold two further
losses with more to explain. Losses over several labels are means over the labels, so that a weight means the same for
2 labels as for 28.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody uses

from edgekd.batches import NO_LABEL
from edgekd.student.decoupled import decoupled_loss
from edgekd.student.dist import dist_loss
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from torch import Tensor

    from edgekd.config import LossKind


def true_label_loss(student_logits: Tensor, labels: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Cross entropy ``(1 - e) * -log p_y + e * mean_c(-log p_c)``; 0 where the label is ``NO_LABEL``.

    ``e`` is the label smoothing (Szegedy et al. 2016, arXiv 1512.00567, section 7). Labels: int64 ``(batch,)``.
    """
    return F.cross_entropy(
        student_logits, labels, ignore_index=NO_LABEL, reduction="none", label_smoothing=label_smoothing
    )


def true_labels_loss(student_logits: Tensor, labels: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Binary cross entropy, mean over the labels; 0 for a row of NaN, a text without labels.

    Smoothing moves each target ``y`` to ``(1 - e) * y + e / 2``. Labels: 0/1 as float ``(batch, labels)``.
    """
    known = ~labels.isnan().any(dim=-1)
    goal = labels.nan_to_num().to(student_logits.dtype) * (1 - label_smoothing) + label_smoothing / 2
    loss = F.binary_cross_entropy_with_logits(student_logits, goal, reduction="none").mean(dim=-1)
    return torch.where(known, loss, 0.0)


def true_value_loss(student_logits: Tensor, labels: Tensor) -> Tensor:
    """``(s - y)^2``, in squared units of the data; 0 where the value is NaN. Labels: float ``(batch,)``."""
    known = ~labels.isnan()
    return torch.where(known, (student_logits.squeeze(-1) - labels.nan_to_num()).square(), 0.0)


def soft_target_loss(student_logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    """``T^2 * KL(softmax(t / T) || softmax(s / T))``.

    The factor T^2 keeps the gradient's scale independent of the temperature (Hinton, Vinyals, Dean 2015,
    arXiv 1503.02531, section 2). It is applied for every T, 1 included.
    """
    student = F.log_softmax(student_logits / temperature, dim=-1)
    teacher = F.log_softmax(teacher_logits / temperature, dim=-1)
    divergence = F.kl_div(student, teacher, log_target=True, reduction="none").sum(dim=-1)
    return temperature**2 * divergence


def soft_labels_loss(student_logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    """Multi-label: ``T^2 * mean_l KL(Bernoulli(sigmoid(t_l / T)) || Bernoulli(sigmoid(s_l / T)))``.

    The soft targets of Hinton et al. 2015 (arXiv 1503.02531) for labels that do not exclude each other. The divergences
    of independent labels add up; the mean instead of the sum keeps the weight independent of their number.
    """
    student, teacher = student_logits / temperature, teacher_logits / temperature
    probability = torch.sigmoid(teacher)
    chosen = probability * (F.logsigmoid(teacher) - F.logsigmoid(student))
    rejected = (1 - probability) * (F.logsigmoid(-teacher) - F.logsigmoid(-student))
    return temperature**2 * (chosen + rejected).mean(dim=-1)


def hard_target_loss(student_logits: Tensor, teacher_logits: Tensor) -> Tensor:
    """Cross entropy with the teacher's most likely label (pseudo-labels: Lee 2013)."""
    return F.cross_entropy(student_logits, teacher_logits.argmax(dim=-1), reduction="none")


def hard_labels_loss(student_logits: Tensor, teacher_logits: Tensor) -> Tensor:
    """Multi-label: binary cross entropy with the labels that the teacher gives at least 0.5, mean over the labels."""
    goal = (teacher_logits >= 0).to(student_logits.dtype)
    return F.binary_cross_entropy_with_logits(student_logits, goal, reduction="none").mean(dim=-1)


def logit_mse_loss(student_logits: Tensor, teacher_logits: Tensor) -> Tensor:
    """Mean over the outputs of ``(s - t)^2`` (Ba, Caruana 2014, arXiv 1312.6184); regression: of the one value."""
    return F.mse_loss(student_logits, teacher_logits, reduction="none").mean(dim=-1)


def logit_huber_loss(student_logits: Tensor, teacher_logits: Tensor) -> Tensor:
    """Mean over the outputs of ``(s - t)^2 / 2`` up to a difference of 1, then ``|s - t| - 1/2`` (Huber 1964).

    The border is 1 in units of the logits (regression: of the data), so single large differences weigh less.
    """
    return F.huber_loss(student_logits, teacher_logits, reduction="none", delta=1.0).mean(dim=-1)


def label_loss(task: TaskKind, student_logits: Tensor, labels: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Return the true-label part ``(batch,)`` of a task; 0 for a text without label."""
    if task is TaskKind.SINGLE_LABEL:
        return true_label_loss(student_logits, labels, label_smoothing)
    if task is TaskKind.MULTI_LABEL:
        return true_labels_loss(student_logits, labels, label_smoothing)
    return true_value_loss(student_logits, labels)


def teacher_part(
    task: TaskKind,
    kind: LossKind,
    student_logits: Tensor,
    teacher_logits: Tensor,
    labels: Tensor,
    *,
    temperature: float,
    dkd_target: float = 1.0,
    dkd_others: float = 2.0,
) -> Tensor:
    """Return the teacher part ``(batch,)``. Only `soft`, `dkd`, `dist` use the temperature, only `dkd` the labels.

    `check_losses` has refused `dkd` and `dist` for tasks other than single-label. For a regression, `soft`, `hard` and
    `mse` are the same: the squared difference to the teacher's value.
    """
    multi = task is TaskKind.MULTI_LABEL
    if kind == "huber":
        return logit_huber_loss(student_logits, teacher_logits)
    if kind == "mse" or task is TaskKind.REGRESSION:
        return logit_mse_loss(student_logits, teacher_logits)
    if kind == "soft":
        return (soft_labels_loss if multi else soft_target_loss)(student_logits, teacher_logits, temperature)
    if kind == "hard":
        return (hard_labels_loss if multi else hard_target_loss)(student_logits, teacher_logits)
    if kind == "dist":
        return dist_loss(student_logits, teacher_logits, temperature)
    target = torch.where(labels == NO_LABEL, teacher_logits.argmax(dim=-1), labels)
    return decoupled_loss(
        student_logits, teacher_logits, target, temperature=temperature, on_target=dkd_target, on_others=dkd_others
    )
