"""A tokenizer of the kind that students have, small and made up, and sentences for it."""

from __future__ import annotations

import string
from typing import Any

TEXT = (
    "the film is a quiet story about two people who meet on a train and never say what they want yet every scene "
    "shows it with small careful pictures while the music stays behind them like weather over an empty town"
)
WORDS = TEXT.split()
PER_SENTENCE = 20


def sentences() -> list[str]:
    """Return sentences of 20 words each, with capitals and commas."""
    doubled = WORDS + WORDS
    return [
        " ".join(doubled[start : start + PER_SENTENCE]).capitalize().replace(" and", ", and") + "."
        for start in range(0, len(WORDS), 3)
    ]


def wordpiece() -> Any | None:
    """Return a tokenizer as BERT has it, with every second word in pieces; None without the package."""
    try:
        from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    except ImportError:
        return None
    pieces = ["[UNK]", *WORDS[::2], *string.ascii_lowercase, *(f"##{letter}" for letter in string.ascii_lowercase)]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys([*pieces, ",", "."]))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))  # noqa: S106 - no password
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer
