"""Quantization-aware training: a model's layers round as int8 will, so training finds weights that stand it.

Data flow: trained model -> :func:`prepare` -> training as always (:mod:`edgekd.training`) -> a folder
(``save_pretrained``) -> opened as any model, and :func:`restore` -> :func:`edgekd.compress.qdq.export_qdq`. Names of
weights stay as they were; ranges of activations come along as buffers.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from safetensors import safe_open
from torch import nn

from edgekd.compress.fake_quant import QuantConv1d, QuantEmbedding, QuantLinear, RoundedValues, Rounding
from edgekd.compress.graph import MIN_VALUES
from edgekd.errors import InvalidArtifact, NotApplicable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from transformers import PreTrainedConfig, PreTrainedModel

    from edgekd.devices import Int8

CONFIG_KEY = "edgekd_qat"  # in config.json of a model that was trained so
MIN_WIDTH = 64  # of a matrix; below, the nodes that round cost about what int8 saves
MIN_ROW = 4  # a narrower row hardly shrinks when it gets a scale of its own
FOLLOWED_SHARE = 0.5  # of the training steps; ranges are fixed for the others
_LAYERS: dict[type, Any] = {nn.Linear: QuantLinear, nn.Conv1d: QuantConv1d}


def rounding_for(flavour: Int8, *, per_channel: bool) -> Rounding:
    """Return what a target's flavour of int8 rounds to; weights are always symmetric."""
    return Rounding(flavour.activation, 64 if flavour.reduce_range else 127, per_channel)


def prepare(model: PreTrainedModel, *, per_channel: bool, flavour: Int8, steps: int = 300) -> None:
    """Let a model round to int8 from now on, in place.

    Linear maps and convolutions whose matrices are at least 64 x 64 round weights and inputs, convolutions also what
    they give; tables of token vectors round each row. Recurrent layers, layer norms, the matrix products of attention
    and a narrow classifier stay fp32.

    Args:
        model: a trained classifier.
        per_channel: one scale for each output of a matrix.
        flavour: int8 of the target.
        steps: of the training; ranges follow the batches for the first half of it.

    Raises:
        NotApplicable: when it has no such matrix.
        InvalidArtifact: when it is prepared already.
    """
    if quantized_layers(model):
        raise InvalidArtifact("The model rounds to int8 already.")
    _insert(model, rounding_for(flavour, per_channel=per_channel), max(1, round(FOLLOWED_SHARE * steps)))


def _insert(model: PreTrainedModel, rounding: Rounding, followed: int) -> None:
    if not any(_is_wide(module) for module in model.modules()):
        raise NotApplicable(
            f"It has no linear map or convolution of at least {MIN_WIDTH} x {MIN_WIDTH}, so there is nothing to train "
            "for int8."
        )
    _replace(model, _is_wide, lambda module: _LAYERS[type(module)](module, rounding, followed))
    _replace(model, _is_table, QuantEmbedding)
    setattr(model.config, CONFIG_KEY, {**asdict(rounding), "followed_steps": followed})


def _is_wide(module: nn.Module) -> bool:
    # Exact types, because a subclass may compute something else.
    if type(module) is nn.Linear:
        shape = (module.in_features, module.out_features)
    elif type(module) is nn.Conv1d and module.padding_mode == "zeros" and module.groups == 1:
        shape = (module.in_channels * module.kernel_size[0], module.out_channels)
    else:
        return False
    return bool(min(shape) >= MIN_WIDTH)


def _is_table(module: nn.Module) -> bool:
    if type(module) is not nn.Embedding or module.embedding_dim < MIN_ROW:
        return False
    return bool(module.num_embeddings * module.embedding_dim >= MIN_VALUES)


def _replace(model: nn.Module, wanted: Callable[[nn.Module], bool], make: Callable[[Any], nn.Module]) -> None:
    """Put ``make(module)`` in the place of each wanted module; one that has several places gets one successor."""
    made: dict[nn.Module, nn.Module] = {}
    for name, module in list(model.named_modules(remove_duplicate=False)):
        if wanted(module):
            if module not in made:
                made[module] = make(module)
            model.set_submodule(name, made[module])


