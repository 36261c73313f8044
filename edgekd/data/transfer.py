"""Extra texts that only the teacher labels: unlabelled texts, and random parts of the training texts."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from edgekd.data.splits import normalise

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgekd.config import TransferConfig
    from edgekd.data.types import TextData


def transfer_texts(data: TextData, config: TransferConfig) -> list[str]:
    """Return unlabelled texts first, then spans of words in the order of the training texts.

    No text is there twice, in the validation or test split, or in the training split (by normalised form).
    The spans of a text depend on the text and the configuration alone, so adding texts changes no others.
    """
    seen = {normalise(text) for split in (data.test, data.validation, data.train) for text in split.texts}
    kept = []
    for text in _candidates(data, config):
        key = normalise(text)
        if key and key not in seen:
            seen.add(key)
            kept.append(text)
    return kept


def spans(text: str, *, per_text: float, min_words: int, seed: int) -> Iterator[str]:
    """Yield random contiguous spans of a text's words: at least ``min_words``, and fewer than all.

    Args:
        text: words are what white space divides.
        per_text: mean number of spans; the fraction decides by chance whether there is one more.
        min_words: length of the shortest span in words.
        seed: mixed with the text.
    """
    words = text.split()
    if len(words) <= min_words:
        return
    # NOTE: a string seed goes through SHA-512, so it is the same in every process and Python version.
    generator = random.Random(f"{seed}\0{text}")  # noqa: S311  (no secret)
    whole = int(per_text)
    count = whole + (generator.random() < per_text - whole)
    for _ in range(count):
        length = generator.randint(min_words, len(words) - 1)
        start = generator.randint(0, len(words) - length)
        yield " ".join(words[start : start + length])


def _candidates(data: TextData, config: TransferConfig) -> Iterator[str]:
    if config.unlabelled:
        yield from data.unlabelled
    for text in data.train.texts:
        yield from spans(text, per_text=config.amount, min_words=config.min_words, seed=config.seed)
