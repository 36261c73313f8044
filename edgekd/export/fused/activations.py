"""Gelu, x/2 (1 + erf(x / sqrt 2)) (Hendrycks and Gimpel 2016, arXiv 1606.08415), in the form that a runtime knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgekd.export.fused.values import MICROSOFT, add_constant, made_by, only_reader, replace, split

if TYPE_CHECKING:
    import onnx_ir as ir


def gelus(graph: ir.Graph) -> list[tuple[ir.Node, ir.Value]]:
    """Return the last node and the input of each Gelu that is written as ``x * (0.5 * (1 + erf(x / sqrt 2)))``."""
    found = []
    for node in graph:
        if node.op_type != "Erf":
            continue
        scaled = _scaled(node.inputs[0])
        plus = only_reader(node.outputs[0], "Add")
        half = only_reader(plus.outputs[0], "Mul") if plus is not None else None
        last = only_reader(half.outputs[0], "Mul") if half is not None else None
        if scaled is None or plus is None or half is None or last is None:
            continue
        one, factor = split(plus), split(half)
        if one is None or factor is None or one[1].size != 1 or factor[1].size != 1:
            continue
        if float(one[1].item()) == 1.0 and float(factor[1].item()) == 0.5 and scaled in last.inputs:
            found.append((last, scaled))
    return found


def _scaled(value: ir.Value | None) -> ir.Value | None:
    """Return x of x / sqrt 2, written as a quotient or a product."""
    for op_type, expected in (("Div", 2**0.5), ("Mul", 2**-0.5)):
        node = made_by(value, op_type)
        parts = split(node) if node is not None else None
        if parts is not None and parts[1].size == 1 and np.isclose(float(parts[1].item()), expected, rtol=1e-6):
            return parts[0]
    return None


def order_gelus(graph: ir.Graph) -> None:
    """Write Gelu as ``(x * (1 + erf(x / sqrt 2))) * 0.5``: ONNX Runtime makes one operator of this order only."""
    for last, source in gelus(graph):
        half = next(node for node in map(_product, last.inputs) if node is not None and split(node) is not None)
        parts = split(half)
        assert parts is not None
        plus, factor = parts
        product = replace(half, "Mul", [source, plus])
        replace(last, "Mul", [product.outputs[0], add_constant(graph, "half", factor.reshape(()))])


def _product(value: ir.Value | None) -> ir.Node | None:
    return made_by(value, "Mul")


def fuse_gelus(graph: ir.Graph) -> None:
    """Make one operator of each Gelu.

    The bias that is added before stays apart: ONNX Runtime puts it into the Gelu by itself, in int8 into the
    product.
    """
    for last, source in gelus(graph):
        replace(last, "Gelu", [source], domain=MICROSOFT)
