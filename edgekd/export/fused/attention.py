"""Three projections and what attends to them, as one operator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgekd.export.fused.values import MICROSOFT, Array, add_constant, constant, made_by, name_of, replace, split

if TYPE_CHECKING:
    import onnx_ir as ir


@dataclass(frozen=True)
class _Projection:
    """``x W + b`` of a query, key or value.

    Args:
        source: x.
        weight: W, ``(inputs, outputs)``.
        bias: b.
        name: of the layer.
    """

    source: ir.Value | None
    weight: Array
    bias: Array
    name: str


def pack_projections(graph: ir.Graph) -> None:
    """Make ``Attention`` of ``MultiHeadAttention`` and the products that make its query, key and value of one input."""
    for node in list(graph):
        if node.op_type != "MultiHeadAttention":
            continue
        parts = [_projection(value) for value in node.inputs[:3]]
        if any(part is None for part in parts):
            continue
        query, key, value = (part for part in parts if part is not None)
        if not query.source is key.source is value.source:
            continue
        if not query.weight.shape == key.weight.shape == value.weight.shape:
            continue
        stem = query.name.rpartition(".")[0]
        weight = add_constant(
            graph, f"{stem}.qkv.weight", np.concatenate([p.weight for p in (query, key, value)], axis=1)
        )
        bias = add_constant(graph, f"{stem}.qkv.bias", np.concatenate([p.bias for p in (query, key, value)]))
        mask = node.inputs[4] if len(node.inputs) > 4 else None
        scores = node.inputs[5] if len(node.inputs) > 5 else None
        inputs = [query.source, weight, bias, mask, None, scores]
        while inputs[-1] is None:
            inputs.pop()
        heads, scale = node.attributes.get_int("num_heads"), node.attributes.get_float("scale")
        replace(node, "Attention", inputs, domain=MICROSOFT, num_heads=heads, scale=scale)


def _projection(value: ir.Value | None) -> _Projection | None:
    """Return the projection that makes a value that nothing else reads."""
    if value is None or len(value.uses()) > 1:
        return None
    add = made_by(value, "Add")
    parts = split(add) if add is not None else None
    product = made_by(parts[0] if parts is not None else value, "MatMul")
    weight = constant(product.inputs[1]) if product is not None else None
    if product is None or weight is None or weight.ndim != 2 or len(product.outputs[0].uses()) > 1:
        return None
    bias = parts[1] if parts is not None else np.zeros(weight.shape[1], np.float32)
    if bias.shape != weight.shape[1:]:
        return None
    named = next((v for v in add.inputs if constant(v) is not None), None) if add is not None else None
    name = name_of(named or product.inputs[1]).rpartition(".")[0]
    return _Projection(product.inputs[0], weight, bias, name)
