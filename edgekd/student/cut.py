"""``transformer``: some layers of the teacher, whatever family it is from."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from optimum.utils import NormalizedConfigManager
from torch import nn

from edgekd.errors import ConfigError

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def layer_count(teacher: PreTrainedModel) -> int:
    """Return the teacher's number of encoder layers, by the name its family uses for it."""
    try:
        normalized = NormalizedConfigManager.get_normalized_config_class(teacher.config.model_type)
        return int(normalized(teacher.config).num_layers)
    except (KeyError, AttributeError) as error:
        raise ConfigError(
            f"Cannot cut layers from a teacher of type '{teacher.config.model_type}'.",
            hint="Use a 'bag' or 'cnn' student, or a teacher of the BERT, DistilBERT, RoBERTa or ELECTRA family.",
        ) from error


def choose_layers(layers: list[int] | int | None, available: int) -> list[int]:
    """Return the indexes of the kept layers.

    A number ``k`` keeps ``k`` layers spread evenly with the last one among them, so that the classifier reads what
    it was trained on; the default is half of the layers.

    Raises:
        ConfigError: when a layer does not exist, is repeated, or too many are asked for.
    """
    if layers is None:
        layers = max(1, available // 2)
    if isinstance(layers, int):
        if not 1 <= layers <= available:
            raise ConfigError(f"layers: {layers} is not between 1 and the teacher's {available}.")
        return [(i + 1) * available // layers - 1 for i in range(layers)]
    wrong = [index for index in layers if not 0 <= index < available]
    if wrong or not layers or len(set(layers)) != len(layers):
        raise ConfigError(f"layers: {layers} must be distinct numbers from 0 to {available - 1}.")
    return sorted(layers)


def cut_layers(teacher: PreTrainedModel, keep: list[int]) -> PreTrainedModel:
    """Return a copy of the teacher with only the layers ``keep``."""
    student = copy.deepcopy(teacher)
    total = layer_count(teacher)
    stacks = [
        (parent, name, child)
        for parent in student.modules()
        for name, child in parent.named_children()
        if isinstance(child, nn.ModuleList) and len(child) == total
    ]
    if len(stacks) != 1:
        raise ConfigError(f"Cannot find the layers of a teacher of type '{teacher.config.model_type}'.")
    parent, name, stack = stacks[0]
    setattr(parent, name, nn.ModuleList(stack[index] for index in keep))
    normalized = NormalizedConfigManager.get_normalized_config_class(teacher.config.model_type)
    setattr(student.config, normalized(student.config).NUM_LAYERS, len(keep))
    return student
