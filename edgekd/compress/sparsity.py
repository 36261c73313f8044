"""What zeros do to a file: their share, its bytes when compressed, and whether they have a pattern."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from onnx import TensorProto, numpy_helper
from safetensors.torch import load_file

from edgekd import units
from edgekd.compress.graph import load
from edgekd.compress.sparse_masks import check_pattern

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from onnx import ModelProto, NodeProto

HONEST = (
    "Dense runtimes (ONNX Runtime, OpenVINO) multiply with zeros as with other numbers: nothing gets faster, and a "
    "file gets smaller only when it is compressed."
)
LEVEL = 9
Array = np.ndarray[Any, Any]

# Operators that sum over an axis of their weight: the input that is the weight, and that axis.
_SUMMED = {"MatMul": (1, -2), "MatMulInteger": (1, -2), "Gemm": (1, 0), "Conv": (1, 1), "ConvInteger": (1, 1)}


def compressed_bytes(tensors: Mapping[str, torch.Tensor]) -> int:
    """Return the bytes of tensors, each compressed by zlib at its highest level."""
    return sum(len(zlib.compress(_raw(tensor), LEVEL)) for tensor in tensors.values())


def _raw(tensor: torch.Tensor) -> bytes:
    flat = tensor.detach().cpu().contiguous().view(-1)
    return bytes(flat.view(torch.uint8).numpy())


def sparsity_report(path: Path, before: Path | None = None) -> dict[str, Any]:
    """Return what zeros do to a model on disk, as plain JSON types.

    Args:
        path: ONNX graph, or folder with ``model.safetensors``.
        before: the same without the zeros, to compare with.
    """
    layers = [
        {"name": name, "weights": values.size, "zeros": zeros, "share": zeros / values.size}
        for name, (values, zero) in _matrices(path).items()
        for zeros in [int((values == zero).sum())]
    ]
    report: dict[str, Any] = {
        "layers": layers,
        "zeros": sum(layer["zeros"] for layer in layers),
        "bytes": _file(path).stat().st_size,
        "compressed_bytes": len(zlib.compress(_file(path).read_bytes(), LEVEL)),
        "note": HONEST,
    }
    if before is not None:
        report["bytes_before"] = _file(before).stat().st_size
        report["compressed_bytes_before"] = len(zlib.compress(_file(before).read_bytes(), LEVEL))
    return report


def _file(path: Path) -> Path:
    return path / "model.safetensors" if path.is_dir() else path


def _matrices(path: Path) -> dict[str, tuple[Array, float]]:
    """Return values and the value that means zero, of everything with two or more axes."""
    if path.is_dir():
        found = {name: (tensor.float().numpy(), 0.0) for name, tensor in load_file(_file(path)).items()}
    else:
        model = load(path)
        zero_points = _zero_points(model)
        found = {
            tensor.name: (numpy_helper.to_array(tensor), zero_points.get(tensor.name, 0.0))
            for tensor in model.graph.initializer
            if tensor.data_type not in (TensorProto.INT64, TensorProto.INT32, TensorProto.BOOL)
        }
    return {name: pair for name, pair in found.items() if pair[0].ndim >= 2}


def _zero_points(model: ModelProto) -> dict[str, float]:
    """Return the value that means zero of each quantized weight with one scale, by its name."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    found = {}
    for node in model.graph.node:
        pairs = {"MatMulInteger": (1, 3), "ConvInteger": (1, 3), "DequantizeLinear": (0, 2)}.get(node.op_type)
        if pairs is None or len(node.input) <= pairs[1]:
            continue
        weight, zero = (node.input[index] for index in pairs)
        if weight in constants and zero in constants:
            value = numpy_helper.to_array(constants[zero])
            if value.min() == value.max():
                found[weight] = float(value.flat[0])
    return found


def check_graph_pattern(path: Path, n: int, m: int) -> dict[str, bool]:
    """Tell for each matrix product and convolution with a constant weight whether the weight has the N:M pattern.

    Checked is along the axis that is summed over, which is the one that sparse tensor cores skip zeros of. int8 weights
    count as zero where they mean zero.

    Args:
        path: ONNX graph.
        n: of N:M.
        m: of N:M.
    """
    model = load(path)
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    zero_points = _zero_points(model)
    dequantized = {node.output[0]: node.input[0] for node in model.graph.node if node.op_type == "DequantizeLinear"}
    found = {}
    for node in model.graph.node:
        place = _SUMMED.get(node.op_type)
        if place is None:
            continue
        name = node.input[place[0]]
        tensor = constants.get(dequantized.get(name, name))
        if tensor is None or len(tensor.dims) < 2:
            continue
        zero = zero_points.get(tensor.name, 0.0)
        weight = numpy_helper.to_array(tensor) != zero
        found[node.name] = check_pattern(np.moveaxis(weight, _summed_axis(node, place[1]), -1), n, m)
    return found


def _summed_axis(node: NodeProto, axis: int) -> int:
    transposed = node.op_type == "Gemm" and any(entry.name == "transB" and entry.i for entry in node.attribute)
    return 1 if transposed else axis


def zeros_in_words(path: Path, before: Path, pattern: str) -> str:
    """Return what zeros do to a graph, as sentences.

    Args:
        path: ONNX graph.
        before: the graph without the zeros.
        pattern: "unstructured", or "N:M", which is checked in the graph itself.
    """
    report = sparsity_report(path, before)
    old, new = report["compressed_bytes_before"], report["compressed_bytes"]
    said = [f"{report['zeros']:,} zeros; the file compressed (zlib): {units.size(old)} -> {units.size(new)}."]
    if ":" in pattern:
        found = check_graph_pattern(path, *map(int, pattern.split(":")))
        dense = [name for name, holds in found.items() if not holds]
        said.append(f"{pattern} holds in {len(found) - len(dense)} of {len(found)} matrices of the graph.")
    return " ".join([*said, HONEST])
