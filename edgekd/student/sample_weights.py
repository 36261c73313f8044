"""Weights of the texts of a batch in the teacher part (dynamic distillation: Li et al. 2021, arXiv 2109.11295)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody uses

from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from torch import Tensor

SampleWeights = Literal["equal", "teacher-confidence", "student-uncertainty"]
_TINY = 1e-6  # all texts certain: the weights become equal instead of 0 / 0


def confidence(task: TaskKind, logits: Tensor) -> Tensor:
    """Return ``max_c p_c``; multi-label: mean over the labels of ``max(p, 1 - p)``. Shape ``(batch,)``."""
    if task is TaskKind.MULTI_LABEL:
        return torch.sigmoid(logits.abs()).mean(dim=-1)
    return torch.softmax(logits, dim=-1).amax(dim=-1)


def uncertainty(task: TaskKind, logits: Tensor) -> Tensor:
    """Return the entropy divided by its largest value, so between 0 and 1, ``(batch,)``.

    Single-label: ``-sum_c p_c log p_c / log(classes)``; multi-label: mean over the labels of binary entropy / log 2.
    """
    if task is TaskKind.MULTI_LABEL:
        pairs = torch.stack([logits, torch.zeros_like(logits)], dim=-1)
        return _normalized_entropy(pairs).mean(dim=-1)
    return _normalized_entropy(logits)


def sample_weights(kind: SampleWeights, task: TaskKind, student_logits: Tensor, teacher_logits: Tensor) -> Tensor:
    """Return one weight per text ``(batch,)`` with mean 1 and without gradient.

    `teacher-confidence` trusts the teacher where it is sure; `student-uncertainty` looks at what the student does not
    know yet. Probabilities are those of the plain logits, without temperature.
    """
    if kind == "equal":
        return torch.ones(len(student_logits), device=student_logits.device)
    with torch.no_grad():
        by_teacher = kind == "teacher-confidence"
        raw = _TINY + (confidence(task, teacher_logits) if by_teacher else uncertainty(task, student_logits))
        return raw / raw.mean()


def _normalized_entropy(logits: Tensor) -> Tensor:
    log_probabilities = F.log_softmax(logits, dim=-1)
    entropy = -(log_probabilities.exp() * log_probabilities).sum(dim=-1)
    return entropy / math.log(logits.shape[-1])
