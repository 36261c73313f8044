"""Does a tokenizer in a graph give the ids of ``tokenizers``? Asked with every character of Unicode, and with texts."""

from __future__ import annotations

import sys
from itertools import islice
from typing import TYPE_CHECKING, Any

from edgekd.errors import NotApplicable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    Encode = Callable[[Sequence[str]], list[list[int]]]

_SURROGATES = range(0xD800, 0xE000)  # no characters
_CHARACTERS = 400  # in a text
_LONG = 8 * _CHARACTERS  # tokens that they have at most, in practice; a longer text is compared up to here
_BATCH = 8


def require_same_ids(
    encode_at: Callable[[int], Encode],
    tokenizer_at: Callable[[int], Any],
    texts: Sequence[str],
    max_length: int,
    runtime: str,
) -> None:
    """Compare, every second time in batches.

    Args:
        encode_at: the graph's tokenizer, by the length that it cuts at.
        tokenizer_at: the ``tokenizers.Tokenizer``, by the same.
        texts: hostile, random and real ones.
        max_length: of the bundle.
        runtime: for the message.

    Raises:
        NotApplicable: at the first text with other ids.
    """
    for length, asked in ((_LONG, character_texts()), (max_length, texts)):
        encode, tokenizer = encode_at(length), tokenizer_at(length)
        for number, batch in enumerate(_batches(asked)):
            expected = [encoding.ids for encoding in tokenizer.encode_batch(batch)]
            found = encode(batch) if number % 2 else [row for text in batch for row in encode([text])]
            for text, wanted, ids in zip(batch, expected, found, strict=True):
                if ids != wanted:
                    _refuse(text, wanted, ids, runtime)


def character_texts() -> Iterator[str]:
    """Yield texts with every character of Unicode, each inside a word."""
    characters = (chr(code) for code in range(sys.maxunicode + 1) if code not in _SURROGATES)
    while chunk := list(islice(characters, _CHARACTERS)):
        yield " ".join(f"a{character}b" for character in chunk)


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    left = iter(texts)
    while batch := list(islice(left, _BATCH)):
        yield batch


def _refuse(text: str, wanted: Sequence[int], found: Sequence[int], runtime: str) -> None:
    shared = min(len(wanted), len(found))
    place = next((index for index in range(shared) if wanted[index] != found[index]), shared)
    shown = text if len(text) <= 60 else text[:60] + "..."
    raise NotApplicable(
        f"{runtime} cannot reproduce this tokenizer exactly: token {place} of {shown!a} is "
        f"{_at(found, place)}, and tokenizers says {_at(wanted, place)}.",
        hint="Ship the bundle without --with-tokenizer; edgekd and run.py tokenize with tokenizers.",
    )


def _at(ids: Sequence[int], place: int) -> str:
    return str(ids[place]) if place < len(ids) else "missing"
