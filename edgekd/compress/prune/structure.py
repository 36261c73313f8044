"""What can be removed from a model: groups of units, and which numbers belong to each unit."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optimum.utils import NormalizedConfigManager
from torch import nn

from edgekd.errors import NotApplicable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from transformers import PreTrainedModel

    from edgekd.steps import Units

UNIT_WORDS: dict[str, str] = {
    "heads": "attention heads",
    "ffn": "feed-forward neurons",
    "filters": "filters",
    "recurrent": "recurrent units",
    "hidden": "hidden neurons",
}
# Families whose attention finds the number of heads from the width of its matrices. In others (DeBERTa, MPNet) heads
# have parameters of their own elsewhere.
_HEAD_FAMILIES = ("bert", "distilbert", "roberta", "electra", "xlm-roberta", "camembert")
# The matrices of a layer, by the end of their names within it.
_HEADS_IN = r"(^|\.)(query|key|value|q_lin|k_lin|v_lin)$"
_HEADS_OUT = r"attention\.(output\.dense|out_lin)$"
_FFN_IN = r"^(intermediate\.dense|ffn\.lin1)$"
_FFN_OUT = r"^(output\.dense|ffn\.lin2)$"
GATES = {"lstm": 4, "gru": 3}


@dataclass(frozen=True)
class Slice:
    """A part of one parameter: unit ``i`` owns ``offset + i * rows`` up to ``rows`` further along ``axis``."""

    module: str
    parameter: str
    axis: int
    rows: int = 1
    offset: int = 0

    @property
    def name(self) -> str:
        """Of the parameter in the state dict."""
        return f"{self.module}.{self.parameter}"


@dataclass(frozen=True)
class Group:
    """Units of one kind in one place, each of which can go.

    Args:
        name: dotted path of the layer and the kind of unit, such as ``bert.encoder.layer.0.heads``.
        unit: their kind.
        count: how many there are.
        slices: what belongs to a unit, in and out of it, with its biases.
        tied: groups with the same name here must keep equally many units (both directions of a recurrent layer).
    """

    name: str
    unit: Units
    count: int
    slices: tuple[Slice, ...]
    tied: str

    @property
    def width(self) -> int:
        """Outputs of a matrix that a unit has: the size of a head, otherwise 1."""
        return self.slices[0].rows


def find_groups(model: PreTrainedModel, units: Sequence[Units] | None = None) -> list[Group]:
    """Return the groups of a model, in the order in which a text passes them.

    Args:
        model: a transformer (BERT, DistilBERT, RoBERTa or ELECTRA family; feed-forward neurons also of others that
            name their matrices alike) or a ``bag``, ``cnn``, ``bilstm`` or ``bigru``.
        units: kinds that are wanted; all if None.

    Raises:
        NotApplicable: when the model has none of them.
    """
    groups = all_groups(model)
    found = [group for group in groups if units is None or group.unit in units]
    if not found:
        wanted = " or ".join(UNIT_WORDS[unit] for unit in units or UNIT_WORDS)
        has = sorted({UNIT_WORDS[group.unit] for group in groups})
        raise NotApplicable(
            f"A model of type '{model.config.model_type}' has no {wanted} to remove"
            + (f"; it has {' and '.join(has)}." if has else ", nor any other units.")
        )
    return found


def all_groups(model: PreTrainedModel) -> list[Group]:
    """Return all groups of a model, or none."""
    return list(_FINDERS.get(model.config.model_type, _of_transformer)(model))


def encoder_stack(model: PreTrainedModel) -> tuple[str, nn.ModuleList] | None:
    """Return the dotted name and the list of a transformer's layers, or None when there is no such list."""
    try:
        names = NormalizedConfigManager.get_normalized_config_class(model.config.model_type)(model.config)
        total = int(names.num_layers)
    except (KeyError, AttributeError):
        return None
    stacks = [
        (name, part) for name, part in model.named_modules() if isinstance(part, nn.ModuleList) and len(part) == total
    ]
    return stacks[0] if len(stacks) == 1 else None


def hidden_and_heads(config: Any) -> tuple[int, int]:
    """Return the hidden size and the number of heads of a whole layer, by the names that the family uses for them."""
    names = NormalizedConfigManager.get_normalized_config_class(config.model_type)(config)
    return int(names.hidden_size), int(names.num_attention_heads)


