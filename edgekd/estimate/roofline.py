"""The roofline: an operator takes as long as its arithmetic or its memory traffic, whichever is longer.

Williams, Waterman, Patterson: Roofline, an insightful visual performance model (2009). Tiny models have a third part
that the original does not know: what an operator costs before it computes anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.bench.cost import OperatorCost
    from edgekd.estimate.processor import Processor

# Operations for one element of the output, of operators whose work is not multiplying matrices; vectorised code.
ELEMENT_OPERATIONS = {
    **dict.fromkeys(("Erf", "Gelu", "FastGelu", "BiasGelu", "QuickGelu"), 25.0),
    **dict.fromkeys(("Tanh", "Sigmoid", "Softmax", "Exp", "Pow", "Log"), 20.0),
    **dict.fromkeys(("LayerNormalization", "SkipLayerNormalization", "EmbedLayerNormalization"), 10.0),
    **dict.fromkeys(("DynamicQuantizeLinear", "QuantizeLinear", "DequantizeLinear", "Sqrt", "Div"), 5.0),
}
OTHER_ELEMENT_OPERATIONS = 1.0
BYTES_OF_AN_ELEMENT = 4


@dataclass(frozen=True)
class Parts:
    """Where the time of a network goes, in seconds; they add up.

    Attributes:
        arithmetic_s: of operators that wait for arithmetic.
        memory_s: of operators that wait for memory.
        dispatch_s: of starting operators and the call.
        operators: how many.
        macs: of all operators.
        weight_bytes: of all operators.
    """

    arithmetic_s: float
    memory_s: float
    dispatch_s: float
    operators: int
    macs: int
    weight_bytes: int

    @property
    def total_s(self) -> float:
        """Their sum."""
        return self.arithmetic_s + self.memory_s + self.dispatch_s


def network_time(operators: Sequence[OperatorCost], processor: Processor) -> Parts:
    """Return how long a network takes, called once more and again on one text after the other.

    Args:
        operators: of one inference.
        processor: the rates of the board.
    """
    weights = sum(work.weight_bytes for work in operators)
    arithmetic = memory = 0.0
    for work in operators:
        computing, moving = arithmetic_s(work, processor), memory_s(work, processor, weights)
        if computing >= moving:
            arithmetic += computing
        else:
            memory += moving
    dispatch = processor.call_s + len(operators) * processor.dispatch_s
    return Parts(arithmetic, memory, dispatch, len(operators), sum(work.macs for work in operators), weights)


def arithmetic_s(work: OperatorCost, processor: Processor) -> float:
    """Return the time of an operator's arithmetic: 2 MACs / rate, and the work on elements that is none of it."""
    rate = {"fp32": processor.fp32_flops, "fp16": processor.fp16_flops, "int8": processor.int8_ops}[work.arithmetic]
    elements = max(work.activation_bytes, work.written_bytes) / BYTES_OF_AN_ELEMENT
    operations = ELEMENT_OPERATIONS.get(work.op_type, OTHER_ELEMENT_OPERATIONS)
    return 2 * work.macs / rate + (0.0 if work.macs else operations * elements / processor.fp32_flops)


def memory_s(work: OperatorCost, processor: Processor, all_weights_bytes: int) -> float:
    """Return the time of an operator's memory traffic.

    Weights come from the cache when those of the whole network fit into half of it, because the last call has left
    them there; else from memory. Activations were written a moment ago, and come from the cache when they fit.

    Args:
        work: the operator.
        processor: the rates of the board.
        all_weights_bytes: of the network.
    """
    room = (processor.cache_size_bytes or 0) / 2
    activations = work.activation_bytes + work.written_bytes
    weight_rate = processor.cache_bytes if all_weights_bytes <= room else processor.memory_bytes
    activation_rate = processor.cache_bytes if activations <= room else processor.memory_bytes
    return work.weight_bytes / weight_rate + activations / activation_rate
