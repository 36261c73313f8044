"""Read inner representations of any model while it runs, with forward hooks: nothing is asked of the model's code.

The hooks exist only while a batch is recorded, so that a model that is evaluated, copied or saved has none.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from torch import nn

from edgekd.errors import ConfigError
from edgekd.student.base import classifier_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor
    from torch.utils.hooks import RemovableHandle
    from transformers import PreTrainedModel

# What the families call the linear maps to queries, keys and values inside a layer.
QUERY_KEY_VALUE = (
    ("query", "q_lin", "q_proj", "query_proj"),
    ("key", "k_lin", "k_proj", "key_proj"),
    ("value", "v_lin", "v_proj", "value_proj"),
)


@dataclass(frozen=True)
class Wanted:
    """What to record: outputs of layers, queries, keys and values of layers, the sentence vector."""

    hidden: frozenset[int] = frozenset()
    attention: frozenset[int] = frozenset()
    sentence: bool = False


@dataclass
class Features:
    """What was recorded of one batch, by layer index.

    Shapes: hidden ``(batch, tokens, width)``; query, key, value ``(batch, tokens, heads * size)``, not yet cut into
    heads; sentence ``(batch, width)``, the input of the classifier before its dropout.
    """

    hidden: dict[int, Tensor] = field(default_factory=dict)
    query: dict[int, Tensor] = field(default_factory=dict)
    key: dict[int, Tensor] = field(default_factory=dict)
    value: dict[int, Tensor] = field(default_factory=dict)
    sentence: Tensor | None = None


def find_layers(model: PreTrainedModel, who: str) -> list[nn.Module]:
    """Return the layers: the children of the one module list that is as long as the configuration says.

    Args:
        model: teacher or student.
        who: "teacher" or "student", for the message.

    Raises:
        ConfigError: when the model has no layers, or they cannot be told apart.
    """
    count = getattr(model.config, "num_hidden_layers", None)
    stacks = [m for m in model.modules() if isinstance(m, nn.ModuleList) and len(m) == count]
    if len(stacks) != 1:
        raise ConfigError(
            f"The {who} (type '{model.config.model_type}') has no transformer layers to compare.",
            hint="Feature losses without layers: cosine, contrastive, rkd.",
        )
    return list(stacks[0])


def find_query_key_value(layer: nn.Module, who: str) -> tuple[nn.Linear, nn.Linear, nn.Linear]:
    """Return the linear maps to queries, keys and values of a layer.

    Raises:
        ConfigError: when the family computes them in another way.
    """
    linears = [(name.rpartition(".")[2], m) for name, m in layer.named_modules() if isinstance(m, nn.Linear)]
    found = [[module for name, module in linears if name in names] for names in QUERY_KEY_VALUE]
    if any(len(modules) != 1 for modules in found):
        raise ConfigError(
            f"Cannot find queries, keys and values in the {who}'s layers ({type(layer).__name__}).",
            hint="Use the feature loss 'hidden', or a model of the BERT, RoBERTa, DistilBERT or ELECTRA family.",
        )
    query, key, value = (modules[0] for modules in found)
    return query, key, value


def find_classifier(model: PreTrainedModel, who: str) -> nn.Linear:
    """Return the last linear map, whose input is the sentence vector.

    Raises:
        ConfigError: when there is none.
    """
    try:
        return classifier_of(model)[1]
    except ConfigError as error:
        raise ConfigError(
            f"The {who} (type '{model.config.model_type}') has no linear classifier, so no sentence vector to compare.",
            hint="Remove the feature losses cosine, contrastive, rkd.",
        ) from error


def _first(output: Any) -> Tensor:
    """Return what a module gives to the next one: layers of some families return a tuple."""
    return output[0] if isinstance(output, tuple) else output


@contextmanager
def record(model: PreTrainedModel, wanted: Wanted, who: str = "student") -> Iterator[Features]:
    """Record the next forward pass of ``model`` within the block.

    Raises:
        ConfigError: when the model does not have what is wanted.
    """
    features = Features()

    def keep(place: dict[int, Tensor], index: int) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            place[index] = _first(output)

        return hook

    layers = find_layers(model, who) if wanted.hidden or wanted.attention else []
    handles: list[RemovableHandle] = []
    try:
        handles += [layers[index].register_forward_hook(keep(features.hidden, index)) for index in wanted.hidden]
        for index in wanted.attention:
            maps = find_query_key_value(layers[index], who)
            places = (features.query, features.key, features.value)
            handles += [m.register_forward_hook(keep(place, index)) for m, place in zip(maps, places, strict=True)]
        if wanted.sentence:
            handles += _record_sentence(model, features, who)
        yield features
    finally:
        for handle in handles:
            handle.remove()


def _record_sentence(model: PreTrainedModel, features: Features, who: str) -> list[RemovableHandle]:
    """Keep the classifier's input; where a dropout made it, the dropout's input, which is not noisy."""
    classifier = find_classifier(model, who)
    last_dropout: list[tuple[Tensor, Tensor]] = []

    def after_dropout(_module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        last_dropout[:] = [(inputs[0], output)]

    def before_classifier(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        vector = inputs[0]
        if last_dropout and last_dropout[0][1] is vector:
            vector = last_dropout[0][0]
        features.sentence = vector

    handles = [m.register_forward_hook(after_dropout) for m in model.modules() if isinstance(m, nn.Dropout)]
    return [*handles, classifier.register_forward_pre_hook(before_classifier)]
