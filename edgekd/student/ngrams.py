"""Hashed n-grams of token ids, by integer operations that an ONNX graph has too."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody uses

# A polynomial hash modulo a Mersenne prime: each step stays below 2^31 * 2^31 = 2^62, so int64 cannot overflow.
_PRIME = 2**31 - 1
_FACTOR = 1_000_003


def hashed_ngrams(
    input_ids: torch.Tensor, attention_mask: torch.Tensor, longest: int, buckets: int
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return, for each n from 2 to ``longest``, the bucket of the n-gram that starts at each position, and its mask.

    ``hash(t_1) = t_1``, ``hash(t_1 .. t_n) = (hash(t_1 .. t_{n-1}) * 1000003 + t_n) mod (2^31 - 1)``, and the bucket is
    that modulo ``buckets``; n-grams of all lengths share the buckets (hashing trick: Weinberger et al. 2009, arXiv
    0902.2206). An n-gram counts only when all its tokens do, so padding on either side changes nothing.

    Args:
        input_ids: int64, shape ``(batch, sequence)``.
        attention_mask: 1 for tokens, 0 for padding, any type, same shape or ``(batch, 1, sequence)``.
        longest: the longest n-gram.
        buckets: number of rows.

    Returns:
        Pairs ``(bucket, mask)``, each ``(batch, max(0, sequence - n + 1))``, the mask with the dimensions it was
        given with; bucket from 0 to ``buckets - 1``.
    """
    grams = []
    code, mask = input_ids, attention_mask
    for n in range(2, longest + 1):
        code = (code[:, :-1] * _FACTOR + input_ids[:, n - 1 :]) % _PRIME
        mask = mask[..., :-1] * attention_mask[..., n - 1 :]
        grams.append((code % buckets, mask))
    return grams


def hashed_ids(vocab_size: int, hashed_vocab: int | None) -> torch.Tensor | None:
    """Return a table from token ids to the numbers that n-grams hash instead: int32 ``(vocab_size, 1)``.

    The bucket of an n-gram depends on the numbers of its tokens. A model whose vocabulary shrank therefore remembers
    the ids of the vocabulary that it was trained with, of size ``hashed_vocab``. The values come from its weights
    file; int32 is half the bytes of int64.

    Returns:
        The table, or None when the ids themselves are hashed.
    """
    return None if hashed_vocab is None else torch.arange(vocab_size, dtype=torch.int32).unsqueeze(1)


def ids_to_hash(input_ids: torch.Tensor, table: torch.Tensor | None) -> torch.Tensor:
    """Return the numbers that n-grams hash, int64 ``(batch, sequence)``; the ids themselves without a table."""
    # A lookup of rows becomes one Gather in ONNX; table[input_ids] would become GatherND.
    return input_ids if table is None else F.embedding(input_ids, table).squeeze(-1).long()
