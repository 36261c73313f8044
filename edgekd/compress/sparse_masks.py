"""Which weights of a matrix stay: a share of them, or N of every M neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from edgekd.steps import SparseStep


@dataclass(frozen=True)
class Pattern:
    """Where zeros may be.

    Args:
        sparsity: share of zeros.
        kept: N of N:M; None for zeros anywhere.
        group: M of N:M; neighbours along the input dimension, which is summed over.
    """

    sparsity: float
    kept: int | None = None
    group: int = 1

    @classmethod
    def of(cls, step: SparseStep) -> Pattern:
        """Return the pattern that a step asks for."""
        if step.pattern == "unstructured":
            return cls(step.sparsity)
        kept, group = (int(number) for number in step.pattern.split(":"))
        return cls(1 - kept / group, kept, group)

    def fits(self, weight: torch.Tensor) -> bool:
        """Tell whether a weight ``(outputs, inputs, ...)`` can have the pattern: N:M needs whole groups of inputs."""
        return self.kept is None or weight.shape[1] % self.group == 0

    def mask(self, scores: torch.Tensor, share: float = 1.0) -> torch.Tensor:
        """Return which weights stay, bool of the shape of the scores: those with the highest.

        Of equal scores the first ones go (anywhere) or stay (N:M), so the number of zeros is exact.

        Args:
            scores: of a weight ``(outputs, inputs, ...)``.
            share: of the zeros, on the way to all of them: 0 to 1.
        """
        if self.kept is None:
            return _largest(scores, int(share * self.sparsity * scores.numel() + 0.5))
        zeros = int(share * (self.group - self.kept) + 1e-9)
        return _largest_of_groups(scores, self.group - zeros, self.group)

    def holds(self, weight: torch.Tensor) -> bool:
        """Tell whether a weight ``(outputs, inputs, ...)`` has (at least) these zeros."""
        if self.kept is None:
            return int((weight == 0).sum()) >= int(self.sparsity * weight.numel() + 0.5)
        return check_pattern(weight.movedim(1, -1), self.kept, self.group)


def _largest(scores: torch.Tensor, zeros: int) -> torch.Tensor:
    mask = torch.ones(scores.numel(), dtype=torch.bool, device=scores.device)
    if zeros:
        mask[torch.argsort(scores.flatten(), stable=True)[:zeros]] = False
    return mask.view(scores.shape)


def _largest_of_groups(scores: torch.Tensor, kept: int, group: int) -> torch.Tensor:
    last = scores.movedim(1, -1)
    groups = last.reshape(*last.shape[:-1], -1, group)
    best = torch.argsort(groups, dim=-1, descending=True, stable=True)[..., :kept]
    mask = torch.zeros_like(groups, dtype=torch.bool).scatter_(-1, best, value=True)
    return mask.reshape(last.shape).movedim(-1, 1).contiguous()


def check_pattern(weight: Any, n: int, m: int) -> bool:
    """Tell whether of every ``m`` consecutive values along the last axis at most ``n`` are not zero.

    Args:
        weight: array or tensor; the last axis is the one that is summed over.
        n: of N:M.
        m: of N:M. An axis that is no multiple of it does not have the pattern.
    """
    values = torch.as_tensor(weight)
    if values.shape[-1] % m:
        return False
    return bool((values.reshape(-1, m) != 0).sum(dim=1).le(n).all())
