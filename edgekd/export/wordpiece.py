"""What a WordPiece tokenizer does with words, and whether a graph can do the same: read from ``tokenizer.json``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgekd.errors import NotApplicable

_FLAGS = ("lstrip", "rstrip", "single_word", "normalized")


@dataclass(frozen=True)
class WordPiece:
    """Everything but the characters, which :mod:`edgekd.export.characters` knows."""

    vocabulary: dict[str, int]  # pieces of words, with ids
    prefix: str  # of pieces that go on with a word: "##"
    unknown_token: str
    max_word_chars: int  # a longer word is unknown
    before: tuple[int, ...]  # special tokens before a text
    after: tuple[int, ...]
    pad_id: int
    max_length: int  # tokens, special ones included

    @property
    def unknown_id(self) -> int:
        """The id of an unknown word."""
        return self.vocabulary[self.unknown_token]


def read_wordpiece(spec: dict[str, Any], max_length: int, pad_id: int) -> WordPiece:
    """Read a ``tokenizer.json``.

    Args:
        spec: the parsed file.
        max_length: length that ids are cut to, special tokens included.
        pad_id: fills short rows.

    Raises:
        NotApplicable: when a part is of another kind than BERT's; the message names it.
    """
    for part, wanted in (("normalizer", "BertNormalizer"), ("pre_tokenizer", "BertPreTokenizer")):
        found = (spec.get(part) or {}).get("type")
        if found != wanted:
            raise NotApplicable(_other(part, found, wanted))
    model = spec.get("model") or {}
    if model.get("type") != "WordPiece":
        raise NotApplicable(_other("model", model.get("type"), "WordPiece"))
    if not spec["normalizer"].get("clean_text", True):
        raise NotApplicable("The tokenizer keeps control characters (clean_text is off).")
    for token in spec.get("added_tokens") or []:
        flags = [flag for flag in _FLAGS if token.get(flag)]
        if flags or "\t" in token["content"] or "\n" in token["content"]:
            raise NotApplicable(f"The token {token['content']!r} looks around itself ({', '.join(flags) or 'spaces'}).")
    before, after = _template(spec.get("post_processor"))
    if max_length <= len(before) + len(after):
        raise NotApplicable(f"A length of {max_length} leaves no room for words.")
    return WordPiece(
        vocabulary={str(piece): int(index) for piece, index in model["vocab"].items()},
        prefix=str(model.get("continuing_subword_prefix", "##")),
        unknown_token=str(model["unk_token"]),
        max_word_chars=int(model.get("max_input_chars_per_word", 100)),
        before=before,
        after=after,
        pad_id=pad_id,
        max_length=max_length,
    )


def _other(part: str, found: str | None, wanted: str) -> str:
    return f"The tokenizer's {part} is {found}; a graph reproduces exactly only {wanted}."


def _template(processor: dict[str, Any] | None) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the special tokens before and after a text.

    Raises:
        NotApplicable: when the post-processor does something else.
    """
    if processor is None:
        return (), ()
    if processor.get("type") == "BertProcessing":
        return (int(processor["cls"][1]),), (int(processor["sep"][1]),)
    if processor.get("type") != "TemplateProcessing":
        raise NotApplicable(_other("post_processor", processor.get("type"), "TemplateProcessing"))
    around: tuple[list[int], list[int]] = [], []
    texts = 0
    for piece in processor["single"]:
        if "Sequence" in piece:
            texts += 1
        else:
            ids = processor["special_tokens"][piece["SpecialToken"]["id"]]["ids"]
            around[min(texts, 1)].extend(map(int, ids))
    if texts != 1:
        raise NotApplicable("The tokenizer's template does not have the text once.")
    return tuple(around[0]), tuple(around[1])