def _of_transformer(model: PreTrainedModel) -> Iterator[Group]:
    stack = encoder_stack(model)
    if stack is None:
        return
    name, layers = stack
    hidden, count = hidden_and_heads(model.config)  # a head keeps its width when others go
    for index, layer in enumerate(layers):
        linear = {path: part for path, part in layer.named_modules() if isinstance(part, nn.Linear)}
        heads = _between(linear, _HEADS_IN, _HEADS_OUT) if model.config.model_type in _HEAD_FAMILIES else None
        ffn = _between(linear, _FFN_IN, _FFN_OUT)
        prefix = f"{name}.{index}"
        if heads is not None:
            yield _matrices(f"{prefix}.heads", "heads", prefix, *heads, linear, rows=hidden // count)
        if ffn is not None:
            yield _matrices(f"{prefix}.ffn", "ffn", prefix, *ffn, linear)


def _between(linear: dict[str, nn.Linear], into: str, out_of: str) -> tuple[list[str], str] | None:
    """Return the matrices that write a space and the one that reads it, when they fit each other."""
    writers = [path for path in linear if re.search(into, path)]
    readers = [path for path in linear if re.search(out_of, path)]
    if (
        len(readers) != 1
        or not writers
        or any(linear[w].out_features != linear[readers[0]].in_features for w in writers)
    ):
        return None
    return writers, readers[0]


def _matrices(
    name: str,
    unit: Units,
    prefix: str,
    writers: Sequence[str],
    reader: str,
    linear: dict[str, nn.Linear],
    *,
    rows: int = 1,
) -> Group:
    slices = []
    for path in writers:
        slices.append(Slice(f"{prefix}.{path}", "weight", 0, rows))
        if linear[path].bias is not None:
            slices.append(Slice(f"{prefix}.{path}", "bias", 0, rows))
    slices.append(Slice(f"{prefix}.{reader}", "weight", 1, rows))
    return Group(name, unit, linear[reader].in_features // rows, tuple(slices), name)


def _of_bag(model: PreTrainedModel) -> Iterator[Group]:
    slices = (Slice("hidden", "weight", 0), Slice("hidden", "bias", 0), Slice("classifier", "weight", 1))
    yield Group("hidden", "hidden", model.hidden.out_features, slices, "hidden")


def _of_cnn(model: PreTrainedModel) -> Iterator[Group]:
    offset = 0
    for index, convolution in enumerate(model.convolutions):
        name, count = f"convolutions.{index}", convolution.out_channels
        slices = (
            Slice(name, "weight", 0),
            Slice(name, "bias", 0),
            Slice("classifier", "weight", 1, offset=offset),
        )
        yield Group(f"{name}.filters", "filters", count, slices, name)
        offset += count


def _of_recurrent(model: PreTrainedModel) -> Iterator[Group]:
    """Yield both directions of each layer: a unit has a row of each gate, and a column wherever its state is read."""
    gates = GATES[model.config.cell]
    for index, layer in enumerate(model.layers):
        count = layer.hidden_dim
        for side, direction in enumerate(("onward", "backward_")):
            own = f"layers.{index}.{direction}"
            slices = [
                Slice(own, parameter, 0, offset=gate * count)
                for parameter in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
                for gate in range(gates)
            ]
            slices.append(Slice(own, "weight_hh_l0", 1))
            if index + 1 < len(model.layers):
                after = [f"layers.{index + 1}.{other}" for other in ("onward", "backward_")]
                slices += [Slice(reader, "weight_ih_l0", 1, offset=side * count) for reader in after]
            else:
                slices.append(Slice("classifier", "weight", 1, offset=side * count))
            yield Group(f"{own}.recurrent", "recurrent", count, tuple(slices), f"layers.{index}")


_FINDERS: dict[str, Callable[[PreTrainedModel], Iterator[Group]]] = {
    "edgekd-bag": _of_bag,
    "edgekd-cnn": _of_cnn,
    "edgekd-bilstm": _of_recurrent,
    "edgekd-bigru": _of_recurrent,
    "edgekd-linear": lambda _: iter(()),
}
