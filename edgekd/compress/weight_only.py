"""Matrices stored in int8 or int4, blocks of weights with a scale each (``MatMulNBits``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd.compress.attention import attention_as_products
from edgekd.compress.graph import check_block, load, need_domain, quantizing, save_smaller, weight_nodes
from edgekd.errors import NotApplicable

if TYPE_CHECKING:
    from pathlib import Path

    from edgekd.steps import WeightsStep


def weight_only(source: Path, target: Path, *, step: WeightsStep) -> None:
    """Write the graph ``source`` with its constant matrices in blocks of int8 or int4.

    Activations stay fp32, and so do token vectors, convolutions and recurrent layers. Matrices of fewer than 1000
    values are left alone.

    Raises:
        NotApplicable: when the graph has no such matrices, or would not get smaller.
        ConfigError: for a block size that the runtime does not have.
        InvalidArtifact: when the quantizer cannot handle the graph.
    """
    check_block(step.block)
    model = load(source)
    attention_as_products(model)
    names = [node.name for node in weight_nodes(model) if node.op_type in ("MatMul", "Gemm")]
    if not names:
        raise NotApplicable("The graph has no constant matrices whose weights could be quantized.")
    with quantizing(step.step):
        from onnxruntime.quantization.matmul_nbits_quantizer import DefaultWeightOnlyQuantConfig, MatMulNBitsQuantizer
        from onnxruntime.quantization.onnx_model import ONNXModel

        ONNXModel(model).replace_gemm_with_matmul()  # the product of a Gemm gets this name:
        chosen = {*names, *(f"{name}_MatMul" for name in names)}
        quantizer = MatMulNBitsQuantizer(
            model,
            nodes_to_exclude=[node.name for node in model.graph.node if node.name not in chosen],
            algo_config=DefaultWeightOnlyQuantConfig(
                block_size=step.block,
                is_symmetric=False,
                accuracy_level=step.accuracy_level,
                op_types_to_quantize=("MatMul",),
                bits=step.bits,
            ),
        )
        quantizer.process()
        model = quantizer.model.model
    need_domain(model, "com.microsoft")
    save_smaller(model, source, target, step.step)
