"""What TensorRT's ONNX parser reads, for the operators that text classifiers use.

Source: ``docs/operators.md`` of github.com/onnx/onnx-tensorrt, as of TensorRT 8.5 and 10.15: listed are operators that
both know, and those that came between the two and before 10.3 (LayerNormalization with 8.6; Gelu with 10.0, which reads
opset 20). 64-bit integers are read as such from 10.0 on.
"""

from __future__ import annotations

from dataclasses import dataclass

from onnx import TensorProto

FIRST_VERSION = (10, 0)  # reads 64-bit integers as such
NEWEST_OPSET = 20  # of TensorRT 10.0 to 10.3

_FLOAT = frozenset({TensorProto.FLOAT, TensorProto.FLOAT16})
_INTEGER = frozenset({TensorProto.INT32, TensorProto.INT64})
_BOOL = frozenset({TensorProto.BOOL})
_INT8 = frozenset({TensorProto.INT8})


@dataclass(frozen=True)
class Support:
    """Types of the first data input of an operator."""

    types: frozenset[int]
    unsure: frozenset[int] = frozenset()  # documented for a version after the board's


def _rows(names: str, types: frozenset[int], unsure: frozenset[int] = frozenset()) -> dict[str, Support]:
    return {name: Support(types, unsure) for name in names.split()}


_ANY = _FLOAT | _INTEGER | _BOOL

SUPPORTED: dict[str, Support] = {
    **_rows("Abs Add Div Equal Greater GreaterOrEqual Less LessOrEqual Max Mean Min Mod Mul", _FLOAT | _INTEGER),
    **_rows("Neg Range Sign Sub Sum Pad IsNaN", _FLOAT | _INTEGER),
    **_rows("Acos Acosh Asin Asinh Atan Atanh Ceil Celu Clip Conv ConvTranspose Cos Cosh Elu Erf Exp Floor", _FLOAT),
    **_rows("Gelu Gemm GlobalAveragePool GlobalMaxPool GRU HardSigmoid HardSwish InstanceNormalization", _FLOAT),
    **_rows("LayerNormalization LeakyRelu Log LogSoftmax LSTM MatMul Reciprocal RNN Round Selu Sigmoid Sin", _FLOAT),
    **_rows("Sinh Softmax Softplus Softsign Sqrt Tan Tanh BatchNormalization AveragePool MaxPool Einsum", _FLOAT),
    **_rows("PRelu ThresholdedRelu Dropout QuantizeLinear LpNormalization", _FLOAT),
    **_rows("And Not Or Xor", _BOOL),
    **_rows("Cast Concat Constant Expand EyeLike Flatten Gather GatherElements GatherND Identity OneHot", _ANY),
    **_rows("If Reshape Shape Size Slice Split Squeeze Tile Transpose Trilu Unsqueeze Where", _ANY),
    **_rows("ScatterElements ScatterND Loop Scan", _FLOAT | _INTEGER),
    **_rows("ConstantOfShape", _INTEGER),  # the input is the shape
    **_rows("ArgMax ArgMin Relu TopK Pow", _FLOAT, _INTEGER),
    **_rows("ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin", _FLOAT, _INTEGER),
    **_rows("ReduceProd ReduceSum ReduceSumSquare", _FLOAT, _INTEGER),
    **_rows("CumSum", _FLOAT),
    **_rows("DequantizeLinear", _INT8),
}  # fmt: skip

# The input that says the type, where it is not the first.
DATA_INPUT = {"Where": 1}
# Inputs that must be known when the engine is built.
CONSTANT_INPUTS = {
    "Squeeze": (1,),
    "Unsqueeze": (1,),
    "CumSum": (1,),
    **{name: (1,) for name in SUPPORTED if name.startswith("Reduce")},
}
