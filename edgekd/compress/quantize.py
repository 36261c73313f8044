"""Dynamic int8 quantization of an ONNX graph by ONNX Runtime, in the flavour of the target's processor."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from edgekd.errors import InvalidArtifact

if TYPE_CHECKING:
    from edgekd.devices import Int8

# Gather quantizes the embedding table, which is most of a tiny student's bytes.
OPERATORS = ["MatMul", "Gemm", "Gather", "Attention"]


def quantize_dynamic_int8(source: Path, target: Path, flavour: Int8) -> None:
    """Write ``source`` with int8 weights; activations are quantized at run time, so no calibration is needed.

    Raises:
        InvalidArtifact: when the quantizer cannot handle the graph, or changes nothing.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.shape_inference import quant_pre_process

    logging.getLogger().setLevel(logging.ERROR)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        try:
            quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
            quantize_dynamic(
                str(prepared),
                str(target),
                op_types_to_quantize=OPERATORS,
                weight_type=QuantType.QInt8 if flavour.weight == "int8" else QuantType.QUInt8,
                per_channel=flavour.per_channel,
                reduce_range=flavour.reduce_range,
            )
        except (RuntimeError, ValueError, onnx.onnx_cpp2py_export.shape_inference.InferenceError) as error:
            raise InvalidArtifact(f"ONNX Runtime could not quantize the graph: {error}") from error
    if target.stat().st_size >= source.stat().st_size:
        target.unlink()
        raise InvalidArtifact("Quantization did not make the graph smaller.")
