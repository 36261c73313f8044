"""Torch classifier to ONNX with dynamic batch and sequence, through the dynamo exporter."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from edgekd.compress.graph import save, strip
from edgekd.errors import InvalidArtifact

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import PreTrainedModel

INPUTS = ["input_ids", "attention_mask"]
OUTPUT = "logits"


class _LogitsOnly(nn.Module):
    """Ids and mask in, logits out: what a bundle's graph does."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask).logits
        return logits


@contextlib.contextmanager
def _quiet() -> Any:
    """Silence the exporter's progress prints and warnings, which mean nothing to a user."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logger.setLevel(level)


def export_onnx(model: PreTrainedModel, path: Path, *, opset: int) -> None:
    """Write ``model`` as one ONNX file with inputs ``input_ids`` and ``attention_mask`` (int64, batch x sequence).

    Raises:
        InvalidArtifact: when the graph needs a newer opset than allowed.
    """
    import onnx

    model = model.to("cpu").eval()
    # NOTE: eager attention gives the leaner graph: 220 nodes instead of 292 with SDPA for a 6-layer MiniLM
    # (torch 2.13), because SDPA's mask preparation exports as Where/IsNaN chains.
    if getattr(model, "_supports_sdpa", False):
        model.set_attn_implementation("eager")
    ids = torch.randint(5, 100, (2, 9))
    batch, sequence = torch.export.Dim("batch"), torch.export.Dim("sequence")
    with _quiet():
        program = torch.onnx.export(
            _LogitsOnly(model),
            (ids, torch.ones_like(ids)),
            dynamo=True,
            opset_version=opset,
            input_names=INPUTS,
            output_names=[OUTPUT],
            dynamic_shapes={name: {0: batch, 1: sequence} for name in INPUTS},
            verbose=False,
        )
    graph = program.model_proto
    strip(graph)
    found = max(entry.version for entry in graph.opset_import if entry.domain in ("", "ai.onnx"))
    if found > opset:
        raise InvalidArtifact(f"The exported graph needs opset {found}, the target allows {opset}.")
    onnx.checker.check_model(graph)
    save(graph, path)
