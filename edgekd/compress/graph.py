"""ONNX graphs as data: load, save, lean, and where the weights are."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgekd.artifacts import write_bytes_atomic
from edgekd.errors import ConfigError, EdgekdError, InvalidArtifact, NotApplicable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from onnx import ModelProto, NodeProto

# Operators whose constant weights can be quantized, and the inputs that are weights.
_WEIGHT_INPUTS: dict[str, tuple[int, ...]] = {
    "MatMul": (1,),
    "Gemm": (1,),
    "Attention": (1,),
    "LSTM": (1, 2),
    "Conv": (1,),
    "Gather": (0,),
}
DYNAMIC_INT8 = ("MatMul", "Gemm", "Attention", "LSTM", "Conv", "Gather")
MIN_VALUES = 1000  # fewer values of a weight are not worth the extra nodes, which cost 1-3 us each at batch 1
_TOKEN_VALUES = 256  # of a table that is read by token, the same
_TABLE_BYTES = 64_000  # of a table that is not read by token, as positions: below it stays fp32


@dataclass(frozen=True)
class WeightNode:
    """A node with constant fp32 weights."""

    name: str
    op_type: str
    weight_bytes: int


def load(path: Path) -> ModelProto:
    """Read a graph; a node without a name gets one, which is the same at every call.

    Raises:
        InvalidArtifact: when the file is no ONNX graph.
    """
    try:
        model = onnx.load(str(path))
    except Exception as error:  # protobuf's errors have no common base
        raise InvalidArtifact(f"'{path}' is not a readable ONNX graph: {error}") from error
    taken = {node.name for node in model.graph.node}
    for index, node in enumerate(model.graph.node):
        if not node.name:
            name = f"{node.op_type}_{index}"
            node.name = name if name not in taken else f"{name}_unnamed"
    return model


def save(model: ModelProto, path: Path) -> None:
    """Write a graph without what only its making needed."""
    strip(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes_atomic(path, model.SerializeToString())


def save_smaller(model: ModelProto, source: Path, target: Path, what: str) -> None:
    """Write a graph that was made of the file ``source``.

    Raises:
        NotApplicable: when it is not smaller; nothing is written then.
    """
    strip(model)
    before, after = source.stat().st_size, model.ByteSize()
    if after >= before:
        raise NotApplicable(f"{what} does not make this graph smaller: {before} bytes would become {after}.")
    save(model, target)


def strip(model: ModelProto) -> None:
    """Remove doc strings, metadata and inner shapes.

    The exporter writes a stack trace to each node, 25-235 kB a file; its inner shapes may be stale, which makes
    quantizers fail, and runtimes infer them again.
    """
    del model.metadata_props[:]
    model.ClearField("doc_string")
    graph = model.graph
    del graph.value_info[:]
    for part in (graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        part.ClearField("doc_string")
        del part.metadata_props[:]


def initializers(model: ModelProto) -> dict[str, TensorProto]:
    """Return the constants by name."""
    return {tensor.name: tensor for tensor in model.graph.initializer}


def consumers(model: ModelProto) -> dict[str, list[NodeProto]]:
    """Return, for each value, the nodes that read it."""
    found: dict[str, list[NodeProto]] = {}
    for node in model.graph.node:
        for name in dict.fromkeys(node.input):
            found.setdefault(name, []).append(node)
    return found


def operator_counts(model: ModelProto) -> dict[str, int]:
    """Return how often each operator occurs."""
    return dict(Counter(node.op_type for node in model.graph.node))


def is_excluded(node: NodeProto, exclude: Collection[str]) -> bool:
    """Tell whether a node is excluded, by its name or by its operator."""
    return node.name in exclude or node.op_type in exclude


def weight_nodes(model: ModelProto, operators: Collection[str] = DYNAMIC_INT8) -> list[WeightNode]:
    """Return the nodes whose weights can be quantized, in graph order; of the Gathers those that read large tables."""
    constants = initializers(model)
    tables = {node.name for node in table_gathers(model)}
    found = []
    for node in model.graph.node:
        size = _weight_bytes(node, constants) if node.op_type in operators else 0
        if size and (node.op_type != "Gather" or node.name in tables):
            found.append(WeightNode(node.name, node.op_type, size))
    return found


def _weight_bytes(node: NodeProto, constants: Mapping[str, TensorProto]) -> int:
    """Return the fp32 bytes of a node's constant weights; 0 when there are none that can be quantized."""
    inputs = [node.input[i] for i in _WEIGHT_INPUTS[node.op_type] if i < len(node.input)]
    tensors = [constants.get(name) for name in inputs]
    if not inputs or any(tensor is None or tensor.data_type != TensorProto.FLOAT for tensor in tensors):
        return 0
    if node.op_type == "Gemm" and not _is_plain(node):
        return 0
    values = sum(int(np.prod(tensor.dims)) for tensor in tensors if tensor is not None)
    return 4 * values if values >= MIN_VALUES or node.op_type == "Gather" else 0


