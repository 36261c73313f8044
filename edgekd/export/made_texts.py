"""Texts made of a tokenizer's vocabulary, for a parity check without data: nonsense of every length."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SEED = 0


def made_texts(tokenizer: Tokenizer, max_length: int, count: int) -> list[str]:
    """Return ``count`` different texts, the first of one token and the last of ``max_length``.

    Lengths grow by a constant factor, as those of real texts do: most are short, and a few are as long as they may be.

    Args:
        tokenizer: whose tokens are drawn, each as often as any other; special ones are left out.
        max_length: in tokens.
        count: of the texts.
    """
    special = {index for index, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    ids = sorted(set(tokenizer.get_vocab(with_added_tokens=True).values()) - special)
    rng = random.Random(SEED)  # noqa: S311 - no secret
    found: dict[str, None] = {}
    for number in range(count):
        length = round(max_length ** (number / max(1, count - 1)))
        text = tokenizer.decode(rng.choices(ids, k=length))
        found[text] = None
    return list(found)
