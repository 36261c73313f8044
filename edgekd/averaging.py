"""An exponential mean of a model's weights over the training steps, which often generalises better than the last ones.

Polyak averaging with a decay a step, as in Izmailov et al. 2018 (arXiv 1803.05407) and Tarvainen, Valpola 2017
(arXiv 1703.01780).
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import nn


class MeanWeights:
    """The mean ``m <- d m + (1 - d) w``; the first steps use a smaller d, so that the start is soon forgotten.

    Args:
        model: gives the first value.
        decay: d, in (0, 1).
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.steps = 0
        self._mean = {name: value.detach().clone() for name, value in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move the mean towards the present weights, with ``d = min(decay, (1 + steps) / (10 + steps))``."""
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        self.steps += 1
        for name, value in model.state_dict().items():
            mean = self._mean[name]
            if mean.is_floating_point():
                mean.lerp_(value.to(mean.device), 1 - decay)
            else:
                mean.copy_(value)

    @contextmanager
    def in_place_of(self, model: nn.Module) -> Iterator[None]:
        """Let the model have the mean weights for a while."""
        own = {name: value.detach().clone() for name, value in model.state_dict().items()}
        model.load_state_dict(self._mean)
        try:
            yield
        finally:
            model.load_state_dict(own)

    def state(self) -> dict[str, torch.Tensor]:
        """Return mean and step count by name."""
        return {
            **{f"weights.{name}": value.cpu().clone() for name, value in self._mean.items()},
            "steps": torch.tensor(self.steps),
        }

    def load(self, state: Mapping[str, torch.Tensor]) -> None:
        """Take over what :meth:`state` returned."""
        self.steps = int(state["steps"])
        for name, value in self._mean.items():
            value.copy_(state[f"weights.{name}"])
