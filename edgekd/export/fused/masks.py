"""Masks: from the graph's input straight to where they are needed."""

from __future__ import annotations

import onnx_ir as ir

from edgekd.export.fused.values import bypass, made_by, name_of, replace

_WHOLE = (ir.DataType.INT64, ir.DataType.INT32, ir.DataType.BOOL)


def merge_casts(graph: ir.Graph) -> None:
    """Make one Cast of two whose first only says which numbers of a 0/1 mask are not 0."""
    for node in list(graph):
        before = made_by(node.inputs[0], "Cast") if node.op_type == "Cast" else None
        if before is None or name_of(before.inputs[0]) != "attention_mask":
            continue
        replace(node, "Cast", [before.inputs[0]], to=node.attributes.get_int("to"))


def narrow_inputs(graph: ir.Graph) -> None:
    """Make the graph's inputs int32 where a fused attention wants the mask so, and drop the cast.

    Both or none, so that a caller has one type to give; a graph that computes with ids keeps int64.
    """
    uses = [use for value in graph.inputs for use in value.uses()]
    if not any(_is_narrowing(use.node) for use in uses):
        return
    lookups = [use for use in uses if use.node.op_type == "Gather" and use.idx == 1]
    if any(use.node.op_type != "Shape" and not _is_narrowing(use.node) and use not in lookups for use in uses):
        return
    for value in graph.inputs:
        value.type = ir.TensorType(ir.DataType.INT32)
        for use in list(value.uses()):
            if _is_narrowing(use.node):
                bypass(use.node, value)


def _is_narrowing(node: ir.Node) -> bool:
    return node.op_type == "Cast" and bool(node.attributes.get_int("to") == ir.DataType.INT32)
