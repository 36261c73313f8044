"""An older opset for a graph: what an old runtime reads (a Jetson with JetPack 4 has onnxruntime 1.10, opset 15).

The exporter writes opset 18 and cannot go far back by itself. Most operators of text classifiers have been the same for
long, so the number is all that changes. Of the others the older form is written, where it can say the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import defs, helper, numpy_helper

from edgekd.errors import InvalidArtifact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STANDARD = ("", "ai.onnx")
# Operators that a later opset only allows further types (bfloat16), or an option that is off unless it is set:
# docs/Changelog.md of github.com/onnx/onnx, opsets 14 to 18.
SAME_MEANING = frozenset({"GreaterOrEqual", "LessOrEqual", "Where", "Identity", "LeakyRelu", "PRelu", "Reshape", "Add"})
SAME_MEANING |= {"Sub", "Mul", "Div", "Relu", "CumSum"}
REDUCED_TYPES = frozenset({"reduction"})  # of ScatterElements and ScatterND: "none" is the old meaning
# IR version that came with an opset (docs/Versioning.md): a file may not be newer than its reader.
IR_VERSIONS = {13: 7, 14: 7, 15: 8, 16: 8, 17: 8, 18: 8}


def lower_opset(model: onnx.ModelProto, opset: int) -> None:
    """Rewrite a graph, in place, for an older opset.

    Args:
        model: with standard operators, and others that stay as they are.
        opset: at least 13.

    Raises:
        InvalidArtifact: naming the operators that have no older form.
    """
    present = next(entry for entry in model.opset_import if entry.domain in STANDARD)
    if present.version <= opset:
        return
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    impossible: set[str] = set()
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        if node.domain not in STANDARD or not _changed(node.op_type, present.version, opset) or _means_the_same(node):
            nodes.append(node)
            continue
        rule = RULES.get(node.op_type, _axes_as_attribute if node.op_type.startswith("Reduce") else None)
        made = list(rule(node, model.graph, constants)) if rule else []
        if not made:
            impossible.add(node.op_type)
        nodes += made
    if impossible:
        raise InvalidArtifact(
            f"The exported graph needs opset {present.version}, the target allows {opset}: "
            f"{', '.join(sorted(impossible))} cannot be written with an older one.",
            hint="Choose another kind of student for this target, or allow a newer opset with --opset.",
        )
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    _drop_unused(model.graph)
    present.version = opset
    model.ir_version = min(model.ir_version, IR_VERSIONS.get(opset, model.ir_version))


def _changed(operator: str, newer: int, older: int) -> bool:
    """Tell whether an operator is another one in an older opset, or not there."""
    try:
        before = defs.get_schema(operator, older, "").since_version
    except defs.SchemaError:
        return True
    return bool(defs.get_schema(operator, newer, "").since_version != before)


def _means_the_same(node: onnx.NodeProto) -> bool:
    if node.op_type in ("ScatterElements", "ScatterND"):
        return all(attribute.s == b"none" for attribute in node.attribute if attribute.name in REDUCED_TYPES)
    return node.op_type in SAME_MEANING


def _axes_as_attribute(node: onnx.NodeProto, _: onnx.GraphProto, constants: dict[str, Any]) -> Iterator[onnx.NodeProto]:
    """Reductions: axes are an input since opset 18 (ReduceSum: since 13, so it never comes here)."""
    values = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    if values.pop("noop_with_empty_axes", 0) or (len(node.input) > 1 and node.input[1] not in constants):
        return
    if len(node.input) > 1:
        values["axes"] = [int(axis) for axis in constants[node.input[1]].reshape(-1)]
    yield helper.make_node(node.op_type, [node.input[0]], list(node.output), node.name, **values)


def _layer_normalization(node: onnx.NodeProto, graph: onnx.GraphProto, _: dict[str, Any]) -> Iterator[onnx.NodeProto]:
    """LayerNormalization came with opset 17: scale * (x - mean) / sqrt(variance + epsilon) + bias, its definition."""
    values = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    if values.get("axis", -1) != -1 or len([name for name in node.output if name]) > 1:
        return
    x, scale, *bias = node.input
    base = f"{node.name or node.output[0]}/lowered"
    epsilon = f"{base}/epsilon"
    graph.initializer.append(numpy_helper.from_array(np.array(values.get("epsilon", 1e-5), np.float32), epsilon))
    scaled = f"{base}/scaled" if bias and bias[0] else node.output[0]
    yield helper.make_node("ReduceMean", [x], [f"{base}/mean"], axes=[-1], keepdims=1)
    yield helper.make_node("Sub", [x, f"{base}/mean"], [f"{base}/centred"])
    yield helper.make_node("Mul", [f"{base}/centred", f"{base}/centred"], [f"{base}/square"])
    yield helper.make_node("ReduceMean", [f"{base}/square"], [f"{base}/variance"], axes=[-1], keepdims=1)
    yield helper.make_node("Add", [f"{base}/variance", epsilon], [f"{base}/positive"])
    yield helper.make_node("Sqrt", [f"{base}/positive"], [f"{base}/deviation"])
    yield helper.make_node("Div", [f"{base}/centred", f"{base}/deviation"], [f"{base}/normal"])
    yield helper.make_node("Mul", [f"{base}/normal", scale], [scaled])
    if scaled != node.output[0]:
        yield helper.make_node("Add", [scaled, bias[0]], [node.output[0]])


def _drop_unused(graph: onnx.GraphProto) -> None:
    """Take out constants that nothing reads any more."""
    read = {name for node in graph.node for name in node.input} | {output.name for output in graph.output}
    kept = [tensor for tensor in graph.initializer if tensor.name in read]
    if len(kept) < len(graph.initializer):
        del graph.initializer[:]
        graph.initializer.extend(kept)


RULES: dict[str, Callable[[onnx.NodeProto, onnx.GraphProto, dict[str, Any]], Iterator[onnx.NodeProto]]] = {
    "LayerNormalization": _layer_normalization,
}
