"""Would TensorRT's ONNX parser read a graph? Operators, types and restrictions against its documentation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgekd.errors import InvalidArtifact
from edgekd.export.tensorrt.operators import CONSTANT_INPUTS, DATA_INPUT, NEWEST_OPSET, SUPPORTED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from onnx import ModelProto, NodeProto

    from edgekd.runtime.shape_range import ShapeRange

LARGEST_FP16 = 65504.0
_INTEGERS = (TensorProto.INT32, TensorProto.INT64)


@dataclass
class Findings:
    """What was found in a graph, each a sentence."""

    problems: list[str] = field(default_factory=list)  # the parser refuses these
    notes: list[str] = field(default_factory=list)  # to be looked at on the board


def check_graph(model: ModelProto, precision: str) -> Findings:
    """Compare a graph with the parser's documentation.

    Args:
        model: with free or fixed shapes.
        precision: of the engine: "fp32", "fp16", "int8".
    """
    found = Findings()
    opsets = {entry.domain or "ai.onnx": entry.version for entry in model.opset_import}
    if opsets.get("ai.onnx", 0) > NEWEST_OPSET:
        found.problems.append(f"opset {opsets['ai.onnx']} is newer than {NEWEST_OPSET}, the newest that it reads")
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    constants |= {node.output[0]: node.attribute[0].t for node in model.graph.node if node.op_type == "Constant"}
    foreign = sorted({f"{n.domain}::{n.op_type}" for n in model.graph.node if n.domain not in ("", "ai.onnx")})
    if foreign:
        found.problems.append(f"{', '.join(foreign)}: ONNX Runtime's own; export the portable graph")
    types = _types(model)
    for node in model.graph.node:
        if node.domain in ("", "ai.onnx"):
            _check_node(node, types, constants, found)
    if precision != "fp32":
        large = sorted(name for name, tensor in constants.items() if _overflows(tensor))
        if large:
            found.notes.append(f"constants beyond the range of fp16, which it clips: {', '.join(large)}")
    quantized = any(node.op_type == "QuantizeLinear" for node in model.graph.node)
    if precision == "int8" and not quantized:
        found.problems.append("int8 needs QuantizeLinear/DequantizeLinear pairs in the graph, which it has not")
    if precision != "int8" and quantized:
        found.problems.append(f"the graph is quantized to int8, and {precision} was asked for")
    found.problems = list(dict.fromkeys(found.problems))
    found.notes = list(dict.fromkeys(found.notes))
    return found


def check_shapes(model: ModelProto, shapes: ShapeRange) -> None:
    """Infer all shapes of a graph for the smallest, usual and largest input.

    Raises:
        InvalidArtifact: when they do not fit together, or the output is not one row of logits a text.
    """
    for count, length in (shapes.smallest, shapes.usual, shapes.largest):
        sized = onnx.ModelProto()
        sized.CopyFrom(model)
        del sized.graph.value_info[:]
        for entry in sized.graph.input:
            for dim, size in zip(entry.type.tensor_type.shape.dim, (count, length), strict=True):
                dim.dim_value = size
        for entry in sized.graph.output:
            entry.type.tensor_type.ClearField("shape")
        try:
            inferred = onnx.shape_inference.infer_shapes(sized, check_type=True, strict_mode=True, data_prop=True)
        except onnx.shape_inference.InferenceError as error:
            raise InvalidArtifact(f"The graph does not take {count} texts of {length} tokens: {error}") from error
        [output] = inferred.graph.output
        dims = output.type.tensor_type.shape.dim
        if len(dims) != 2 or (dims[0].HasField("dim_value") and dims[0].dim_value != count):
            found = [dim.dim_value if dim.HasField("dim_value") else dim.dim_param or "?" for dim in dims]
            raise InvalidArtifact(f"The graph gives {found} for {count} texts of {length} tokens, not a row a text.")


def _types(model: ModelProto) -> dict[str, int]:
    """Return the element type of every value whose type is known."""
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    values = [*inferred.graph.input, *inferred.graph.value_info, *inferred.graph.output]
    types = {value.name: value.type.tensor_type.elem_type for value in values}
    return types | {tensor.name: tensor.data_type for tensor in model.graph.initializer}


def _check_node(node: NodeProto, types: Mapping[str, int], constants: Mapping[str, Any], found: Findings) -> None:
    support = SUPPORTED.get(node.op_type)
    if support is None:
        found.problems.append(f"{node.op_type}: not read")
        return
    place = DATA_INPUT.get(node.op_type, 0)
    kind = types.get(node.input[place]) if len(node.input) > place else None
    if kind is not None and kind not in support.types:
        name = TensorProto.DataType.Name(kind).lower()
        if kind in support.unsure:
            found.notes.append(f"{node.op_type} of {name}: documented for TensorRT 10.15, not known for 10.3")
        elif kind in _INTEGERS and node.op_type != "DequantizeLinear":
            found.notes.append(f"{node.op_type} of {name}: not documented")
        else:
            found.problems.append(f"{node.op_type} of {name}: not read")
    for index in CONSTANT_INPUTS.get(node.op_type, ()):
        if len(node.input) > index and node.input[index] and node.input[index] not in constants:
            found.problems.append(f"{node.op_type}: its axes must be constant")
    _check_special(node, constants, found)


def _check_special(node: NodeProto, constants: Mapping[str, Any], found: Findings) -> None:
    attributes = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}
    if node.op_type in ("QuantizeLinear", "DequantizeLinear") and len(node.input) > 2 and node.input[2]:
        point = constants.get(node.input[2])
        if point is None or point.data_type != TensorProto.INT8 or np.any(numpy_helper.to_array(point)):
            found.problems.append(f"{node.op_type}: the zero point must be 0, of type int8 (symmetric quantization)")
    elif node.op_type == "QuantizeLinear":
        found.problems.append("QuantizeLinear: without a zero point its values are uint8, which are not read")
    if node.op_type in ("LSTM", "GRU", "RNN"):
        halves = attributes.get("activations", [])
        if halves[: len(halves) // 2] != halves[len(halves) // 2 :] and attributes.get("direction") == b"bidirectional":
            found.problems.append(f"{node.op_type}: both directions must have the same activations")
        found.problems += [
            f"{node.op_type}: {name} must be 0" for name in ("layout", "input_forget") if attributes.get(name)
        ]
    if node.op_type == "LayerNormalization" and len(node.output) > 1:
        found.problems.append("LayerNormalization: only its first output is read")
    if node.op_type == "TopK" and node.input[1] not in constants:
        found.notes.append("TopK: the number of values depends on the input, and must stay below 3840")


def _overflows(tensor: Any) -> bool:
    """Tell whether a floating-point constant has finite values that fp16 cannot hold."""
    if tensor.data_type not in (TensorProto.FLOAT, TensorProto.DOUBLE):
        return False
    values = numpy_helper.to_array(tensor)
    return bool(np.any(np.abs(values[np.isfinite(values)]) > LARGEST_FP16))
