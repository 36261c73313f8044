"""Taking rows and columns out of the parameters of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from edgekd.compress.prune.structure import find_groups
from edgekd.student.recurrent import BidirectionalLayer

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from edgekd.compress.prune.size import Kept


@torch.no_grad()
def select(model: PreTrainedModel, kept: Kept) -> None:
    """Shrink the tensors of a model in place to the units ``kept``; its configuration is not touched."""
    touched = set()
    for (name, parameter, axis), index in staying(model, kept).items():
        module = model.get_submodule(name)
        old = getattr(module, parameter)
        new = nn.Parameter(old.index_select(axis, index).contiguous(), requires_grad=old.requires_grad)
        setattr(module, parameter, new)
        touched.add(name)
    for name in touched:
        say_size(model.get_submodule(name))
    for module in model.modules():
        if isinstance(module, BidirectionalLayer):
            module.hidden_dim = module.onward.hidden_size


def staying(model: PreTrainedModel, kept: Kept) -> dict[tuple[str, str, int], torch.Tensor]:
    """Return which rows (axis 0) or columns (axis 1) of each parameter stay, for those that lose some."""
    stays: dict[tuple[str, str, int], torch.Tensor] = {}
    for group in find_groups(model):
        units = kept.get(group.name)
        if units is None or len(units) == group.count:
            continue
        gone = torch.ones(group.count, dtype=torch.bool)
        gone[torch.tensor(units, dtype=torch.long)] = False
        for piece in group.slices:
            size = model.get_parameter(piece.name).shape[piece.axis]
            key = (piece.module, piece.parameter, piece.axis)
            mask = stays.setdefault(key, torch.ones(size, dtype=torch.bool))
            mask[piece.offset : piece.offset + group.count * piece.rows][gone.repeat_interleave(piece.rows)] = False
    return {key: mask.nonzero().squeeze(1) for key, mask in stays.items()}


def say_size(module: nn.Module) -> None:
    """Let a module's own numbers say the shape of its tensors."""
    if isinstance(module, nn.Linear):
        module.out_features, module.in_features = module.weight.shape
    elif isinstance(module, nn.Conv1d):
        module.out_channels, module.in_channels = module.weight.shape[:2]
    elif isinstance(module, nn.LSTM | nn.GRU):
        module.input_size, module.hidden_size = module.weight_ih_l0.shape[1], module.weight_hh_l0.shape[1]
