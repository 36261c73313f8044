"""Texts of exactly so many tokens, joined from the words of real texts."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

TRIES = 200  # words that are tried in vain before a length is given up


def texts_of(
    count_tokens: Callable[[str], int], texts: Sequence[str], lengths: Sequence[int], *, count: int, seed: int
) -> dict[int, list[str]]:
    """Return ``count`` texts of each length; none where a text cannot have it.

    Args:
        count_tokens: of a text, special tokens included, after truncation.
        texts: their words are used, as often as they occur.
        lengths: in tokens.
        count: texts a length.
        seed: of the choice of the words.
    """
    words = [word for text in texts for word in text.split()]
    made = {}
    for length in lengths:
        rng = Random(f"{seed}-{length}")  # noqa: S311 - not cryptography
        found = [_text_of(count_tokens, words, length, rng) for _ in range(count)]
        made[length] = [text for text in found if text is not None]
    return made


def _text_of(count_tokens: Callable[[str], int], words: Sequence[str], length: int, rng: Random) -> str | None:
    """Add random words, and leave out those that make the text too long, until the length is met exactly."""
    chosen: list[str] = []
    tokens = vain = 0
    while words and tokens != length:
        word = rng.choice(words)
        longer = count_tokens(" ".join([*chosen, word]))
        if tokens < longer <= length:
            chosen.append(word)
            tokens = longer
            vain = 0
        else:
            vain += 1
            if vain == TRIES:
                return None
    return " ".join(chosen) if words else None
