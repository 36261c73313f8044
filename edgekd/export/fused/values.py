"""Looking at and changing ``onnx_ir`` graphs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx_ir as ir

if TYPE_CHECKING:
    from collections.abc import Sequence

Array = np.ndarray[Any, Any]
MICROSOFT = "com.microsoft"


def constant(value: ir.Value | None) -> Array | None:
    """Return the values of a constant; None when it is none."""
    if value is None or value.is_graph_input():
        return None
    tensor = ir.convenience.get_const_tensor(value)
    return None if tensor is None else tensor.numpy()


def name_of(value: ir.Value | None) -> str:
    """Return the name of a value, "" without one."""
    return "" if value is None or value.name is None else value.name


def made_by(value: ir.Value | None, op_type: str) -> ir.Node | None:
    """Return the node that makes a value, if it is of this type."""
    node = None if value is None else value.producer()
    return node if node is not None and node.op_type == op_type else None


def only_reader(value: ir.Value, op_type: str) -> ir.Node | None:
    """Return the node that reads a value, if it is the only one, and of this type."""
    uses = tuple(value.uses())
    if len(uses) != 1 or value.is_graph_output() or uses[0].node.op_type != op_type:
        return None
    return uses[0].node


def split(node: ir.Node, op_type: str | None = None) -> tuple[ir.Value, Array] | None:
    """Return the changing and the constant input of a node with one of each; None for other nodes."""
    if len(node.inputs) != 2 or (op_type is not None and node.op_type != op_type):
        return None
    first, second = node.inputs
    if first is None or second is None:
        return None
    values = constant(second)
    if values is not None:
        return first, values
    values = constant(first)
    return None if values is None else (second, values)


def dims(value: ir.Value | None) -> tuple[int | str | None, ...] | None:
    """Return the shape of a value: numbers, and names for what is not fixed; None when it is not known."""
    if value is None or value.shape is None:
        return None
    return tuple(dim if isinstance(dim, int) else dim.value for dim in value.shape.dims)


def add_constant(graph: ir.Graph, name: str, values: Array) -> ir.Value:
    """Add a constant, or return the one of this name and content."""
    found = graph.initializers.get(name)
    if found is not None:
        known = constant(found)
        if known is not None and known.dtype == values.dtype and np.array_equal(known, values):
            return found
        return add_constant(graph, f"{name}_", values)
    tensor = ir.tensor(np.array(values, order="C"), name=name)
    value = ir.Value(name=name, shape=ir.Shape(values.shape), type=ir.TensorType(tensor.dtype), const_value=tensor)
    graph.initializers.add(value)
    return value


def replace(
    old: ir.Node,
    op_type: str,
    inputs: Sequence[ir.Value | None],
    *,
    domain: str = "",
    shape: Sequence[Any] | None = None,
    **attributes: Any,
) -> ir.Node:
    """Put a node in the place of another one, with the same output; ``shape`` if it is another one."""
    graph = old.graph
    assert isinstance(graph, ir.Graph)
    new = ir.node(op_type, inputs, attributes, domain=domain, name=old.name)
    made, gone = new.outputs[0], old.outputs[0]
    made.shape, made.type, made.name = gone.shape if shape is None else ir.Shape(shape), gone.type, gone.name
    graph.insert_after(old, new)
    ir.convenience.replace_all_uses_with(gone, made, replace_graph_outputs=True)
    graph.remove(old, safe=True)
    return new


def bypass(node: ir.Node, value: ir.Value) -> None:
    """Let all that read the output of a node read ``value`` instead."""
    ir.convenience.replace_all_uses_with(node.outputs[0], value, replace_graph_outputs=True)


def insert(
    before: ir.Node,
    op_type: str,
    inputs: Sequence[ir.Value | None],
    *,
    domain: str = "",
    shape: Sequence[Any] | None = None,
    **attributes: Any,
) -> ir.Value:
    """Add a node before another one; return its output, of the type of its first input."""
    graph = before.graph
    assert isinstance(graph, ir.Graph)
    new = ir.node(op_type, inputs, attributes, domain=domain)
    made = new.outputs[0]
    if op_type != "Cast" and inputs[0] is not None:
        made.type = inputs[0].type
    made.shape = None if shape is None else ir.Shape(shape)
    graph.insert_before(before, new)
    return made
