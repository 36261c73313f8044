"""Torch classifier to ONNX through the dynamo exporter, then made lean for its runtime."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from edgekd.compress.graph import operator_counts, save, strip
from edgekd.errors import ConfigError, InvalidArtifact
from edgekd.export.fused.interface import marked_attention
from edgekd.export.fused.rules import rewrite
from edgekd.export.log_buckets import tabled_log_buckets
from edgekd.export.lower import lower_opset

if TYPE_CHECKING:
    from collections.abc import Sequence
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
    loggers = {name: logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")}
    levels = {name: logger.level for name, logger in loggers.items()}
    for logger in loggers.values():
        logger.setLevel(logging.CRITICAL)  # what fails is raised
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            for name, logger in loggers.items():
                logger.setLevel(levels[name])


FLAVOURS = ("portable", "ort-fused")


def export_onnx(
    model: PreTrainedModel,
    path: Path,
    *,
    opset: int,
    flavour: str = "portable",
    lengths: Sequence[int] = (),
    batch: int | None = None,
) -> dict[str, int]:
    """Write ``model`` as one ONNX file with inputs ``input_ids`` and ``attention_mask`` (batch x sequence).

    They are int64; int32 where a fused attention reads the mask.

    Args:
        model: a sequence classifier.
        path: where the graph goes.
        opset: the newest that the graph may need.
        flavour: "portable": standard operators only; "ort-fused": also those of ONNX Runtime.
        lengths: one fixes the number of tokens of a text; else it is free.
        batch: fixes the number of texts a call; None: it is free.

    Returns:
        How often each operator occurs.

    Raises:
        InvalidArtifact: when the graph needs a newer opset than allowed, or an attention could not be fused.
        ConfigError: for an unknown flavour.
    """
    import onnx

    model = model.to("cpu").eval()
    if flavour not in FLAVOURS:
        raise ConfigError(f"'{flavour}' is no flavour of ONNX graphs.", hint=f"Use one of {', '.join(FLAVOURS)}.")
    with marked_attention(model) as marked, tabled_log_buckets(model):
        program = _exported(model, opset, lengths, batch)
    rewrite(program.model, flavour)
    graph = program.model_proto
    strip(graph)
    lower_opset(graph, opset)
    onnx.checker.check_model(graph)
    counts = operator_counts(graph)
    if flavour == "ort-fused" and marked:
        _check_fused(model, counts)
    save(graph, path)
    return counts


def _exported(model: PreTrainedModel, opset: int, lengths: Sequence[int], batch: int | None) -> Any:
    """Return what the exporter makes of a model, with free or fixed sizes."""
    # Sizes other than those of the model, and not 0 or 1, which the exporter takes for fixed.
    ids = torch.randint(5, 100, (batch or 2, lengths[0] if len(lengths) == 1 else 9))
    free: dict[int, Any] = {}
    if batch is None:
        free[0] = torch.export.Dim("batch")
    if len(lengths) != 1:
        free[1] = torch.export.Dim("sequence")
    with _quiet():
        return torch.onnx.export(
            _LogitsOnly(model),
            (ids, torch.ones_like(ids)),
            dynamo=True,
            opset_version=opset,
            input_names=INPUTS,
            output_names=[OUTPUT],
            dynamic_shapes=dict.fromkeys(INPUTS, free),
            verbose=False,
        )


def _check_fused(model: PreTrainedModel, counts: dict[str, int]) -> None:
    """Refuse a graph that has not one fused attention a layer.

    Raises:
        InvalidArtifact: when it has more or fewer.
    """
    fused = counts.get("Attention", 0) + counts.get("MultiHeadAttention", 0)
    layers = int(model.config.num_hidden_layers)
    if fused != layers:
        raise InvalidArtifact(
            f"{fused} attentions of the {model.config.model_type} became one operator, but it has {layers} layers.",
            hint="Export the portable graph: edgekd export MODEL --to onnx",
        )
