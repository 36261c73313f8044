"""A cheaper last layer for encoders whose head reads the first token alone: the same logits for less work."""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from transformers import PreTrainedModel


class FirstTokenLayer(torch.nn.Module):
    """The last layer of a BERT-like encoder, for the first token alone, with the weights of the layer it stands for.

    A head that reads only the first token's vector needs no more. Queries, output projection and feed-forward part are
    computed for one token, and keys and values for none: with ``q = W_q x_0 + b_q``, a score is
    ``q . (W_k x_j) = (W_k^T q) . x_j`` (the bias of the keys adds the same to all scores, which the softmax ignores),
    and the values' sum is ``sum_j p_j (W_v x_j + b_v) = W_v (sum_j p_j x_j) + b_v``.

    Args:
        layer: the layer, with ``attention.self``, ``attention.output``, ``intermediate`` and ``output``.
        heads: its attention heads.
    """

    def __init__(self, layer: torch.nn.Module, heads: int) -> None:
        super().__init__()
        self.layer = layer
        self.heads = heads

    def forward(
        self, hidden: torch.Tensor, attention_mask: torch.Tensor | None = None, *_: object, **__: object
    ) -> torch.Tensor:
        """Return ``(batch, 1, width)`` for ``hidden`` of ``(batch, sequence, width)``."""
        attention = self.layer.attention.self
        width = hidden.shape[-1]
        size = width // self.heads
        first = hidden[:, :1]
        query = attention.query(first).view(-1, self.heads, size).transpose(0, 1)  # (heads, batch, size)
        look = (query @ attention.key.weight.view(self.heads, size, width)).transpose(0, 1)  # (batch, heads, width)
        scores = look @ hidden.transpose(1, 2) / math.sqrt(size)
        if attention_mask is not None:
            mask = attention_mask[:, :, 0]  # (batch, 1, sequence): True or 0 where a token may be seen
            scores = scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask
        seen = (scores.softmax(dim=-1) @ hidden).transpose(0, 1)  # (heads, batch, width)
        values = seen @ attention.value.weight.view(self.heads, size, width).transpose(1, 2)
        context = values.transpose(0, 1).reshape(-1, 1, width) + attention.value.bias
        output = self.layer.attention.output(context, first)
        return self.layer.output(self.layer.intermediate(output), output)


@contextlib.contextmanager
def first_token_only(model: PreTrainedModel) -> Iterator[bool]:
    """Let the last layer of a BERT-like encoder work on the first token alone, and yield whether that was possible.

    Whether the head reads no other token is for the caller to check. Other architectures are left as they are.
    """
    layers = getattr(getattr(getattr(model, "base_model", None), "encoder", None), "layer", None)
    parts = ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output", "intermediate")
    if not layers or not {*parts, "output"} <= {name for name, _ in layers[-1].named_modules()}:
        yield False
        return
    last = layers[-1]
    layers[-1] = FirstTokenLayer(last, model.config.num_attention_heads).eval()
    try:
        yield True
    finally:
        layers[-1] = last


@contextlib.contextmanager
def whole_layer(model: PreTrainedModel) -> Iterator[None]:
    """Put the last layer back for a while where ``first_token_only`` has replaced it."""
    layers = getattr(getattr(getattr(model, "base_model", None), "encoder", None), "layer", None)
    if not layers or not isinstance(layers[-1], FirstTokenLayer):
        yield
        return
    short = layers[-1]
    layers[-1] = short.layer
    try:
        yield
    finally:
        layers[-1] = short
