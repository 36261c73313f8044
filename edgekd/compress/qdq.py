"""A model that was trained with int8 rounding, as an ONNX graph that runs in int8.

Each linear map becomes ``QuantizeLinear -> DequantizeLinear -> MatMul <- DequantizeLinear <- int8 weights``, then the
bias. ONNX Runtime makes one ``MatMulIntegerToFloat`` of the middle; TensorRT and OpenVINO read the same pattern.
Convolutions: :mod:`edgekd.compress.qdq_conv`.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from edgekd.compress.embeddings import rewrite_tables
from edgekd.compress.fake_quant import QuantConv1d, QuantEmbedding, QuantLinear, round_rows
from edgekd.compress.graph import load, save
from edgekd.compress.qat import as_convolution, quantized_layers, value_ranges
from edgekd.compress.qdq_conv import quantize_convolution
from edgekd.errors import InvalidArtifact
from edgekd.export.onnx import export_onnx

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from transformers import PreTrainedModel


class QdqLinear(nn.Module):
    """A linear map as ONNX operators; it only exists while a graph is made."""

    weight: torch.Tensor
    weight_scale: torch.Tensor
    weight_zero_point: torch.Tensor
    scale: torch.Tensor
    zero_point: torch.Tensor
    bias: torch.Tensor | None

    def __init__(self, layer: QuantLinear) -> None:
        super().__init__()
        self.per_channel = layer.rounding.per_channel
        self.activation = torch.int8 if layer.rounding.activation == "int8" else torch.uint8
        integers, weight_scale = layer.rounding.weight_integers(layer.weight)
        scale, zero_point = layer.inputs.grid()
        self.register_buffer("weight", integers.t().contiguous())  # MatMul wants (inputs, outputs)
        self.register_buffer("weight_scale", weight_scale)
        self.register_buffer("weight_zero_point", torch.zeros_like(weight_scale, dtype=torch.int8))
        self.register_buffer("scale", scale)
        self.register_buffer("zero_point", zero_point.to(self.activation))
        self.register_buffer("bias", None if layer.bias is None else layer.bias.detach().clone())

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return ``(..., outputs)`` for ``(..., inputs)``."""
        if values.dim() == 2:
            # ONNX Runtime makes one operator without int8 of a product of two matrices, a bias and a ReLU; a product of
            # three dimensions it leaves alone.
            return self(values.unsqueeze(0)).squeeze(0)
        grid = (self.scale, self.zero_point)
        integers = _node("QuantizeLinear", (values, *grid), self.activation, values.shape)
        rounded = _node("DequantizeLinear", (integers, *grid), torch.float32, values.shape)
        grid = (self.weight_scale, self.weight_zero_point)
        axis = {"axis": 1} if self.per_channel else {}
        weight = _node("DequantizeLinear", (self.weight, *grid), torch.float32, self.weight.shape, **axis)
        products = torch.matmul(rounded, weight)
        return products if self.bias is None else products + self.bias


def _node(
    operator: str, inputs: tuple[torch.Tensor, ...], dtype: torch.dtype, shape: Sequence[Any], **attributes: int
) -> torch.Tensor:
    return torch.onnx.ops.symbolic(operator, inputs, attributes, dtype=dtype, shape=shape)


def export_qdq(model: PreTrainedModel, path: Path, *, opset: int) -> None:
    """Write a prepared, trained model as an ONNX graph with int8 weights, see :func:`edgekd.export.onnx.export_onnx`.

    Values that fall on the edge between two steps may go the other way than in torch, so a few logits differ by about
    what one rounding changes; the others agree to fp32 precision.

    With int8 instead of uint8 activations, x86 runs only layers in int8 that share their input with no other, and no
    convolutions; ARM and TensorRT run all.

    Raises:
        InvalidArtifact: when the model does not round, or saw no batch in training.
    """
    layers = quantized_layers(model)
    if not layers:
        raise InvalidArtifact("The model does not round to int8, so there is no int8 graph of it.")
    unseen = [name for name, values in value_ranges(model).items() if not int(values.seen)]
    if unseen:
        raise InvalidArtifact(f"'{unseen[0]}' saw no batch in training, so its range is not known.")
    export_onnx(_for_graph(model), path, opset=opset)
    graph = load(path)
    for name, layer in layers.items():
        if isinstance(layer, QuantConv1d):
            quantize_convolution(graph, f"model.{name}", layer)
    rewrite_tables(graph, bits=8)
    save(graph, path)


def _for_graph(model: PreTrainedModel) -> PreTrainedModel:
    """Return a copy whose layers are ONNX operators; token vectors are fp32 numbers on their int8 grid."""
    model = copy.deepcopy(model).to("cpu").eval()
    for name, module in list(model.named_modules(remove_duplicate=False)):
        if isinstance(module, QuantLinear):
            model.set_submodule(name, QdqLinear(module))
        elif isinstance(module, QuantConv1d):
            model.set_submodule(name, as_convolution(module))
        elif isinstance(module, QuantEmbedding):
            rows = round_rows(module.weight.detach())
            table = nn.Embedding(module.num_embeddings, module.embedding_dim, module.padding_idx, _weight=rows)
            model.set_submodule(name, table.eval())
    return model
