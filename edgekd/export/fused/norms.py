"""The sum of a layer's input and output in front of its normalisation.

``SkipLayerNormalization`` would be sum, bias and normalisation in one, but ONNX Runtime computes it number by number:
39 us for 18 tokens of 384, where ``Sum`` and ``LayerNormalization`` take about 11 (onnxruntime 1.31, one
thread of a Zen 4). It also makes that operator by itself of every ``Add`` there, so the sum is a ``Sum``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd.export.fused.values import constant, dims, made_by, replace

if TYPE_CHECKING:
    import onnx_ir as ir


def keep_norms(graph: ir.Graph) -> None:
    """Write ``LayerNormalization(x + y)`` so that ONNX Runtime leaves it as it is."""
    for node in list(graph):
        added = made_by(node.inputs[0], "Add") if node.op_type == "LayerNormalization" else None
        if added is None or len(dims(added.outputs[0]) or ()) != 3:
            continue
        if all(constant(value) is None and dims(value) == dims(added.outputs[0]) for value in added.inputs):
            replace(added, "Sum", list(added.inputs))
