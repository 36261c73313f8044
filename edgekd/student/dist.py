"""DIST (Huang et al. 2022, arXiv 2205.10536): match relations between predictions, not the predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

# Below this norm a centred vector of probabilities counts as constant: it has no direction to match, and dividing by
# its norm would only amplify rounding.
CONSTANT_NORM = 1e-4


def correlation_distance(student: Tensor, teacher: Tensor) -> Tensor:
    """Return ``1 - Pearson(student, teacher)`` along the last axis.

    Where the teacher is constant there is nothing to match and the distance is 0. Where only the student is constant
    its correlation counts as 0, with a finite gradient.
    """
    student = student - student.mean(dim=-1, keepdim=True)
    teacher = teacher - teacher.mean(dim=-1, keepdim=True)
    teacher_norm = teacher.norm(dim=-1)
    norms = student.norm(dim=-1).clamp_min(CONSTANT_NORM) * teacher_norm.clamp_min(CONSTANT_NORM)
    correlation = (student * teacher).sum(dim=-1) / norms
    return torch.where(teacher_norm > CONSTANT_NORM, 1 - correlation, 0.0)


def dist_loss(student_logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    """``T^2 * (inter_i + intra)`` of the probabilities softened with T, ``(batch,)``; both parts weigh the same.

    - inter-class, of text i: ``1 - Pearson(p_i, q_i)`` over the classes;
    - intra-class, of the batch: mean over the classes c of ``1 - Pearson(p_.c, q_.c)`` over the texts. It belongs to no
      single text, so every text carries all of it and the mean over the batch is the loss of the paper.

    With two classes the inter-class part is 0 or 2 and teaches nothing: two centred probabilities are ``(d, -d)``, and
    the correlation of any two such pairs is 1 or -1. The intra-class part is then all that is learned. A batch of one
    text has no intra-class part.
    """
    student = torch.softmax(student_logits / temperature, dim=-1)
    teacher = torch.softmax(teacher_logits / temperature, dim=-1)
    intra = correlation_distance(student.T, teacher.T).mean()
    return temperature**2 * (correlation_distance(student, teacher) + intra)
