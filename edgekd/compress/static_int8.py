"""Static int8 by ONNX Runtime: ranges of activations come from calibration texts (QuantizeLinear, DequantizeLinear)."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx

from edgekd.compress.attention import attention_as_products
from edgekd.compress.embeddings import rewrite_tables
from edgekd.compress.graph import declare_float, load, quantizing, save_smaller, weight_nodes
from edgekd.errors import DataError, NotApplicable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onnx import ModelProto

    from edgekd.devices import Int8
    from edgekd.steps import StaticInt8Step

OPERATORS = ("MatMul", "Gemm", "Conv")


def static_int8(
    source: Path,
    target: Path,
    flavour: Int8,
    *,
    step: StaticInt8Step,
    rows: Sequence[Sequence[int]],
    pad_token_id: int,
) -> None:
    """Write ``source`` with int8 matrices, convolutions and token vectors, and ranges seen on calibration texts.

    Ranges are made of the smallest and largest value (min-max), of the clipping that keeps most information
    (entropy: Migacz, 8-bit inference with TensorRT, GTC 2017), or of a percentile. Texts go through the graph one by
    one, as on a device, so that padding is never calibrated.

    Args:
        source: fp32 ONNX graph.
        target: where the int8 graph goes.
        flavour: signs, 7-bit weights and scales per channel of the target.
        step: how to calibrate, and what stays fp32.
        rows: token ids of the calibration texts.
        pad_token_id: stands in for a text without any token.

    Raises:
        NotApplicable: when there is nothing to quantize, or the graph would not get smaller.
        DataError: without calibration texts.
        InvalidArtifact: when the quantizer cannot handle the graph.
    """
    if not rows:
        raise DataError("Static int8 needs at least one calibration text.", hint="Use int8, which needs none.")
    model = load(source)
    attention_as_products(model)
    names = [
        node.name
        for node in weight_nodes(model, OPERATORS)
        if node.name not in step.exclude and node.op_type not in step.exclude
    ]
    if not names:
        raise NotApplicable("The graph has no matrices or convolutions that static int8 could be made of.")
    rewrite_tables(model, bits=8, exclude=step.exclude)
    feeds = _Feeds([_feed(model, row, pad_token_id) for row in rows])
    save_smaller(_quantized(model, flavour, step, names, feeds), source, target, step.step)


def _quantized(model: ModelProto, flavour: Int8, step: StaticInt8Step, names: list[str], feeds: _Feeds) -> ModelProto:
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    method = {
        "minmax": CalibrationMethod.MinMax,
        "entropy": CalibrationMethod.Entropy,
        "percentile": CalibrationMethod.Percentile,
    }
    types = {"int8": QuantType.QInt8, "uint8": QuantType.QUInt8}
    declare_float(model)
    with quantizing("int8"), tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        quantize_static(
            model,
            str(path),
            feeds,
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(OPERATORS),
            nodes_to_quantize=names,
            per_channel=flavour.per_channel if step.per_channel is None else step.per_channel,
            reduce_range=flavour.reduce_range,
            activation_type=types[flavour.activation],
            weight_type=types[flavour.weight],
            calibrate_method=method[step.calibration],
            extra_options={
                "DefaultTensorType": onnx.TensorProto.FLOAT,
                "CalibPercentile": step.percentile,
                # Int8 on both sides is TensorRT's: it reads no zero points.
                "ActivationSymmetric": flavour.activation == "int8",
                # One text at a time: histograms cannot be made of texts of different lengths at once.
                "CalibStridedMinMax": 1,
                "MatMulConstBOnly": True,
                "OpTypesToExcludeOutputQuantization": ["MatMul", "Gemm"],
            },
        )
        return load(path)


def _feed(model: ModelProto, row: Sequence[int], pad_token_id: int) -> dict[str, Any]:
    """Return the inputs of one text; one without tokens is a single masked padding."""
    ids = np.asarray([list(row) or [pad_token_id]], np.int64)
    feed = {"input_ids": ids, "attention_mask": np.full_like(ids, 1 if row else 0)}
    kinds = {e.name: onnx.helper.tensor_dtype_to_np_dtype(e.type.tensor_type.elem_type) for e in model.graph.input}
    return {name: feed[name].astype(kind) for name, kind in kinds.items()}


class _Feeds:
    """Gives the quantizer its texts; by its name it is a ``CalibrationDataReader``."""

    def __init__(self, feeds: list[dict[str, Any]]) -> None:
        self.feeds = feeds
        self.set_range(0, len(feeds))

    def __len__(self) -> int:
        return len(self.feeds)

    def set_range(self, start_index: int, end_index: int) -> None:
        """Read these texts next."""
        self._next, self._end = start_index, end_index

    def get_next(self) -> dict[str, Any] | None:
        """Return the next text, or None."""
        if self._next >= self._end:
            return None
        self._next += 1
        return self.feeds[self._next - 1]
