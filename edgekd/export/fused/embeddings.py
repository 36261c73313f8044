"""Token types that are always the same, positions that count from 0: vectors that need no lookup."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgekd.export.fused.values import Array, add_constant, constant, dims, made_by, name_of, replace, split

if TYPE_CHECKING:
    import onnx_ir as ir

# Operators that only move or repeat what they are given first.
_MOVES = (
    "Expand",
    "Slice",
    "Reshape",
    "Gather",
    "GatherElements",
    "GatherND",
    "Unsqueeze",
    "Squeeze",
    "Identity",
    "Tile",
)


def uniform(value: ir.Value | None) -> Array | None:
    """Return the one number that a value is made of, whatever its shape; None when it is not known to be so."""
    values = constant(value)
    if values is not None:
        flat = values.reshape(-1)
        return flat[:1] if flat.size and (flat == flat[0]).all() else None
    node = None if value is None else value.producer()
    return uniform(node.inputs[0]) if node is not None and node.op_type in _MOVES else None


def fold_token_types(graph: ir.Graph) -> None:
    """Make a constant vector of the vectors of a token type that is the same for all tokens of all texts."""
    for node in list(graph):
        if node.op_type != "Add":
            continue
        for here, other in ((0, 1), (1, 0)):
            lookup = made_by(node.inputs[here], "Gather")
            if lookup is None or lookup.attributes.get_int("axis", 0) != 0:
                continue
            table, row = constant(lookup.inputs[0]), uniform(lookup.inputs[1])
            if table is None or row is None or table.ndim != 2 or dims(node.inputs[other]) != dims(node.outputs[0]):
                continue
            vector = add_constant(graph, f"{name_of(lookup.inputs[0])}.row", table[int(row[0])])
            replace(node, "Add", [node.inputs[other], vector])
            break


def slice_positions(graph: ir.Graph) -> None:
    """Read positions 0, 1, 2... of a table by cutting it off, instead of looking each up."""
    for node in list(graph):
        if node.op_type != "Gather" or node.attributes.get_int("axis", 0) != 0:
            continue
        table, cut = constant(node.inputs[0]), made_by(node.inputs[1], "Slice")
        if table is None or cut is None or table.ndim != 2:
            continue
        numbers, start = constant(cut.inputs[0]), constant(cut.inputs[1])
        axes = constant(cut.inputs[3]) if len(cut.inputs) > 3 else None
        steps = constant(cut.inputs[4]) if len(cut.inputs) > 4 else np.ones(1, np.int64)
        if numbers is None or start is None or axes is None or steps is None or numbers.ndim != 2 or len(numbers) != 1:
            continue
        first = int(numbers[0, 0])
        counts = np.array_equal(numbers[0], np.arange(first, first + numbers.shape[1]))
        if not counts or start.tolist() != [0] or axes.tolist() != [1] or steps.tolist() != [1]:
            continue
        rows = table[first : first + numbers.shape[1]]
        whole = len(rows) == len(table)
        used = node.inputs[0] if whole else add_constant(graph, f"{name_of(node.inputs[0])}.used", rows)
        zero = add_constant(graph, "axis_0", np.array([0], np.int64))
        shape = (dims(node.outputs[0]) or (None,) * 3)[1:]
        replace(node, "Slice", [used, zero, cut.inputs[2], zero], shape=shape)


def merge_tables(graph: ir.Graph) -> None:
    """Add a constant vector to a table of positions once and for all, instead of to each token."""
    for node in list(graph):
        if node.op_type != "Add":
            continue
        for here, other in ((0, 1), (1, 0)):
            inner = made_by(node.inputs[here], "Add")
            cut = made_by(node.inputs[other], "Slice")
            parts = split(inner) if inner is not None else None
            table = constant(cut.inputs[0]) if cut is not None else None
            if parts is None or cut is None or table is None or inner is None or len(inner.outputs[0].uses()) > 1:
                continue
            changing, vector = parts
            if vector.shape != table.shape[1:] or dims(changing) != dims(node.outputs[0]):
                continue
            merged = add_constant(graph, f"{name_of(cut.inputs[0])}.merged", table + vector)
            positions = replace(cut, "Slice", [merged, *cut.inputs[1:]]) if len(cut.outputs[0].uses()) == 1 else None
            if positions is not None:
                replace(node, "Add", [changing, positions.outputs[0]])
                break
