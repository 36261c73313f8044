"""Small ONNX graphs, made by hand, for tests of the steps on graphs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

VOCABULARY = 60


def make_graph(
    path: Path,
    nodes: list[Any],
    constants: dict[str, Any],
    *,
    inputs: tuple[str, ...] = ("input_ids",),
    outputs: int = 2,
) -> Path:
    """Write a graph from ids (int64, batch x sequence) to ``logits``."""
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"]) for name in inputs],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", outputs])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(path))
    return path


def mean_graph(path: Path, *, width: int = 32, hidden: int = 48, table: Any = None, seed: int = 0) -> Path:
    """Write: token vectors, mean over the text, hidden layer (Gemm, ReLU), 2 logits. Nodes have names."""
    rng = np.random.default_rng(seed)
    table = rng.normal(0, 1, (VOCABULARY, width)).astype(np.float32) if table is None else table
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["vectors"], "read"),
        helper.make_node("ReduceMean", ["vectors", "axis"], ["mean"], "mean", keepdims=0),
        helper.make_node("Gemm", ["mean", "first", "bias"], ["hidden"], "first", transB=1),
        helper.make_node("Relu", ["hidden"], ["active"], "relu"),
        helper.make_node("MatMul", ["active", "last"], ["logits"], "last"),
    ]
    constants = {
        "table": table,
        "axis": np.array([1], np.int64),
        "first": rng.normal(0, 0.3, (hidden, table.shape[1])).astype(np.float32),
        "bias": rng.normal(0, 0.1, hidden).astype(np.float32),
        "last": rng.normal(0, 0.3, (hidden, 2)).astype(np.float32),
    }
    return make_graph(path, nodes, constants)


def table_graph(path: Path, table: Any) -> Path:
    """Write a graph of one text that returns a vector per token: ``logits`` is ``(sequence, width)``."""
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["vectors"], "read"),
        helper.make_node("Squeeze", ["vectors", "axis"], ["logits"], "squeeze"),
    ]
    return make_graph(path, nodes, {"table": table, "axis": np.array([0], np.int64)}, outputs=table.shape[1])


def run(path: Path, row: Any) -> Any:
    """Return the logits of one text."""
    import onnxruntime as ort

    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    ids = np.asarray([row], np.int64)
    feed = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
    return session.run(None, {entry.name: feed[entry.name] for entry in session.get_inputs()})[0]


def some_rows(count: int = 12, longest: int = 15, seed: int = 0) -> list[list[int]]:
    """Return token ids of texts of all lengths from 1 on."""
    rng = np.random.default_rng(seed)
    return [rng.integers(0, VOCABULARY, 1 + i % longest).tolist() for i in range(count)]
