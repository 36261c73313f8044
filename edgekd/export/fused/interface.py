"""Attention as an export wants it, through the interface that transformers has for other kinds of attention.

What the exporter makes of transformers' own attention has to be found again, among mask chains that differ from family
to family. A model that calls these functions instead says itself where its attentions are.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import bidirectional_mask_function

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import nn
    from transformers import PreTrainedModel

MASKED = -10_000.0  # what is added to the score of a masked token; also in fp16 its exponential is 0 and it is finite
_NAME = "edgekd"


@contextmanager
def marked_attention(model: PreTrainedModel) -> Iterator[bool]:
    """Let each attention of a model become one ``MultiHeadAttention`` of ONNX Runtime; yield whether it can.

    Models that do not follow the interface keep the attention that they have.
    """
    if not getattr(model, "_supports_attention_backend", False):
        yield False
        return
    AttentionInterface.register(_NAME, _attention)
    AttentionMaskInterface.register(_NAME, _mask)
    before = model.config._attn_implementation
    model.set_attn_implementation(_NAME)
    try:
        yield True
    finally:
        model.set_attn_implementation(before)


def _attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Return softmax(Q K^T * scaling + mask) V (Vaswani et al. 2017, arXiv 1706.03762) as one operator.

    Args:
        module: that attends.
        query: shape ``(batch, heads, queries, head size)``.
        key: shape ``(batch, heads, keys, head size)``.
        value: shape ``(batch, heads, keys, head size)``.
        attention_mask: which keys are there, ``(batch, keys)``; or what is added to the scores, of four dimensions.
        scaling: of the scores; one over the root of the head size if None.

    Returns:
        shape ``(batch, queries, heads, head size)``; and no weights.
    """
    batch, heads, length, size = query.shape
    flat = [part.transpose(1, 2).reshape(part.shape[0], part.shape[2], -1) for part in (query, key, value)]
    keys, bias = (
        (None, attention_mask) if attention_mask is not None and attention_mask.dim() == 4 else (attention_mask, None)
    )
    width = value.shape[-1]
    answer = torch.onnx.ops.symbolic(
        "com.microsoft::MultiHeadAttention",
        (*flat, None, keys, bias),
        {"num_heads": heads, "scale": float(scaling or size**-0.5)},
        dtype=query.dtype,
        shape=(batch, length, heads * width),
        version=1,
    )
    return answer.reshape(batch, length, heads, width), None


def _mask(
    *, attention_mask: torch.Tensor | None, mask_function: Callable[..., Any], **rest: Any
) -> torch.Tensor | None:
    """Return the mask as it is, int32 ``(batch, keys)``; with a window what is added to the scores."""
    if mask_function is bidirectional_mask_function:
        return None if attention_mask is None else attention_mask.to(torch.int32)
    return _added_mask(attention_mask=attention_mask, mask_function=mask_function, **rest)


def _added_mask(
    *,
    attention_mask: torch.Tensor | None,
    mask_function: Callable[..., Any],
    q_length: int,
    kv_length: int,
    dtype: torch.dtype = torch.float32,
    device: torch.device | None = None,
    **_: Any,
) -> torch.Tensor | None:
    """Return what is added to the scores, broadcast to ``(batch, 1, queries, keys)``: 0, or a large negative number."""
    seen = None if attention_mask is None else attention_mask.to(torch.bool)[:, None, None, :]
    if mask_function is not bidirectional_mask_function:
        zero = torch.zeros((), dtype=torch.int64, device=device)
        queries = torch.arange(q_length, device=device)[:, None]
        window = mask_function(zero, zero, queries, torch.arange(kv_length, device=device)[None, :])[None, None]
        seen = window if seen is None else seen & window
    if seen is None:
        return None
    return torch.where(seen, torch.zeros((), dtype=dtype), torch.full((), MASKED, dtype=dtype))
