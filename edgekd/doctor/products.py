"""Chains of matrix products as ONNX models, one for each way of computing them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekd.doctor import onnx_file
from edgekd.doctor.onnx_file import FLOAT, FLOAT16, INT32, UINT8, Node

if TYPE_CHECKING:
    from numpy.typing import NDArray

PRODUCTS = 4  # one after another in a model, so that starting it counts less
RANGE = 5.0  # of inputs and outputs of each product, which are normally distributed
FP16_FLAGS = frozenset({"asimdhp", "fphp"})
SEED = 0


@dataclass(frozen=True)
class Flavour:
    """A way of computing a product.

    Args:
        name: as in data sheets: sign of the activations, sign of the weights, scales.
        activation: "uint8" or "int8"; empty for floating point.
        weight: the same.
        form: "float", "half", "dynamic" (activations are quantized when they come) or "qdq" (scales are known).
        per_channel: one scale for each column of the weights.
    """

    name: str
    activation: str = ""
    weight: str = ""
    form: str = "float"
    per_channel: bool = False


FP32 = Flavour("fp32")
FLAVOURS = (
    FP32,
    Flavour("U8S8", "uint8", "int8", "dynamic"),
    Flavour("U8S8 per channel", "uint8", "int8", "dynamic", per_channel=True),
    Flavour("U8U8", "uint8", "uint8", "dynamic"),
    Flavour("U8S8 QDQ", "uint8", "int8", "qdq"),
    Flavour("S8S8 QDQ", "int8", "int8", "qdq"),
    Flavour("fp16", form="half"),
)


def flavours_for(isa: list[str]) -> list[Flavour]:
    """Return what is worth trying on a processor: half precision only where it computes in it."""
    return [one for one in FLAVOURS if one.form != "half" or FP16_FLAGS & set(isa)]


def some_input(rows: int, width: int) -> NDArray[np.float32]:
    """Return normally distributed numbers, the same each time."""
    return np.random.default_rng(SEED + 1).standard_normal((rows, width)).astype(np.float32)


def chain(flavour: Flavour, rows: int, width: int) -> bytes:
    """Return a model that multiplies ``x`` (rows, width) with four square matrices; ``y`` has the same shape."""
    random = np.random.default_rng(SEED)
    scale = np.float32(np.sqrt(width))
    matrices = [random.standard_normal((width, width)).astype(np.float32) / scale for _ in range(PRODUCTS)]
    build = {"float": _float, "half": _half, "dynamic": _dynamic, "qdq": _qdq}[flavour.form]
    nodes, weights = build(flavour, matrices)
    return onnx_file.model(nodes, weights, ("x", FLOAT, (rows, width)), ("y", FLOAT, (rows, width)))


Parts = tuple[list[Node], dict[str, "NDArray[Any]"]]


def _float(_: Flavour, matrices: list[NDArray[np.float32]]) -> Parts:
    nodes = [Node("MatMul", (_name(i), f"w{i}"), (_name(i + 1),)) for i in range(len(matrices))]
    return _ending(nodes), {f"w{i}": matrix for i, matrix in enumerate(matrices)}


def _half(flavour: Flavour, matrices: list[NDArray[np.float32]]) -> Parts:
    nodes, _ = _float(flavour, matrices)
    first, last = nodes[0], nodes[-1]
    nodes[0] = Node(first.operator, ("half", *first.inputs[1:]), first.outputs)
    nodes[-1] = Node(last.operator, last.inputs, ("result",))
    cast_in = Node("Cast", ("x",), ("half",), {"to": FLOAT16})
    cast_out = Node("Cast", ("result",), ("y",), {"to": FLOAT})
    return [cast_in, *nodes, cast_out], {f"w{i}": matrix.astype(np.float16) for i, matrix in enumerate(matrices)}


def _dynamic(flavour: Flavour, matrices: list[NDArray[np.float32]]) -> Parts:
    """As onnxruntime's dynamic quantization writes it; the runtime makes one operator of each group."""
    nodes: list[Node] = []
    weights: dict[str, NDArray[Any]] = {}
    for i, matrix in enumerate(matrices):
        weights[f"w{i}"], weights[f"ws{i}"], weights[f"wz{i}"] = quantize(matrix, flavour.weight, flavour.per_channel)
        nodes += [
            Node("DynamicQuantizeLinear", (_name(i),), (f"q{i}", f"s{i}", f"z{i}")),
            Node("MatMulInteger", (f"q{i}", f"w{i}", f"z{i}", f"wz{i}"), (f"p{i}",)),
            Node("Cast", (f"p{i}",), (f"f{i}",), {"to": FLOAT}),
            Node("Mul", (f"s{i}", f"ws{i}"), (f"m{i}",)),
            Node("Mul", (f"f{i}", f"m{i}"), (_name(i + 1),)),
        ]
    return _ending(nodes), weights


