"""Explicit int8 graphs as TensorRT reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import TensorProto, numpy_helper

if TYPE_CHECKING:
    from collections.abc import Mapping

    from onnx import ModelProto, NodeProto


def fold_biases(model: ModelProto) -> int:
    """Replace biases that are kept as 32-bit integers by their fp32 values; return how many there were.

    ONNX Runtime's quantizer writes a bias as int32 behind a DequantizeLinear; TensorRT dequantizes int8 alone. The
    value is the same: ``(integer - zero point) * scale``.
    """
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    folded = []
    for node in model.graph.node:
        source = constants.get(node.input[0]) if node.op_type == "DequantizeLinear" else None
        if source is None or source.data_type != TensorProto.INT32:
            continue
        scale = numpy_helper.to_array(constants[node.input[1]])
        value = numpy_helper.to_array(source).astype(np.float32)
        if len(node.input) > 2 and node.input[2]:
            value -= numpy_helper.to_array(constants[node.input[2]]).astype(np.float32)
        model.graph.initializer.append(numpy_helper.from_array((value * scale).astype(scale.dtype), node.output[0]))
        folded.append(node)
    for node in folded:
        model.graph.node.remove(node)
    drop_unused(model)
    return len(folded)


def widen_tables(model: ModelProto) -> int:
    """Turn int8 tables that rows are read from into fp32, with the same values; return how many there were.

    TensorRT reads int8 only behind QuantizeLinear or before DequantizeLinear, so it takes no rows out of such a table.
    """
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    readers: dict[str, list[NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    widened = 0
    for name, tensor in constants.items():
        gathers = readers.get(name, [])
        if tensor.data_type != TensorProto.INT8 or any(g.op_type != "Gather" or g.input[0] != name for g in gathers):
            continue
        conversions = [node for gather in gathers for node in readers.get(gather.output[0], [])]
        meanings = {_meaning(node, constants) for node in conversions}
        if len(meanings) != 1 or None in meanings:
            continue
        [(scale, point)] = [meaning for meaning in meanings if meaning is not None]
        values = (numpy_helper.to_array(tensor).astype(np.float32) - np.float32(point)) * np.float32(scale)
        tensor.CopyFrom(numpy_helper.from_array(values, name))
        for node in conversions:
            for reader in readers.get(node.output[0], []):
                reader.input[:] = [node.input[0] if entry == node.output[0] else entry for entry in reader.input]
            model.graph.node.remove(node)
        widened += 1
    drop_unused(model)
    return widened


def _meaning(node: NodeProto, constants: Mapping[str, TensorProto]) -> tuple[float, int] | None:
    """Return scale and zero point of a node that makes fp32 of int8; None when it is another one."""
    if node.op_type == "Cast" and node.attribute[0].i == TensorProto.FLOAT:
        return 1.0, 0
    if node.op_type != "DequantizeLinear" or any(constants[name].dims for name in node.input[1:]):
        return None
    scale, *point = (numpy_helper.to_array(constants[name]).item() for name in node.input[1:])
    return scale, int(point[0]) if point else 0


def drop_unused(model: ModelProto) -> None:
    """Remove constants that no node reads."""
    used = {name for node in model.graph.node for name in node.input}
    for tensor in [tensor for tensor in model.graph.initializer if tensor.name not in used]:
        model.graph.initializer.remove(tensor)
