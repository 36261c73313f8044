"""How much a model needs each of its units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from edgekd.errors import InvalidArtifact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from transformers import PreTrainedModel

    from edgekd.compress.prune.structure import Group

Scores = dict[str, "np.ndarray[Any, Any]"]  # by name of the group; float64 (count,) each
Batch = dict[str, torch.Tensor]


def importance(
    model: PreTrainedModel,
    groups: Sequence[Group],
    method: Literal["magnitude", "taylor"],
    batches: Iterable[Batch] = (),
    loss: Callable[[PreTrainedModel, Batch], torch.Tensor] | None = None,
) -> Scores:
    """Return a score of each unit; the lowest go first.

    - ``magnitude``: the root mean square of all its weights and biases.
    - ``taylor``: ``|sum of w * dL/dw|`` over its weights and biases, averaged over the batches: how much the loss would
      change, to first order, if they were zero (Molchanov et al. 2019, arXiv 1906.10771, with the weights of a unit
      taken together). It is divided by their number, because a budget counts parameters: a head of 50,000 may cost more
      loss than a neuron of 800. Weights in and out of a unit count both.

    Scores of all groups are compared as they are, because a change of the loss means the same in every layer. Dividing
    those of each layer by their norm first, as Molchanov et al. 2016 (arXiv 1611.06440) do, takes about as much from a
    layer that matters as from one that does not.

    Args:
        model: on the CPU; it is in evaluation mode afterwards, its gradients are as before.
        groups: of :func:`~edgekd.compress.prune.structure.find_groups`.
        method: what is measured.
        batches: texts with what the loss needs; small batches tell more, because texts that pull in opposite
            directions cancel within a batch.
        loss: mean loss of a batch. It must not be at its minimum: a model compared with its own logits has no
            gradient, so the true labels must have a part in it.

    Raises:
        InvalidArtifact: when the gradient is zero everywhere or not finite.
    """
    model.eval()
    names = {piece.name for group in groups for piece in group.slices}
    ones = {name: torch.ones_like(model.get_parameter(name)) for name in names}
    sizes = {group.name: by_unit(group, ones) for group in groups}
    if method == "magnitude":
        squares = {name: model.get_parameter(name).detach().double().square() for name in names}
        return {group.name: (by_unit(group, squares) / sizes[group.name]).sqrt().numpy() for group in groups}
    assert loss is not None
    total = {group.name: torch.zeros(group.count, dtype=torch.float64) for group in groups}
    parameters = {name: model.get_parameter(name) for name in sorted(names)}
    frozen = [parameter for parameter in parameters.values() if not parameter.requires_grad]
    count = 0
    try:
        for parameter in frozen:
            parameter.requires_grad_(True)
        for batch in batches:
            gradients = torch.autograd.grad(loss(model, batch), list(parameters.values()))
            products = {
                name: (parameter.detach() * gradient).double()
                for (name, parameter), gradient in zip(parameters.items(), gradients, strict=True)
            }
            for group in groups:
                total[group.name] += by_unit(group, products).abs()
            count += 1
    finally:
        for parameter in frozen:
            parameter.requires_grad_(False)
    scores = {name: (values / (max(1, count) * sizes[name])).numpy() for name, values in total.items()}
    if not all(np.isfinite(values).all() for values in scores.values()):
        raise InvalidArtifact("The gradient of the loss is not finite, so no unit can be judged by it.")
    if not any(values.any() for values in scores.values()):
        raise InvalidArtifact(
            "The loss does not change with any unit on the calibration texts, so none can be judged by it.",
            hint="Use importance: magnitude, or give true labels a part in the loss (alpha above 0).",
        )
    return scores


def by_unit(group: Group, tensors: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Return the sum over all that belongs to each unit ``(count,)``; ``tensors`` have the shapes of the parameters."""
    result = torch.zeros(group.count, dtype=torch.float64)
    for piece in group.slices:
        part = tensors[piece.name].narrow(piece.axis, piece.offset, group.count * piece.rows)
        result += part.movedim(piece.axis, 0).reshape(group.count, -1).sum(dim=1)
    return result
