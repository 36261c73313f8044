"""What a model costs with some of its units gone, from the shapes alone: nothing is built."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from edgekd.student.cost import LENGTH

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from transformers import PreTrainedModel

    from edgekd.compress.prune.structure import Group

Kept = dict[str, list[int]]  # indexes of the units that stay, ascending, by name of the group; all of a group not in it
# Tables whose rows are added up with weights, which are multiplications too.
_SUMMED = {"edgekd-bag": ("embeddings", "ngram_embeddings"), "edgekd-linear": ("weights",)}
_QUERY = re.compile(r"(^|\.)(query|q_lin)$")


@dataclass(frozen=True)
class Size:
    """Of a model."""

    parameters: int
    prunable: int  # of these, how many would go if all units went
    macs: int  # for a text of 32 tokens

    @property
    def bytes(self) -> int:
        """Bytes of the fp32 weights."""
        return 4 * self.parameters


@dataclass(frozen=True)
class _Use:
    """A parameter that costs ``times`` multiplications for each element along ``axes``."""

    name: str
    axes: tuple[int, ...]
    times: int


class Meter:
    """Knows the shapes of a model's parameters and how often a text of ``length`` tokens uses each."""

    def __init__(self, model: PreTrainedModel, groups: Sequence[Group] = (), *, length: int = LENGTH) -> None:
        self.groups = groups
        self.shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
        self.uses = _uses(model, length)
        self._without_units = _elements(self._shapes({group.name: [] for group in groups}))

    def size(self, kept: Kept | None = None) -> Size:
        """Return what the model costs with these units."""
        shapes = self._shapes(kept or {})
        parameters = _elements(shapes)
        macs = sum(use.times * math.prod(shapes[use.name][axis] for axis in use.axes) for use in self.uses)
        return Size(parameters, parameters - self._without_units, macs)

    def _shapes(self, kept: Kept) -> dict[str, tuple[int, ...]]:
        shapes = {name: list(shape) for name, shape in self.shapes.items()}
        for group in self.groups:
            gone = group.count - len(kept.get(group.name, range(group.count)))
            for piece in group.slices:
                shapes[piece.name][piece.axis] -= gone * piece.rows
        return {name: tuple(shape) for name, shape in shapes.items()}


def macs(model: PreTrainedModel, length: int = LENGTH) -> int:
    """Return the multiply-accumulates of a model for one text of ``length`` tokens.

    Counted are matrices, convolutions, recurrent layers, the two products of attention and weighted sums of rows, as in
    :mod:`edgekd.student.cost`. A model with fewer positions is taken at its longest text.
    """
    return Meter(model, length=length).size().macs


def _elements(shapes: dict[str, tuple[int, ...]]) -> int:
    return sum(math.prod(shape) for shape in shapes.values())


def _positions(config: Any) -> int | None:
    """Return how many tokens a model can read; the RoBERTa family begins to count after its padding id."""
    limit: int | None = getattr(config, "max_position_embeddings", None)
    if limit is not None and config.model_type in ("roberta", "xlm-roberta", "camembert"):
        limit -= int(config.pad_token_id) + 1
    return limit


@torch.no_grad()
def _uses(model: PreTrainedModel, length: int) -> list[_Use]:
    """Run the model on one text and see how many vectors each module gets: a classifier reads fewer than a layer."""
    model.eval()
    length = min(length, _positions(model.config) or length)
    summed = _SUMMED.get(model.config.model_type, ())
    uses: list[_Use] = []

    def listen(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: Any) -> None:
            if isinstance(module, nn.Linear):
                times = output.numel() // module.out_features
                uses.append(_Use(f"{name}.weight", (0, 1), times))
                if _QUERY.search(name):
                    uses.append(_Use(f"{name}.weight", (0,), 2 * times * times))
            elif isinstance(module, nn.Conv1d):
                uses.append(_Use(f"{name}.weight", (0, 1, 2), output.shape[-1]))
            elif isinstance(module, nn.LSTM | nn.GRU):
                uses.extend(_Use(f"{name}.{part}", (0, 1), len(inputs[0])) for part in ("weight_ih_l0", "weight_hh_l0"))
            elif name in summed:
                uses.append(_Use(f"{name}.weight", (1,), inputs[0].numel()))

        return hook

    handles = [module.register_forward_hook(listen(name)) for name, module in model.named_modules()]
    try:
        device = next(model.parameters()).device
        # Any token but padding, which some families do not count as a position.
        token = next(id_ for id_ in range(2) if id_ != model.config.pad_token_id)
        ids = torch.full((1, length), token, device=device)
        model(input_ids=ids, attention_mask=torch.ones_like(ids))
    finally:
        for handle in handles:
            handle.remove()
    return uses