def _is_plain(gemm: NodeProto) -> bool:
    """Tell whether a Gemm is a matrix product and a sum, which is what can be quantized."""
    found = {entry.name: helper.get_attribute_value(entry) for entry in gemm.attribute}
    return found.get("alpha", 1.0) == 1.0 and found.get("beta", 1.0) == 1.0 and not found.get("transA", 0)


def table_gathers(model: ModelProto) -> list[NodeProto]:
    """Return the nodes that read rows of a large fp32 table that nothing else reads: of tokens, n-grams, positions."""
    constants = initializers(model)
    readers = consumers(model)
    by_token = _made_of(model, "input_ids")
    found = []
    for node in model.graph.node:
        if node.op_type != "Gather" or any(entry.name == "axis" and entry.i for entry in node.attribute):
            continue
        table = constants.get(node.input[0])
        if table is None or table.data_type != TensorProto.FLOAT or len(table.dims) != 2:
            continue
        values = int(np.prod(table.dims))
        large = values >= _TOKEN_VALUES if node.input[1] in by_token else 4 * values >= _TABLE_BYTES
        alone = all(other.op_type == "Gather" for other in readers[table.name])
        scales = table.name.endswith("_scale") and f"{table.name.removesuffix('_scale')}_int8" in constants
        if large and alone and not scales:  # the scales of a table that is int8 already are no table
            found.append(node)
    return found


def _made_of(model: ModelProto, source: str) -> set[str]:
    """Return the values that depend on those of ``source``, not only on its shape."""
    found = {source}
    for node in model.graph.node:  # in topological order
        if node.op_type != "Shape" and not found.isdisjoint(node.input):
            found.update(node.output)
    return found


def array(tensor: TensorProto) -> np.ndarray[Any, Any]:
    """Return a constant's values."""
    values: np.ndarray[Any, Any] = numpy_helper.to_array(tensor)
    return values


def drop_unused(model: ModelProto) -> None:
    """Remove constants that no node reads."""
    used = {name for node in model.graph.node for name in node.input} | {entry.name for entry in model.graph.output}
    kept = [tensor for tensor in model.graph.initializer if tensor.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)


def declare_float(model: ModelProto) -> None:
    """Say that operators of com.microsoft return fp32, which shape inference does not know, but a quantizer asks."""
    known = {entry.name for entry in (*model.graph.value_info, *model.graph.output)}
    for node in model.graph.node:
        if node.domain == "com.microsoft" and node.output[0] not in known:
            model.graph.value_info.append(helper.make_tensor_value_info(node.output[0], TensorProto.FLOAT, None))


def need_domain(model: ModelProto, domain: str, version: int = 1) -> None:
    """Say that the graph uses operators of ``domain``."""
    if all(entry.domain != domain for entry in model.opset_import):
        model.opset_import.append(helper.make_opsetid(domain, version))


def check_block(block: int) -> None:
    """Refuse a block size that ONNX Runtime's blockwise operators do not have.

    Raises:
        ConfigError: when it is no power of two, or smaller than 16.
    """
    if block < 16 or block & (block - 1):
        raise ConfigError(
            f"block is {block}; ONNX Runtime needs a power of two of at least 16.", hint="Use 16, 32, 64, 128 or 256."
        )


@contextlib.contextmanager
def quantizing(what: str) -> Iterator[None]:
    """Silence a library that rewrites graphs, and say in one error that it failed.

    Raises:
        InvalidArtifact: for whatever it raises; such errors have no common base.
    """
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            yield
        except EdgekdError:
            raise
        except Exception as error:
            raise InvalidArtifact(f"ONNX Runtime could not make the graph {what}: {error}") from error
        finally:
            root.setLevel(level)
