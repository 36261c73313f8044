"""Dynamic int8 by ONNX Runtime, in the flavour of the target's processor."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import onnx

from edgekd.compress.convolution import convolutions_as_products
from edgekd.compress.embeddings import rewrite_tables
from edgekd.compress.graph import declare_float, load, quantizing, save_smaller, weight_nodes
from edgekd.errors import NotApplicable
from edgekd.steps import Int8Step

if TYPE_CHECKING:
    from collections.abc import Collection

    from onnx import ModelProto

    from edgekd.devices import Int8

OPERATORS = ["MatMul", "Attention", "LSTM", "Gather"]


def dynamic_int8(
    source: Path,
    target: Path,
    flavour: Int8,
    *,
    step: Int8Step = Int8Step(),  # noqa: B008 - immutable
    exclude: Collection[str] = (),
) -> None:
    """Write ``source`` with int8 matrices, LSTM weights and token vectors.

    Activations are quantized at run time, each tensor by its own range (always uint8 in ONNX Runtime), so nothing is
    calibrated. Convolutions become matrix products. GRU layers stay fp32, and so do matrices of fewer than 1000 values.

    Args:
        source: fp32 ONNX graph.
        target: where the int8 graph goes.
        flavour: signs, 7-bit weights and scales per channel of the target.
        step: what differs from it.
        exclude: further nodes or operator types that stay fp32.

    Raises:
        NotApplicable: when there is nothing to quantize, or the graph would not get smaller.
        InvalidArtifact: when the quantizer cannot handle the graph.
    """
    model = load(source)
    excluded = {*exclude, *step.exclude}
    wanted = [
        node
        for node in weight_nodes(model)
        if node.name not in excluded
        and node.op_type not in excluded
        and (node.op_type != "Gather" or step.embeddings != "fp32")
    ]
    if not wanted:
        raise NotApplicable("The graph has no weights that int8 could be made of.")
    if step.embeddings == "row":
        rewrite_tables(model, bits=8, exclude=excluded)
        wanted = [node for node in wanted if node.op_type != "Gather"]
    turned = convolutions_as_products(model, [node.name for node in wanted if node.op_type == "Conv"])
    wanted = [node for node in wanted if node.op_type != "Conv" or node.name in turned]
    if wanted:
        model = _quantized(model, flavour, step, [node.name for node in wanted])
    save_smaller(model, source, target, "int8")


def _quantized(model: ModelProto, flavour: Int8, step: Int8Step, names: Collection[str]) -> ModelProto:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    declare_float(model)
    with quantizing("int8"), tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        quantize_dynamic(
            model,
            str(path),
            op_types_to_quantize=OPERATORS,
            # The quantizer makes MatMul and Add of a Gemm, and gives the product this name.
            nodes_to_quantize=[*names, *(f"{name}_MatMul" for name in names)],
            weight_type=QuantType.QInt8 if flavour.weight == "int8" else QuantType.QUInt8,
            per_channel=flavour.per_channel if step.per_channel is None else step.per_channel,
            reduce_range=flavour.reduce_range,
            # Shapes and types behind operators of com.microsoft cannot be inferred.
            extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
        )
        return load(path)
