"""Movement pruning: those weights go that training moves towards zero (Sanh et al. 2020, arXiv 2005.07683).

Every weight W has a score S, and the network computes with W' = W where S is among the highest of its layer, else 0.
By the straight-through estimator dL/dS = dL/dW' * W, so after plain gradient descent ``S = - sum over steps of
dL/dW' * W`` (equation 4 there): it grows for a weight that moves away from zero. Only the order of the scores counts,
so their learning rate does not matter. The share of zeros grows by the cubic schedule of Zhu, Gupta 2017
(arXiv 1710.01878) over the first two thirds of the steps; then the zeros stay where they are.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import nn

    from edgekd.compress.sparse_masks import Pattern

STEPS = "movement_steps"


def cubic(done: float) -> float:
    """Return the share of the zeros when a share of the schedule is done: ``1 - (1 - done)^3``, 1 from the end on."""
    return 1 - (1 - min(1.0, done)) ** 3


@dataclass
class _Weight:
    """One weight; asleep is what it was where it is zero now, and comes back when its score does."""

    module: nn.Module
    name: str
    mask: torch.Tensor | None = None
    seen: tuple[Any, ...] = ()  # what the weight and the mask were made of

    @property
    def value(self) -> torch.Tensor:
        return self.module.get_parameter(self.name)

    @property
    def asleep(self) -> torch.Tensor:
        return self.module.get_buffer(f"{self.name}_asleep")

    @property
    def scores(self) -> torch.Tensor:
        return self.module.get_buffer(f"{self.name}_movement")


class Movement:
    """Trains scores beside the weights of a model, by hooks; the model's own parameters stay what they are.

    In training mode a forward uses the zeros of its step. In evaluation mode it has all zeros, so the weights that are
    best on validation are those of a model that is as sparse as it shall be. What the hooks know is kept in buffers of
    the model, so it is part of checkpoints.

    Args:
        model: each training step runs it once.
        weights: by dotted name.
        pattern: of the zeros.
        total_steps: of the training.
    """

    def __init__(
        self, model: nn.Module, weights: Mapping[str, nn.Parameter], pattern: Pattern, total_steps: int
    ) -> None:
        self.model = model
        self.pattern = pattern
        self.ramp = max(1, 2 * total_steps // 3)
        self.places = []
        self.learning = False
        for name in weights:
            layer, _, own = name.rpartition(".")
            self.places.append(_Weight(model.get_submodule(layer), own))

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Prune while the model is trained; it ends as plain model with all zeros."""
        self.model.register_buffer(STEPS, torch.zeros((), dtype=torch.int64))
        for place in self.places:
            for buffer in ("asleep", "movement"):
                place.module.register_buffer(f"{place.name}_{buffer}", torch.zeros_like(place.value.detach()))
        handles: list[Any] = [place.value.register_hook(self._on_gradient(place)) for place in self.places]
        handles.append(self.model.register_forward_pre_hook(self._on_forward))
        try:
            yield
            self._move(1.0)
        finally:
            for handle in handles:
                handle.remove()
            delattr(self.model, STEPS)
            for place in self.places:
                for buffer in ("asleep", "movement"):
                    delattr(place.module, f"{place.name}_{buffer}")

    @property
    def _steps(self) -> torch.Tensor:
        return self.model.get_buffer(STEPS)

    def _on_forward(self, *_: Any) -> None:
        if not self.model.training:
            self._move(1.0)
            return
        share = cubic(int(self._steps) / self.ramp)
        self.learning = share < 1
        self._move(share)
        self._steps.add_(1)

    def _move(self, share: float) -> None:
        """Let the weights be zero where their scores say so."""
        # The tensors made here are used in training steps, which inference mode would forbid.
        with torch.inference_mode(mode=False), torch.no_grad():
            for place in self.places:
                value, asleep, scores = place.value, place.asleep, place.scores
                wanted = (share, scores._version, scores.device)
                if place.mask is None or place.seen[:-1] != wanted:
                    place.mask = self.pattern.mask(scores, share)
                elif place.seen[-1] == value._version:
                    continue  # nobody changed the weight
                whole = value + asleep
                value.copy_(whole * place.mask)
                asleep.copy_(whole * ~place.mask)
                place.seen = (*wanted, value._version)

    def _on_gradient(self, place: _Weight) -> Any:
        def hook(gradient: torch.Tensor) -> torch.Tensor:
            assert place.mask is not None
            if self.learning:
                place.scores.sub_(gradient * (place.value.detach() + place.asleep))
            return gradient * place.mask

        return hook
