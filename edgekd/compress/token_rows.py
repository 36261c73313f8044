"""The rows of a model that belong to tokens: keep some of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from edgekd.errors import NotApplicable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transformers import PreTrainedModel


def keep_rows(model: PreTrainedModel, new_id: Mapping[int, int]) -> None:
    """Keep the rows of some tokens, in place.

    These are the rows of the input embeddings, and of the tables that a model names in ``token_tables``. Rows beyond
    the vocabulary (hashed n-grams of ``linear``) stay. A model that hashes token ids goes on hashing the old ones.

    Args:
        model: whose ``config.vocab_size`` tells how many rows belong to tokens.
        new_id: old id to new id; new ids are 0, 1, 2..., in the order of the old ones.

    Raises:
        NotApplicable: when the rows are no plain table, or positions depend on an id that changes.
    """
    config = model.config
    tables = [model.get_input_embeddings(), *(getattr(model, name) for name in getattr(model, "token_tables", ()))]
    if not all(isinstance(table, nn.Embedding) for table in tables):
        names = ", ".join(sorted({type(table).__name__ for table in tables}))
        raise NotApplicable(f"The vocabulary cannot shrink: the token vectors are no plain table ({names}).")
    _check_positions(model, tables, new_id)
    kept = torch.tensor(sorted(new_id), dtype=torch.long)
    for table in tables:
        rows = torch.cat([kept, torch.arange(config.vocab_size, table.num_embeddings)])
        weight = table.weight
        table.weight = nn.Parameter(weight.detach()[rows.to(weight.device)].clone(), weight.requires_grad)
        table.num_embeddings = len(rows)
        table.padding_idx = None if table.padding_idx is None else new_id.get(table.padding_idx)
    if hasattr(model, "hashed_ids") and config.ngrams > 1:
        old = model.hashed_ids
        model.hashed_ids = kept.to(model.device, torch.int32).unsqueeze(1) if old is None else old[kept.to(old.device)]
        config.hashed_vocab = config.hashed_vocab or config.vocab_size
    config.vocab_size = len(kept)
    for name, value in special_ids(config).items():
        setattr(config, name, new_id.get(value))


def special_ids(config: Any) -> dict[str, int]:
    """Return the token ids of a configuration, such as ``pad_token_id``, as far as they are given."""
    return {
        name: value
        for name, value in config.to_dict().items()
        if name.endswith("_token_id") and isinstance(value, int) and not isinstance(value, bool)
    }


def _check_positions(model: PreTrainedModel, tables: list[Any], new_id: Mapping[int, int]) -> None:
    """Refuse a model that counts positions from the id of the padding (RoBERTa) when that id changes."""
    pad = getattr(model.config, "pad_token_id", None)
    if pad is None or new_id.get(pad) == pad:
        return
    others = (m for m in model.modules() if isinstance(m, nn.Embedding) and all(m is not table for table in tables))
    if any(table.padding_idx is not None for table in others):
        raise NotApplicable(
            f"The vocabulary cannot shrink: this {model.config.model_type} counts positions from the id of its padding "
            f"token, {pad}, and tokens with smaller ids would go."
        )