def quantized_layers(model: nn.Module) -> dict[str, QuantLinear | QuantConv1d]:
    """Return the linear maps and convolutions that round, by name."""
    return {name: module for name, module in model.named_modules() if isinstance(module, QuantLinear | QuantConv1d)}


def value_ranges(model: nn.Module) -> dict[str, RoundedValues]:
    """Return what rounds activations, by name: ``LAYER.inputs``, and for convolutions ``LAYER.outputs``."""
    return {name: module for name, module in model.named_modules() if isinstance(module, RoundedValues)}


def plain(model: PreTrainedModel) -> dict[str, tuple[float, float]]:
    """Take the rounding out again, in place; weights stay as trained.

    Returns:
        Smallest and largest value of each range, by the names of :func:`value_ranges`.
    """
    ranges = {name: (float(found.minimum), float(found.maximum)) for name, found in value_ranges(model).items()}
    _replace(model, lambda module: isinstance(module, QuantLinear), as_linear)
    _replace(model, lambda module: isinstance(module, QuantConv1d), as_convolution)
    _replace(model, lambda module: isinstance(module, QuantEmbedding), as_embedding)
    if hasattr(model.config, CONFIG_KEY):
        delattr(model.config, CONFIG_KEY)
    return ranges


def as_linear(layer: QuantLinear) -> nn.Linear:
    """Return the layer without rounding; it shares the parameters."""
    linear = nn.Linear(layer.in_features, layer.out_features, layer.bias is not None, device="meta")
    linear.weight, linear.bias = layer.weight, layer.bias
    return linear.train(layer.training)


def as_convolution(layer: QuantConv1d) -> nn.Conv1d:
    """Return the layer without rounding; it shares the parameters."""
    shape: Any = (layer.in_channels, layer.out_channels, layer.kernel_size, layer.stride, layer.padding, layer.dilation)
    convolution = nn.Conv1d(*shape, bias=layer.bias is not None, device="meta")
    convolution.weight, convolution.bias = layer.weight, layer.bias
    return convolution.train(layer.training)


def as_embedding(layer: QuantEmbedding) -> nn.Embedding:
    """Return the table without rounding; it shares the parameter."""
    embedding = nn.Embedding(
        layer.num_embeddings, layer.embedding_dim, layer.padding_idx, _weight=layer.weight.detach()
    )
    embedding.weight = layer.weight
    return embedding.train(layer.training)


def is_recorded(config: PreTrainedConfig) -> bool:
    """Return whether a model with this configuration was trained with rounding."""
    return bool(getattr(config, CONFIG_KEY, None))


def insert_recorded(model: PreTrainedModel) -> None:
    """Let a model round as its configuration says, in place; its ranges are still to be loaded."""
    settings = dict(getattr(model.config, CONFIG_KEY))
    followed = settings.pop("followed_steps")
    _insert(model, Rounding(**settings), followed)


def restore(model: PreTrainedModel, folder: Path) -> None:
    """Let a model that was just opened from ``folder`` round as it did when it was saved, in place.

    Raises:
        InvalidArtifact: when it was not trained so, or a range is missing.
    """
    if not is_recorded(model.config):
        raise InvalidArtifact(f"'{folder}' was not trained with int8 rounding (no {CONFIG_KEY} in its config.json).")
    insert_recorded(model)
    wanted = {
        f"{name}.{part}": buffer
        for name, values in value_ranges(model).items()
        for part, buffer in values.named_buffers()
    }
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            for name in wanted.keys() & set(file.keys()):
                wanted.pop(name).copy_(file.get_tensor(name))
    if wanted:
        raise InvalidArtifact(f"'{folder}' has no {min(wanted)}, so a range of int8 is not known.")
