"""Removing units: smaller dense tensors, or the same ones with zeros to compare with."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch

from edgekd.compress.prune.select import select, staying
from edgekd.compress.prune.shape import write_shape

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from edgekd.compress.prune.size import Kept


def remove(model: PreTrainedModel, kept: Kept) -> PreTrainedModel:
    """Return a copy of a model with only the units ``kept``; its configuration says its new shape.

    The tensors are plain dense ones without masks; with :func:`zeroed` they give the same logits.

    Args:
        model: on the CPU.
        kept: indexes of the units that stay, at least one a group; a group that is not in it stays whole.
    """
    smaller = copy.deepcopy(model)
    select(smaller, kept)
    write_shape(smaller)
    return smaller.eval()


@torch.no_grad()
def zeroed(model: PreTrainedModel, kept: Kept) -> PreTrainedModel:
    """Return a copy of a model of the same size in which everything that belongs to the other units is 0.

    A removed unit then adds nothing: nobody reads a head or a feed-forward neuron, a filter and a hidden neuron give
    ``relu(0) = 0``, and the state of a recurrent unit starts at 0 and stays there, because what its gates let in is
    ``tanh(0) = 0``.
    """
    same = copy.deepcopy(model)
    for (name, parameter, axis), index in staying(same, kept).items():
        tensor = same.get_parameter(f"{name}.{parameter}")
        gone = torch.ones(tensor.shape[axis], dtype=torch.bool)
        gone[index] = False
        tensor.movedim(axis, 0)[gone] = 0.0
    return same.eval()
