"""Relative positions of DeBERTa as a table: the same bucket for a distance in every runtime.

DeBERTa (He et al. 2021, arXiv 2006.03654) rounds the logarithm of a distance up to a bucket. Where a logarithm is a
whole number but for rounding, runtimes disagree on its last bit and so on the bucket: logits of OpenVINO differed by up
to 1e-3. A graph that looks the bucket up has what torch computed.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from transformers import PreTrainedModel

MODEL_TYPE = "deberta-v2"


@contextmanager
def tabled_log_buckets(model: PreTrainedModel) -> Iterator[None]:
    """Let a DeBERTa model look its buckets up while it is exported; any other model is left alone."""
    if model.config.model_type != MODEL_TYPE:
        yield
        return
    from transformers.models.deberta_v2 import modeling_deberta_v2 as modeling

    computed = modeling.make_log_bucket_position
    config = model.config
    farthest = max(config.max_position_embeddings, getattr(config, "max_relative_positions", 0))

    def looked_up(relative_pos: torch.Tensor, bucket_size: int, max_position: int) -> torch.Tensor:
        """Return the buckets of distances, float32 as those that are computed."""
        table = computed(torch.arange(-farthest, farthest + 1), bucket_size, max_position)
        return torch.embedding(table[:, None], relative_pos + farthest)[..., 0]

    modeling.make_log_bucket_position = looked_up
    try:
        yield
    finally:
        modeling.make_log_bucket_position = computed
