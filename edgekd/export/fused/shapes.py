"""Reshapes that do nothing, and shapes that need not be computed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgekd.export.fused.values import add_constant, bypass, constant, dims, made_by, replace

if TYPE_CHECKING:
    import onnx_ir as ir


def drop_reshapes(graph: ir.Graph) -> None:
    """Skip a Reshape, or several in a row, that end with the shape they started with."""
    for node in graph:
        if node.op_type != "Reshape" or node.outputs[0].is_graph_output():
            continue
        source = node.inputs[0]
        while (before := made_by(source, "Reshape")) is not None:
            source = before.inputs[0]
            if dims(source) == dims(node.outputs[0]) and _is_known(source):
                break
        if source is not None and dims(source) == dims(node.outputs[0]) and _is_known(source):
            bypass(node, source)
        elif source is not node.inputs[0]:
            node.replace_input_with(0, source)


def _is_known(value: ir.Value | None) -> bool:
    shape = dims(value)
    return shape is not None and None not in shape


def fix_shapes(graph: ir.Graph) -> None:
    """Give a Reshape a constant shape where it can be one: 0 takes a size of the input over, -1 is the rest.

    The exporter computes the shape from the sizes of the inputs, in two to four nodes.
    """
    for node in list(graph):
        if node.op_type != "Reshape" or constant(node.inputs[1]) is not None:
            continue
        given, wanted = dims(node.inputs[0]), dims(node.outputs[0])
        if given is None or wanted is None or None in given or None in wanted:
            continue
        shape = [
            size if isinstance(size, int) else 0 if given[i : i + 1] == (size,) else -1 for i, size in enumerate(wanted)
        ]
        if shape.count(-1) > 1 or 0 in wanted:
            continue
        name = "shape_" + "_".join(str(size) for size in shape).replace("-1", "rest")
        target = add_constant(graph, name, np.array(shape, np.int64))
        replace(node, "Reshape", [node.inputs[0], target])


def merge_unsqueezes(graph: ir.Graph) -> None:
    """Make one Unsqueeze of two in a row."""
    for node in list(graph):
        before = made_by(node.inputs[0], "Unsqueeze") if node.op_type == "Unsqueeze" else None
        if before is None:
            continue
        first, second = constant(before.inputs[1]), constant(node.inputs[1])
        rank = len(dims(node.outputs[0]) or ())
        if first is None or second is None or not rank:
            continue
        added = {int(axis) % rank for axis in np.atleast_1d(second)}
        kept = [axis for axis in range(rank) if axis not in added]
        added |= {kept[int(axis) % len(kept)] for axis in np.atleast_1d(first)}
        axes = add_constant(graph, "axes_" + "_".join(map(str, sorted(added))), np.array(sorted(added), np.int64))
        replace(node, "Unsqueeze", [before.inputs[0], axes])