def _qdq(flavour: Flavour, matrices: list[NDArray[np.float32]]) -> Parts:
    """With known ranges; the runtime makes an integer product of what stands between the pairs."""
    zero = np.uint8(128) if flavour.activation == "uint8" else np.int8(0)
    weights: dict[str, NDArray[Any]] = {"s": np.array(RANGE / 127, np.float32), "z": np.array(zero)}
    nodes = [Node("QuantizeLinear", ("x", "s", "z"), ("q0",))]
    for i, matrix in enumerate(matrices):
        weights[f"w{i}"], weights[f"ws{i}"], weights[f"wz{i}"] = quantize(matrix, flavour.weight, flavour.per_channel)
        nodes += [
            Node("DequantizeLinear", (f"q{i}", "s", "z"), (f"a{i}",)),
            Node("DequantizeLinear", (f"w{i}", f"ws{i}", f"wz{i}"), (f"b{i}",)),
            Node("MatMul", (f"a{i}", f"b{i}"), (f"p{i}",)),
            Node("QuantizeLinear", (f"p{i}", "s", "z"), (f"q{i + 1}",)),
        ]
    nodes.append(Node("DequantizeLinear", (f"q{len(matrices)}", "s", "z"), ("y",)))
    return nodes, weights


def quantize(
    matrix: NDArray[np.float32], weight: str, per_channel: bool
) -> tuple[NDArray[Any], NDArray[np.float32], NDArray[Any]]:
    """Return a matrix in 8 bits, symmetric around zero, with its scale and its zero point.

    Args:
        matrix: (inputs, outputs).
        weight: "int8", or "uint8" with the zero in the middle.
        per_channel: a scale for each output.
    """
    scale = np.abs(matrix).max(axis=0 if per_channel else None) / np.float32(127)
    rounded = np.rint(matrix / scale)
    kind, middle = (np.uint8, 128) if weight == "uint8" else (np.int8, 0)
    zeros = np.full(np.shape(scale), middle, kind)
    return (rounded + middle).astype(kind), np.asarray(scale, np.float32), zeros


def extreme_product() -> tuple[bytes, NDArray[np.uint8], int]:
    """Return a model of one integer product, its input, and what every sum must be.

    The largest values of each type: two products of 255 and 127 do not fit into 16 bits, where x86 without VNNI adds
    them (onnxruntime's documentation, quantization.md).
    """
    width = 64
    weights = {"w": np.full((width, width), 127, np.int8)}
    nodes = [Node("MatMulInteger", ("x", "w"), ("y",))]
    data = onnx_file.model(nodes, weights, ("x", UINT8, (4, width)), ("y", INT32, (4, width)))
    return data, np.full((4, width), 255, np.uint8), 255 * 127 * width


def _name(index: int) -> str:
    return "x" if index == 0 else f"h{index}"


def _ending(nodes: list[Node]) -> list[Node]:
    """Let the last operator write the output."""
    last = nodes[-1]
    return [*nodes[:-1], Node(last.operator, last.inputs, ("y",), last.attributes)]
