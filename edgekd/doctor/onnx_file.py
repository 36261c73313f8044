"""Writes small ONNX models without the package ``onnx``, which a board does not have.

A model is a protocol buffer; the field numbers are those of ``onnx/onnx.proto`` (github.com/onnx/onnx). Only what the
micro-test needs is here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

IR_VERSION = 8  # read by onnxruntime since 1.10
OPSET = 15
FLOAT, UINT8, INT8, INT32, FLOAT16 = 1, 2, 3, 6, 10  # TensorProto.DataType
TYPES = {np.dtype(np.float32): FLOAT, np.dtype(np.uint8): UINT8, np.dtype(np.int8): INT8, np.dtype(np.float16): FLOAT16}
_ATTRIBUTE_INT = 2  # AttributeProto.AttributeType


@dataclass(frozen=True)
class Node:
    """One operator of the standard set."""

    operator: str
    inputs: Sequence[str]
    outputs: Sequence[str]
    attributes: Mapping[str, int] | None = None


def varint(value: int) -> bytes:
    """Write a whole number that is not negative, seven bits a byte, the lowest first."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def number(field: int, value: int) -> bytes:
    """Write a field that holds a whole number."""
    return varint(field << 3) + varint(value)


def nested(field: int, value: bytes | str) -> bytes:
    """Write a field that holds a text, bytes, or another message."""
    data = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(data)) + data


def _tensor(name: str, values: NDArray[Any]) -> bytes:
    dims = b"".join(number(1, size) for size in values.shape)
    raw = np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<")).tobytes()
    return dims + number(2, TYPES[values.dtype]) + nested(8, name) + nested(9, raw)


def _node(node: Node) -> bytes:
    parts = [nested(1, name) for name in node.inputs] + [nested(2, name) for name in node.outputs]
    parts.append(nested(4, node.operator))
    for name, value in (node.attributes or {}).items():
        parts.append(nested(5, nested(1, name) + number(3, value) + number(20, _ATTRIBUTE_INT)))
    return b"".join(parts)


def _value(name: str, kind: int, shape: Iterable[int]) -> bytes:
    sizes = b"".join(nested(1, number(1, size)) for size in shape)
    return nested(1, name) + nested(2, nested(1, number(1, kind) + nested(2, sizes)))


def model(
    nodes: Sequence[Node],
    weights: Mapping[str, NDArray[Any]],
    given: tuple[str, int, Sequence[int]],
    wanted: tuple[str, int, Sequence[int]],
) -> bytes:
    """Return an ONNX model with one input and one output.

    Args:
        nodes: operators, in an order in which they can run.
        weights: constant tensors by name.
        given: name, type and shape of the input.
        wanted: the same of the output.
    """
    graph = b"".join(nested(1, _node(node)) for node in nodes) + nested(2, "g")
    graph += b"".join(nested(5, _tensor(name, values)) for name, values in weights.items())
    graph += nested(11, _value(*given)) + nested(12, _value(*wanted))
    return number(1, IR_VERSION) + nested(2, "edgekd") + nested(7, graph) + nested(8, nested(1, "") + number(2, OPSET))
