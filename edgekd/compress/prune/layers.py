"""Removing whole layers of a transformer: those first that the score misses least."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgekd.compress.prune.shape import write_shape
from edgekd.compress.prune.structure import encoder_stack
from edgekd.errors import NotApplicable
from edgekd.student.cut import cut_layers

if TYPE_CHECKING:
    from collections.abc import Callable

    from transformers import PreTrainedModel


def leave_one_out(model: PreTrainedModel, score: Callable[[PreTrainedModel], float]) -> list[float]:
    """Return the score without each of the layers, in their order.

    Raises:
        NotApplicable: when the model has no layers that can go.
    """
    count = _count(model)
    return [score(_without(model, index)) for index in range(count)]


def drop_layers(
    model: PreTrainedModel, keep_count: int, score: Callable[[PreTrainedModel], float]
) -> tuple[PreTrainedModel, dict[str, Any]]:
    """Return a copy of a transformer with so many layers, and what was found on the way.

    The layer without which the score is best goes, then the next is looked for among the others (greedily, because the
    use of a layer depends on those around it). Of equal ones the last goes, which changes what is below it least.

    Args:
        model: on the CPU.
        keep_count: layers that stay.
        score: higher is better.

    Returns:
        The model, and ``{"kept": indexes, "score": before, "dropped": [{"layer", "score", "others"}...]}``, plain JSON
        types: the score without that layer, and without each other one instead.

    Raises:
        NotApplicable: when the model has no layers that can go, or not more than that.
    """
    count = _count(model)
    if keep_count >= count:
        raise NotApplicable(f"The model has {count} layers, so with layers: {keep_count} there is none to remove.")
    left = list(range(count))
    record: dict[str, Any] = {"score": score(model), "dropped": []}
    while len(left) > keep_count:
        scores = leave_one_out(model, score)
        worst = max(range(len(left)), key=lambda index: (scores[index], index))
        model = _without(model, worst)
        others = {str(layer): value for layer, value in zip(left, scores, strict=True) if layer != left[worst]}
        record["dropped"].append({"layer": left.pop(worst), "score": scores[worst], "others": others})
    return model, {"kept": left, **record}


def _count(model: PreTrainedModel) -> int:
    stack = encoder_stack(model)
    if stack is None:
        raise NotApplicable(
            f"A model of type '{model.config.model_type}' has no layers of one shape to remove; transformers have."
        )
    return len(stack[1])


def _without(model: PreTrainedModel, layer: int) -> PreTrainedModel:
    smaller = cut_layers(model, [index for index in range(_count(model)) if index != layer])
    write_shape(smaller)  # a record names layers by their number
    return smaller.eval()
