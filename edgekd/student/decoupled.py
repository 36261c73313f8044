"""Decoupled distillation (Zhao et al. 2022, arXiv 2203.08679): the target class apart from the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody uses

if TYPE_CHECKING:
    from torch import Tensor


def decoupled_parts(student_logits: Tensor, teacher_logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return the target-class part and the part of the other classes, each ``(batch,)``.

    With probabilities ``q`` (teacher) and ``p`` (student) and the target ``y``:

    - target (TCKD): ``KL((q_y, 1 - q_y) || (p_y, 1 - p_y))``, how hard the text is;
    - others (NCKD): ``KL(q_c / (1 - q_y) || p_c / (1 - p_y))`` over ``c != y``; 0 when there are two classes.

    ``KL(q || p) = TCKD + (1 - q_y) * NCKD``: the usual loss hides the second part where the teacher is sure.

    Args:
        student_logits: ``(batch, classes)``.
        teacher_logits: ``(batch, classes)``.
        target: class indexes ``(batch,)``.
    """
    is_target = F.one_hot(target, student_logits.shape[-1]).bool()
    target_part = F.kl_div(
        _binary_log_probabilities(student_logits, is_target),
        _binary_log_probabilities(teacher_logits, is_target),
        log_target=True,
        reduction="none",
    ).sum(dim=-1)
    others_part = F.kl_div(
        F.log_softmax(_others(student_logits, is_target), dim=-1),
        F.log_softmax(_others(teacher_logits, is_target), dim=-1),
        log_target=True,
        reduction="none",
    ).sum(dim=-1)
    return target_part, others_part


def decoupled_loss(
    student_logits: Tensor,
    teacher_logits: Tensor,
    target: Tensor,
    *,
    temperature: float,
    on_target: float,
    on_others: float,
) -> Tensor:
    """``T^2 * (on_target * TCKD + on_others * NCKD)`` of the logits divided by T, ``(batch,)``.

    The target is the true label; a text without one uses the teacher's most likely label.
    """
    target_part, others_part = decoupled_parts(student_logits / temperature, teacher_logits / temperature, target)
    return temperature**2 * (on_target * target_part + on_others * others_part)


def _others(logits: Tensor, is_target: Tensor) -> Tensor:
    """Return the logits of all classes but the target, ``(batch, classes - 1)``."""
    return logits[~is_target].view(logits.shape[0], -1)


def _binary_log_probabilities(logits: Tensor, is_target: Tensor) -> Tensor:
    """Return ``log p_y`` and ``log(1 - p_y)``, ``(batch, 2)``; from the logits, because 1 - p_y may round to 0."""
    other = torch.logsumexp(_others(logits, is_target), dim=-1)
    return F.log_softmax(torch.stack([logits[is_target], other], dim=-1), dim=-1)
