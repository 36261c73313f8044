"""What the operators of a graph compute and move: multiply-adds and bytes, from the profile of one call. Pure.

ONNX Runtime's profile names the shape of every input and output after all fusions, so neither the ``onnx`` package nor
rules of shape inference are needed. It must come from a session without prepacking: a packed weight is not listed.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Shape = list[int]
Arithmetic = Literal["fp32", "fp16", "int8"]

# Operators that read some rows of a table, not all of it.
LOOKUPS = frozenset({"Gather", "GatherND", "GatherElements", "GatherBlockQuantized", "EmbedLayerNormalization"})
# They change the shape of a tensor and touch none of its values.
VIEWS = frozenset({"Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity", "Shape", "Size"})
INTEGERS = frozenset({"int8", "uint8"})
_SUFFIX = "_kernel_time"


@dataclass(frozen=True)
class OperatorCost:
    """One operator of a graph, executed once.

    Attributes:
        name: of the node.
        op_type: of the node, "MatMul".
        macs: multiply-adds of matrix products and convolutions; what is done element by element has none.
        weight_bytes: read of constants.
        activation_bytes: read of what other operators wrote, and of inputs.
        written_bytes: of its outputs.
        arithmetic: "int8" and "fp16" where both sides of a product are such, else "fp32".
        seconds: it took, with the profiler on; resolution one microsecond.
    """

    name: str
    op_type: str
    macs: int
    weight_bytes: int
    activation_bytes: int
    written_bytes: int
    arithmetic: Arithmetic
    seconds: float

    @property
    def read_bytes(self) -> int:
        """Weights and activations."""
        return self.weight_bytes + self.activation_bytes


def operator_costs(events: Sequence[Mapping[str, Any]]) -> list[OperatorCost]:
    """Return the operators of one call in the order of their execution.

    Args:
        events: of ONNX Runtime's profile; those of other categories than "Node" are skipped.
    """
    return [_cost(event) for event in events if is_operator(event)]


def is_operator(event: Mapping[str, Any]) -> bool:
    """Tell whether an event of a profile is the execution of an operator."""
    return event.get("cat") == "Node" and str(event.get("name", "")).endswith(_SUFFIX)


def operator_name(event: Mapping[str, Any]) -> str:
    """Return the name of the node."""
    return str(event["name"]).removesuffix(_SUFFIX)


def _cost(event: Mapping[str, Any]) -> OperatorCost:
    facts = event["args"]
    op_type = str(facts["op_name"])
    inputs, outputs = _shapes(facts, "input_type_shape"), _shapes(facts, "output_type_shape")
    weights, activations = int(facts.get("parameter_size", 0)), int(facts.get("activation_size", 0))
    written = int(facts.get("output_size", 0))
    if op_type in LOOKUPS and weights:
        weights = written
    elif op_type in VIEWS:
        weights = activations = written = 0
    return OperatorCost(
        name=operator_name(event),
        op_type=op_type,
        macs=macs(op_type, [shape for _, shape in inputs], [shape for _, shape in outputs]),
        weight_bytes=weights,
        activation_bytes=activations,
        written_bytes=written,
        arithmetic=_arithmetic(op_type, inputs),
        seconds=event["dur"] * 1e-6,
    )


def _shapes(facts: Mapping[str, Any], key: str) -> list[tuple[str, Shape]]:
    return [(dtype, [int(size) for size in shape]) for entry in facts[key] for dtype, shape in entry.items()]


def _arithmetic(op_type: str, inputs: Sequence[tuple[str, Shape]]) -> Arithmetic:
    """Return what a product is computed in; an operator may quantize its activations by itself."""
    kinds = [dtype for dtype, shape in inputs if len(shape) > 1][:2]
    if op_type not in _RULES or len(kinds) < 2:
        return "fp32"
    quantizes = op_type.startswith("Dynamic")
    if kinds[1] in INTEGERS and (kinds[0] in INTEGERS or quantizes):
        return "int8"
    return "fp16" if kinds == ["float16", "float16"] else "fp32"


def macs(op_type: str, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> int:
    """Return the multiply-adds of an operator; 0 for one that is no matrix product or convolution.

    Args:
        op_type: of the node.
        inputs: shapes, constants included.
        outputs: shapes.
    """
    rule = _RULES.get(op_type)
    return rule(inputs, outputs[0]) if rule is not None and inputs and outputs else 0


def _product(inputs: Sequence[Shape], output: Shape) -> int:
    """(..., M, K) times (..., K, N): M * N * K. The first matrix may be transposed."""
    first = inputs[0]
    transposed = len(first) > 1 and len(output) > 1 and first[-2] != output[-2]
    inner = first[-2] if transposed else first[-1] if first else 1
    return prod(output) * inner


def _convolution(inputs: Sequence[Shape], output: Shape) -> int:
    """Every output value sums over the channels of its group and the window: weights are (out, in / group, window)."""
    weights = next((shape for shape in inputs[1:] if len(shape) == len(output)), None)
    return prod(output) * prod(weights[1:]) if weights else 0


def _attention(inputs: Sequence[Shape], output: Shape) -> int:
    """Microsoft's ``Attention`` with its projections, or ONNX's and ``MultiHeadAttention`` of given q, k and v."""
    first, second = inputs[0], inputs[1]
    if len(second) == 2:  # (batch, tokens, width) and the weights of q, k and v side by side
        batch, tokens, _ = first
        qk_width = (second[1] - output[-1]) // 2
        return prod(first) * second[1] + batch * tokens * tokens * (qk_width + output[-1])
    value = inputs[2] if len(inputs) > 2 else second
    keys = second[-2]  # (batch, tokens, width) or (batch, heads, tokens, width of a head)
    return prod(first) * keys + prod(first[:-1]) * value[-1] * keys


def _recurrence(inputs: Sequence[Shape], _: Shape) -> int:
    """Each step multiplies the input and the state with all gates; weights are (directions, gates, width)."""
    tokens, batch, _width = inputs[0]
    return tokens * batch * (prod(inputs[1]) + prod(inputs[2]))


_PRODUCTS = (
    *("MatMul", "FusedMatMul", "Gemm", "FusedGemm", "TransposeMatMul", "MatMulInteger", "MatMulIntegerToFloat"),
    *("DynamicQuantizeMatMul", "QLinearMatMul", "QGemm", "MatMulNBits"),
)
_CONVOLUTIONS = ("Conv", "FusedConv", "NhwcFusedConv", "ConvInteger", "QLinearConv")
_ATTENTIONS = ("Attention", "MultiHeadAttention", "QAttention")
_RECURRENCES = ("LSTM", "GRU", "RNN", "DynamicQuantizeLSTM")
_RULES: dict[str, Callable[[Sequence[Shape], Shape], int]] = {
    **dict.fromkeys(_PRODUCTS, _product),
    **dict.fromkeys(_CONVOLUTIONS, _convolution),
    **dict.fromkeys(_ATTENTIONS, _attention),
    **dict.fromkeys(_RECURRENCES, _recurrence),
}
