"""fp16 weights and arithmetic; token ids in and logits out stay as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd.compress.graph import load, quantizing, save_smaller

if TYPE_CHECKING:
    from pathlib import Path


def to_half(source: Path, target: Path) -> None:
    """Write the graph ``source`` in fp16.

    Constants beyond fp16's range (the mask of an attention is -3.4e38) become its largest value, 65504. A runtime
    without an fp16 kernel for an operator computes it in fp32 and converts before and after, which is slower.

    Raises:
        NotApplicable: when the graph would not get smaller, because it has no fp32 weights left.
        InvalidArtifact: when the converter cannot handle the graph.
    """
    model = load(source)
    with quantizing("fp16"):
        from onnxruntime.transformers.float16 import convert_float_to_float16

        half = convert_float_to_float16(model, keep_io_types=True)
    save_smaller(half, source, target, "fp16")
