"""Convolutions of a graph in int8: ``QuantizeLinear`` and ``DequantizeLinear`` around each, which runs as one operator.

Unlike linear maps they are rewritten after the export, because the exporter moves padding into a convolution only when
nothing stands between the two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import helper, numpy_helper

from edgekd.compress.graph import array, consumers, drop_unused, initializers
from edgekd.errors import InvalidArtifact

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

    from edgekd.compress.fake_quant import QuantConv1d, RoundedValues


def quantize_convolution(model: ModelProto, name: str, layer: QuantConv1d) -> None:
    """Give the convolution whose weights are ``NAME.weight`` int8 inputs, weights and outputs, in place.

    Raises:
        InvalidArtifact: when the graph has no such convolution.
    """
    nodes = list(model.graph.node)
    places = [i for i, node in enumerate(nodes) if node.op_type == "Conv" and node.input[1] == f"{name}.weight"]
    if len(places) != 1:
        raise InvalidArtifact(f"The exported graph has {len(places)} convolutions with the weights '{name}.weight'.")
    position, node = places[0], nodes[places[0]]
    scale, _ = layer.inputs.grid()
    integers, weight_scale = layer.rounding.weight_integers(layer.weight)
    axis = {"axis": 0} if layer.rounding.per_channel else {}
    constants = {
        f"{name}.weight_int8": integers.cpu().numpy(),
        f"{name}.weight_scale": weight_scale.cpu().numpy(),
        f"{name}.weight_zero_point": np.zeros(weight_scale.shape, np.int8),
    }
    before = [_dequantize(f"{name}.weight", ["int8", "scale", "zero_point"], **axis)]
    rounded = _already_rounded(model, node.input[0], layer.inputs)
    if rounded is None:
        rounded = f"{name}.inputs_rounded"
        before += _rounded(f"{name}.inputs", node.input[0], rounded, layer.inputs, constants)
    node.input[0], node.input[1] = rounded, f"{name}.weight_rounded"
    if layer.bias is not None:
        # ONNX Runtime wants the bias as int32 in the scale of the products.
        bias_scale = (scale * weight_scale).cpu().numpy()
        constants[f"{name}.bias_int32"] = np.rint(layer.bias.detach().cpu().numpy() / bias_scale).astype(np.int32)
        constants[f"{name}.bias_scale"] = bias_scale
        before.append(_dequantize(f"{name}.bias", ["int32", "scale"], **axis))
        node.input[2] = f"{name}.bias_rounded"
    output = node.output[0]
    node.output[0] = f"{output}_exact"
    after = _rounded(f"{name}.outputs", node.output[0], output, layer.outputs, constants)
    model.graph.initializer.extend(numpy_helper.from_array(np.asarray(value), key) for key, value in constants.items())
    del model.graph.node[:]
    model.graph.node.extend([*nodes[:position], *before, node, *after, *nodes[position + 1 :]])
    drop_unused(model)


def _already_rounded(model: ModelProto, source: str, values: RoundedValues) -> str | None:
    """Return what another convolution made of the same values on the same grid, if there is one."""
    wanted = [part.item() for part in values.grid()]
    constants, readers = initializers(model), consumers(model)
    for node in readers.get(source, []):
        if node.op_type == "QuantizeLinear" and [array(constants[name]).item() for name in node.input[1:]] == wanted:
            return str(readers[node.output[0]][0].output[0])
    return None


def _rounded(
    name: str, source: str, target: str, values: RoundedValues, constants: dict[str, np.ndarray[Any, Any]]
) -> list[NodeProto]:
    """Return the two nodes that round ``source`` into ``target``, and add their grid to the constants."""
    scale, zero_point = values.grid()
    kind = np.int8 if values.rounding.activation == "int8" else np.uint8
    constants[f"{name}_scale"] = scale.cpu().numpy()
    constants[f"{name}_zero_point"] = zero_point.cpu().numpy().astype(kind)
    grid = [f"{name}_scale", f"{name}_zero_point"]
    return [
        helper.make_node("QuantizeLinear", [source, *grid], [f"{name}_integers"], name=f"{name}_quantize"),
        helper.make_node("DequantizeLinear", [f"{name}_integers", *grid], [target], name=f"{name}_dequantize"),
    ]


def _dequantize(name: str, parts: list[str], **attributes: int) -> NodeProto:
    inputs = [f"{name}_{part}" for part in parts]
    return helper.make_node("DequantizeLinear", inputs, [f"{name}_rounded"], name=f"{name}_dequantize", **attributes)
