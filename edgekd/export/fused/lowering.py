"""Attention in standard operators."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgekd.export.fused.interface import MASKED
from edgekd.export.fused.values import add_constant, dims, insert, replace


def lower_attention(graph: ir.Graph) -> None:
    """Write each ``MultiHeadAttention`` as products and a softmax; masks become sums, once for all layers."""
    masks: dict[ir.Value, ir.Value] = {}
    for node in list(graph):
        if node.op_type != "MultiHeadAttention":
            continue
        heads, scale = node.attributes.get_int("num_heads"), node.attributes.get_float("scale")
        query, key, value = (_by_head(graph, node, i, heads) for i in range(3))
        scores = insert(node, "MatMul", [query, key])
        scores = insert(node, "Mul", [scores, add_constant(graph, "attention_scale", np.array(scale, np.float32))])
        inputs = [*node.inputs, None, None, None][3:6]
        if inputs[1] is not None:
            if inputs[1] not in masks:
                masks[inputs[1]] = _added(graph, node, inputs[1])
            scores = insert(node, "Add", [scores, masks[inputs[1]]])
        if inputs[2] is not None:
            scores = insert(node, "Add", [scores, inputs[2]])
        answer = insert(node, "MatMul", [insert(node, "Softmax", [scores], axis=-1), value])
        width = (dims(node.outputs[0]) or (0,))[-1]
        flat = add_constant(graph, f"shape_0_0_{width}", np.array([0, 0, width], np.int64))
        replace(node, "Reshape", [insert(node, "Transpose", [answer], perm=[0, 2, 1, 3]), flat])


def _by_head(graph: ir.Graph, node: ir.Node, index: int, heads: int) -> ir.Value:
    """Return query or value as ``(batch, heads, tokens, head size)``, the key with the last two swapped."""
    source = node.inputs[index]
    size = int((dims(source) or (0,))[-1] or 0) // heads
    shape = add_constant(graph, f"shape_0_0_{heads}_{size}", np.array([0, 0, heads, size], np.int64))
    perm = [0, 2, 3, 1] if index == 1 else [0, 2, 1, 3]
    return insert(node, "Transpose", [insert(node, "Reshape", [source, shape])], perm=perm)


def _added(graph: ir.Graph, node: ir.Node, mask: ir.Value) -> ir.Value:
    """Return what a mask ``(batch, keys)`` adds to the scores ``(batch, heads, queries, keys)``."""
    producer = mask.producer()
    source = producer.inputs[0] if producer is not None and producer.op_type == "Cast" else mask
    present = insert(node, "Cast", [source], to=int(ir.DataType.BOOL))
    wide = insert(node, "Unsqueeze", [present, add_constant(graph, "axes_1_2", np.array([1, 2], np.int64))])
    zero = add_constant(graph, "present", np.array(0, np.float32))
    return insert(node, "Where", [wide, zero, add_constant(graph, "masked", np.array(MASKED, np.float32))])
