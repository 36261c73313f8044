"""Losses between inner representations: tensors in, one scalar out. No state; learned projections are the caller's.

``mask`` is ``(batch, tokens)``, 1 for real tokens. Padded positions never count: means are taken over a text's own
tokens first, then over the texts, so a text weighs the same in any batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody uses

if TYPE_CHECKING:
    from torch import Tensor

RKD_DISTANCE, RKD_ANGLE = 1.0, 2.0  # Park et al. weigh angles twice as much as distances


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Return the mean over the real tokens ``(batch, tokens) -> (batch,)``."""
    mask = mask.to(values.dtype)
    return (values * mask).sum(dim=-1) / mask.sum(dim=-1).clamp_min(1)


def hidden_loss(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """Mean of ``(s - t)^2`` over width, real tokens and texts.

    Romero et al. 2015 (FitNets, arXiv 1412.6550); Jiao et al. 2020 (TinyBERT, arXiv 1909.10351).

    Args:
        student: ``(batch, tokens, width)``, already projected to the teacher's width.
        teacher: ``(batch, tokens, width)``.
        mask: ``(batch, tokens)``.
    """
    return masked_mean((student - teacher).square().mean(dim=-1), mask).mean()


def scaled_products(left: Tensor, right: Tensor, heads: int) -> Tensor:
    """Return ``L R' / sqrt(size)`` of every head: ``(batch, tokens, width)`` to ``(batch, heads, tokens, tokens)``."""
    batch, tokens, width = left.shape
    left = left.view(batch, tokens, heads, width // heads).transpose(1, 2)
    right = right.view(batch, tokens, heads, width // heads).transpose(1, 2)
    return left @ right.transpose(-1, -2) / (width // heads) ** 0.5


def attention_loss(student: tuple[Tensor, Tensor], teacher: tuple[Tensor, Tensor], mask: Tensor, heads: int) -> Tensor:
    """Mean of ``(A_s - A_t)^2`` over heads, pairs of real tokens and texts; ``A = Q K' / sqrt(size)``.

    The scores before the softmax, which TinyBERT found better than the maps after it (arXiv 1909.10351).

    Args:
        student: queries and keys, each ``(batch, tokens, width)``.
        teacher: likewise; its width may differ, its number of heads not.
        mask: ``(batch, tokens)``.
        heads: attention heads.
    """
    difference = scaled_products(*student, heads) - scaled_products(*teacher, heads)
    per_query = masked_mean(difference.square().mean(dim=1), mask.unsqueeze(1))
    return masked_mean(per_query, mask).mean()


def relation_loss(student: Tensor, teacher: Tensor, mask: Tensor, heads: int) -> Tensor:
    """Mean over heads, real tokens and texts of ``KL(softmax(T T' / sqrt(d_t)) || softmax(S S' / sqrt(d_s)))``.

    The relation of a text's tokens among themselves, after the vectors of all heads were joined and cut into ``heads``
    relation heads: widths and numbers of attention heads may differ (Wang et al. 2021, MiniLMv2,
    arXiv 2012.15828). The loss of a layer is the sum over queries, keys and values.

    Args:
        student: queries, keys or values ``(batch, tokens, width)``.
        teacher: likewise, of its own width.
        mask: ``(batch, tokens)``.
        heads: relation heads; divides both widths.
    """
    padded = ~mask.bool()[:, None, None, :]
    # A finite floor, because -inf - -inf would be NaN at padded places.
    lowest = torch.finfo(student.dtype).min / 4
    log_s = F.log_softmax(scaled_products(student, student, heads).masked_fill(padded, lowest), dim=-1)
    log_t = F.log_softmax(scaled_products(teacher, teacher, heads).masked_fill(padded, lowest), dim=-1)
    divergence = (log_t.exp() * (log_t - log_s)).masked_fill(padded, 0).sum(dim=-1)
    return masked_mean(divergence.mean(dim=1), mask).mean()


def cosine_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean over the texts of ``1 - cos(s, t)``; sentence vectors ``(batch, width)``.

    DistilBERT (Sanh et al. 2019, arXiv 1910.01108) does this with the vectors of tokens.
    """
    return (1 - F.cosine_similarity(student, teacher, dim=-1)).mean()


def contrastive_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """InfoNCE: each student vector must be nearest to the teacher's vector of its own text.

    Mean over i of ``-log( exp(cos(s_i, t_i) / T) / sum_j exp(cos(s_i, t_j) / T) )`` over the texts j of the batch
    (van den Oord et al. 2018, arXiv 1807.03748; for distillation Tian et al. 2020, arXiv 1910.10699). It is not 0 for
    equal vectors; a batch of one text teaches nothing.

    Args:
        student: ``(batch, width)``, already projected to the teacher's width.
        teacher: ``(batch, width)``.
        temperature: of the similarities.
    """
    similarity = F.normalize(student, dim=-1) @ F.normalize(teacher, dim=-1).T / temperature
    return F.cross_entropy(similarity, torch.arange(len(student), device=student.device))


def relative_distances(vectors: Tensor) -> Tensor:
    """Return the distances of all pairs divided by their mean, ``(batch, batch)`` with 0 on the diagonal."""
    squares = (vectors.unsqueeze(0) - vectors.unsqueeze(1)).square().sum(dim=-1)
    # The root has no gradient at 0, which the diagonal and equal texts have.
    distances = torch.where(squares > 0, squares.clamp_min(1e-12).sqrt(), 0.0)
    pairs = len(vectors) * (len(vectors) - 1)
    return distances / (distances.sum() / max(1, pairs)).clamp_min(1e-12)


def angles(vectors: Tensor) -> Tensor:
    """Return the cosine of the angle at j between i and k, ``(batch j, batch i, batch k)``."""
    directions = F.normalize(vectors.unsqueeze(0) - vectors.unsqueeze(1), dim=-1)  # [j, i] points from j to i
    return directions @ directions.transpose(-1, -2)


def rkd_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Relational distillation: ``1 * distances + 2 * angles`` (Park et al. 2019, arXiv 1904.05068).

    Huber differences of all pairwise distances relative to their mean in the batch, and of the cosines of all angles
    between three texts; means over pairs and triplets. Only the shape of the batch counts, so widths may differ. A
    batch of one text has no pair, one of two no triplet.

    Args:
        student: ``(batch, width)``.
        teacher: ``(batch, other width)``.
    """
    count = len(student)
    pairs, triplets = count * (count - 1), count * (count - 1) * (count - 2)
    distance = F.huber_loss(relative_distances(student), relative_distances(teacher), reduction="sum") / max(1, pairs)
    # Where two of the three texts are one, both cosines are equal (0 or 1), so those terms add nothing to the sum.
    angle = F.huber_loss(angles(student), angles(teacher), reduction="sum") / max(1, triplets)
    return RKD_DISTANCE * distance + RKD_ANGLE * angle
