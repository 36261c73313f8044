"""Only what the classifier reads: behind the last attention, nothing but the first token.

A classifier of the usual kind reads the last layer's vector of the first token only. All that is done to each token by
itself need then be done to that token alone: of a layer the output of attention, the feed-forward network and the
norms, and the query; that is ten twelfths of its multiplications. The answer stays the same.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgekd.export.fused.values import add_constant, bypass, constant, dims, insert, made_by, only_reader

# Operators that treat each token by itself when all their inputs but the first ones do not depend on the token.
_POINTWISE = frozenset({"Add", "Sub", "Mul", "Div", "Erf", "Tanh", "Relu", "Sigmoid", "Sqrt", "Pow", "Gelu", "Cast",
                        "LayerNormalization", "QuantizeLinear", "DequantizeLinear", "MatMul"})  # fmt: skip


def read_first_token(graph: ir.Graph) -> None:
    """Move the choice of one token of ``(batch, tokens, width)`` up to the last attention, or as far as it goes."""
    for pick in list(graph):
        if pick.op_type != "Gather" or pick.attributes.get_int("axis", 0) != 1:
            continue
        place, shape = constant(pick.inputs[1]), dims(pick.inputs[0])
        if place is None or place.ndim != 0 or shape is None or len(shape) != 3:
            continue
        chosen = _chosen(graph, pick)
        if chosen:
            _narrow(graph, pick, chosen, add_constant(graph, f"token_{place}", place.reshape(1)))
            pick.replace_input_with(1, add_constant(graph, "token", np.array(0, np.int64)))


def ask_once(graph: ir.Graph) -> None:
    """Give an attention of which one token is read the query of that token only.

    Not where values are rounded in the graph: a choice between rounding and product would keep them from int8.
    """
    if any(node.op_type == "QuantizeLinear" for node in graph):
        return
    for node in list(graph):
        pick = only_reader(node.outputs[0], "Gather") if node.op_type == "MultiHeadAttention" else None
        place = constant(pick.inputs[1]) if pick is not None else None
        query, answer = node.inputs[0], dims(node.outputs[0])
        if pick is None or place is None or query is None or answer is None or place.shape != (1,):
            continue
        size = dims(query)
        if pick.attributes.get_int("axis", 0) != 1 or size is None or any(node.inputs[5:]):
            continue
        index = pick.inputs[1]
        one = insert(node, "Gather", [query, index], shape=(size[0], 1, size[2]), axis=1)
        node.replace_input_with(0, one)
        node.outputs[0].shape = ir.Shape((answer[0], 1, answer[2]))
        bypass(pick, node.outputs[0])
        asked = one.producer()
        assert asked is not None
        chosen = _chosen(graph, asked)
        if chosen:
            _narrow(graph, asked, chosen, index)
            bypass(asked, asked.inputs[0])  # type: ignore[arg-type]


def _chosen(graph: ir.Graph, pick: ir.Node) -> set[ir.Node]:
    """Return the nodes of which nothing is read but what the choice needs."""
    chosen = {pick}
    shape = dims(pick.inputs[0])
    for node in reversed(graph):
        if node.op_type not in _POINTWISE or node is pick or len(node.outputs) != 1:
            continue
        uses = node.outputs[0].uses()
        if not uses or node.outputs[0].is_graph_output() or any(use.node not in chosen for use in uses):
            continue
        if any(use.node is pick and use.idx != 0 for use in uses):
            continue
        out = dims(node.outputs[0])
        if shape is None or out is None or len(out) != 3 or out[:2] != shape[:2]:
            continue
        if all(_by_token(value, shape) or _fixed(node, i, value) for i, value in enumerate(node.inputs) if value):
            if node.op_type == "LayerNormalization" and node.attributes.get_int("axis", -1) != -1:
                continue
            chosen.add(node)
    return chosen - {pick}


def _by_token(value: ir.Value, shape: tuple[int | str | None, ...]) -> bool:
    found = dims(value)
    return found is not None and len(found) == 3 and found[:2] == shape[:2] and constant(value) is None


def _fixed(node: ir.Node, index: int, value: ir.Value) -> bool:
    """Tell whether an input is the same for all tokens: a number, a vector, or the matrix of a product."""
    rounded = made_by(value, "DequantizeLinear")
    values = constant(rounded.inputs[0] if rounded is not None else value)
    if values is None:
        return False
    if node.op_type == "MatMul":
        return index == 1 and values.ndim == 2
    return values.size == 1 or (values.ndim == 1 and node.op_type not in ("QuantizeLinear", "DequantizeLinear"))


def _narrow(graph: ir.Graph, pick: ir.Node, chosen: set[ir.Node], index: ir.Value | None) -> None:
    """Give the chosen nodes one token ``(batch, 1, width)``.

    Three dimensions stay, because ONNX Runtime makes other operators of products of two, some of them without int8.
    """
    made: dict[ir.Value, ir.Value] = {}
    inner = {node.outputs[0] for node in chosen}
    shape = dims(pick.inputs[0]) or ()
    for node in [node for node in graph if node in chosen]:
        for position, value in enumerate(node.inputs):
            if value is None or value in inner or not _by_token(value, shape):
                continue
            if value not in made:
                size = dims(value) or ()
                made[value] = insert(node, "Gather", [value, index], shape=(size[0], 1, size[2]), axis=1)
            node.replace_input_with(position, made[value])
        size = dims(node.outputs[0]) or ()
        node.outputs[0].shape = ir.Shape((size[0], 1, size[2]))
