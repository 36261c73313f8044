"""Token, n-gram and position vectors in int8 or int4: a graph reads the quantized rows it needs, never the whole table.

int8 has one scale a row: ``q = round(x / s)``, ``s = max |row| / 127``, as in LLM.int8's vector-wise quantization
(Dettmers et al. 2022, arXiv 2208.07339, section 2.1), so a value is wrong by at most ``s / 2``. A table of very short
rows, as the weights of tokens, has one scale in all. int4 has a scale and a zero point for each block of a row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from edgekd.compress.graph import (
    array,
    check_block,
    drop_unused,
    initializers,
    is_excluded,
    load,
    need_domain,
    save,
    table_gathers,
)
from edgekd.errors import NotApplicable

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from onnx import ModelProto, NodeProto

Array = np.ndarray[Any, Any]
_SCALED_WIDTH = 4  # a narrower row hardly shrinks when it gets a scale of its own


def quantize_embeddings(source: Path, target: Path, *, bits: int, block: int = 32) -> None:
    """Write the graph ``source`` with quantized token, n-gram and position tables.

    Args:
        source: ONNX graph.
        target: where the new graph goes.
        bits: 8 (a scale a row) or 4 (a scale and a zero point a block).
        block: int4: values that share a scale.

    Raises:
        NotApplicable: when the graph has no fp32 table that is worth it.
        ConfigError: for a block size that the runtime does not have.
    """
    model = load(source)
    if not rewrite_tables(model, bits=bits, block=block):
        raise NotApplicable("The graph has no fp32 table of token vectors that is large enough to be quantized.")
    save(model, target)


def rewrite_tables(model: ModelProto, *, bits: int, block: int = 32, exclude: Collection[str] = ()) -> list[str]:
    """Let every large table of a graph be read in int8 or int4; return the names of the tables.

    int4 packs two values into a byte, so a table of odd width becomes int8, and so does a very narrow one.
    """
    if bits == 4:
        check_block(block)
    gathers = table_gathers(model)
    kept = {node.input[0] for node in gathers if is_excluded(node, exclude)}
    gathers = [node for node in gathers if node.input[0] not in kept]
    constants = initializers(model)
    added: dict[str, Any] = {}
    replacements: dict[str, list[NodeProto]] = {}
    for node in gathers:
        name = node.input[0]
        width = constants[name].dims[1]
        if bits == 8 or width % 2 or width < _SCALED_WIDTH:
            if name not in added:
                added[name] = _int8_table(name, array(constants[name]))
            replacements[node.name] = _int8_nodes(node) if width >= _SCALED_WIDTH else _one_scale_nodes(node)
        else:
            if name not in added:
                added[name] = _int4_table(name, array(constants[name]), block)
            replacements[node.name] = [_int4_node(node, block)]
            need_domain(model, "com.microsoft")
    nodes = [new for node in model.graph.node for new in replacements.get(node.name, [node])]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    for tensors in added.values():
        model.graph.initializer.extend(tensors)
    drop_unused(model)
    return list(added)


def int8_rows(table: Array) -> tuple[Array, Array]:
    """Return int8 values of a table ``(rows, width)`` and one fp32 scale a row ``(rows, 1)``."""
    scale = np.abs(table).max(axis=1, keepdims=True) / np.float32(127)
    divisor = np.where(scale > 0, scale, 1).astype(np.float32)  # a row of zeros stays zero
    return np.clip(np.rint(table / divisor), -127, 127).astype(np.int8), scale.astype(np.float32)


def int4_blocks(table: Array, block: int) -> tuple[Array, Array, Array]:
    """Return values from 0 to 15 of a table ``(rows, width)``, and fp32 scales and zero points ``(rows, blocks)``.

    The last block of a row may be shorter. The range of a block includes 0, so that its zero point is one of 0 to 15.
    """
    rows, width = table.shape
    blocks = -(-width // block)
    padded = np.zeros((rows, blocks * block), np.float32)
    padded[:, :width] = table
    padded = padded.reshape(rows, blocks, block)
    low, high = np.minimum(padded.min(axis=2), 0), np.maximum(padded.max(axis=2), 0)
    scale = ((high - low) / 15).astype(np.float32)
    divisor = np.where(scale > 0, scale, 1).astype(np.float32)
    zero = np.rint(-low / divisor)
    values = np.clip(np.rint(padded / divisor[..., None]) + zero[..., None], 0, 15)
    return values.reshape(rows, -1)[:, :width].astype(np.uint8), scale, zero.astype(np.uint8)


def pack_int4(values: Array) -> Array:
    """Pack two neighbours of a row into a byte, the first one in the lower half; a row of odd width gets a zero."""
    if values.shape[1] % 2:
        values = np.pad(values, ((0, 0), (0, 1)))
    packed: Array = values[:, ::2] | (values[:, 1::2] << 4)
    return packed


def _int8_table(name: str, table: Array) -> list[TensorProto]:
    if table.shape[1] >= _SCALED_WIDTH:
        values, scale = int8_rows(table)
        return [numpy_helper.from_array(values, f"{name}_int8"), numpy_helper.from_array(scale, f"{name}_scale")]
    values, scale = int8_rows(table.reshape(1, -1))
    return [
        numpy_helper.from_array(values.reshape(table.shape), f"{name}_int8"),
        numpy_helper.from_array(scale.reshape(()), f"{name}_scale"),
        numpy_helper.from_array(np.zeros((), np.int8), f"{name}_zero"),
    ]


def _int8_nodes(node: NodeProto) -> list[NodeProto]:
    # NOTE: GatherBlockQuantized with bits=8 does this in one node, and is slower: 10.7 us against 9.3 for 23 tokens of
    # 128 (onnxruntime 1.31), 30.2 against 9.4 (1.23), and older runtimes do not have it.
    table, ids = node.input[0], node.input[1]
    inner = f"{node.output[0]}_int8"
    return [
        helper.make_node("Gather", [f"{table}_int8", ids], [inner], name=node.name, axis=0),
        helper.make_node("Cast", [inner], [f"{inner}_cast"], name=f"{node.name}_cast", to=TensorProto.FLOAT),
        helper.make_node("Gather", [f"{table}_scale", ids], [f"{inner}_scale"], name=f"{node.name}_scale", axis=0),
        helper.make_node("Mul", [f"{inner}_cast", f"{inner}_scale"], [node.output[0]], name=f"{node.name}_mul"),
    ]


def _one_scale_nodes(node: NodeProto) -> list[NodeProto]:
    table, inner = node.input[0], f"{node.output[0]}_int8"
    # NOTE: The zero point may not be left out: onnxruntime (1.23, 1.31) moves the node behind others, and quantizes
    # again in between, without a zero point to uint8, so that negative values became 0.
    inputs = [inner, f"{table}_scale", f"{table}_zero"]
    return [
        helper.make_node("Gather", [f"{table}_int8", node.input[1]], [inner], name=node.name, axis=0),
        helper.make_node("DequantizeLinear", inputs, [node.output[0]], name=f"{node.name}_dequantize"),
    ]


def _int4_table(name: str, table: Array, block: int) -> list[TensorProto]:
    values, scale, zero = int4_blocks(table, block)
    return [
        numpy_helper.from_array(pack_int4(values), f"{name}_int4"),
        numpy_helper.from_array(scale, f"{name}_scale"),
        numpy_helper.from_array(pack_int4(zero), f"{name}_zero"),
    ]


def _int4_node(node: NodeProto, block: int) -> NodeProto:
    # uint8 with two values in it, not ONNX's int4: the same bytes, and 12 us against 31 (onnxruntime 1.31).
    table = node.input[0]
    return helper.make_node(
        "GatherBlockQuantized",
        [f"{table}_int4", node.input[1], f"{table}_scale", f"{table}_zero"],
        [node.output[0]],
        name=node.name,
        domain="com.microsoft",
        bits=4,
        block_size=block,
        gather_axis=0,
        quantize_axis=1,
    )
