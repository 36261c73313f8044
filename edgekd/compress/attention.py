"""Attention with its projections apart again, for quantizers that know products of matrices only.

A fused graph has the matrices of query, key and value in one operator, ``Attention``. Dynamic int8 has such an operator
too; for weights in blocks and for ranges that were seen on texts it has to be products and a ``MultiHeadAttention``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import helper, numpy_helper

from edgekd.compress.graph import array, drop_unused, initializers

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

_PARTS = ("query", "key", "value")


def attention_as_products(model: ModelProto) -> None:
    """Write each ``Attention`` as three products with bias and a ``MultiHeadAttention``, in place.

    The products are called ``ATTENTION_query``, ``ATTENTION_key`` and ``ATTENTION_value``.
    """
    constants = initializers(model)
    nodes: list[NodeProto] = []
    added: list[TensorProto] = []
    for node in model.graph.node:
        if node.op_type == "Attention" and node.domain == "com.microsoft" and node.input[1] in constants:
            nodes += _apart(node, array(constants[node.input[1]]), array(constants[node.input[2]]), added)
        else:
            nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(added)
    drop_unused(model)


def _apart(
    node: NodeProto, weight: np.ndarray[Any, Any], bias: np.ndarray[Any, Any], added: list[TensorProto]
) -> list[NodeProto]:
    """Return the nodes of one attention, and add their constants; ``weight`` is ``(inputs, 3 x outputs)``."""
    stem = node.input[1].removesuffix(".qkv.weight")
    made = []
    for part, matrix, offset in zip(_PARTS, np.split(weight, 3, axis=1), np.split(bias, 3), strict=True):
        name, layer = f"{node.name}_{part}", f"{stem}.{part}"
        added.append(numpy_helper.from_array(np.ascontiguousarray(matrix), f"{layer}.weight"))
        added.append(numpy_helper.from_array(offset, f"{layer}.bias"))
        made.append(helper.make_node("MatMul", [node.input[0], f"{layer}.weight"], [f"{name}_product"], name))
        made.append(helper.make_node("Add", [f"{name}_product", f"{layer}.bias"], [name], f"{name}_biased"))
    mask, scores = ([*node.input, "", "", ""][3], [*node.input, "", "", ""][5])
    inputs = [*(f"{node.name}_{part}" for part in _PARTS), "", mask, scores]
    while not inputs[-1]:
        inputs.pop()
    attributes = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}
    made.append(
        helper.make_node("MultiHeadAttention", inputs, node.output, node.name, domain=node.domain, **attributes)
    )
    return made
