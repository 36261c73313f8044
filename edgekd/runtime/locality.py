"""Whether the ids of a text are the ids of its parts between spaces, told from ``tokenizer.json`` alone.

A *chunk* is what ``text.split(" ")`` gives: only U+0020 separates. Cutting there is safe for three styles, each for a
reason that holds for all Unicode, not because tests found no difference:

``words`` (``BertNormalizer`` or Unicode normalization, then a pre-tokenizer that drops whitespace).
    Cleaning, Chinese characters and case work one character at a time. U+0020 has combining class 0, is part of no
    canonical composition, and is neither cased nor ignored between cased letters. So no mark is reordered across it,
    nothing composes with it, and a final sigma before it stays one: normalizing a text is normalizing its chunks.
    A space always ends a word, and a model sees one word at a time. A chunk may be empty or hold anything.
``byte-level`` (GPT-2's expression, which keeps a space with the word behind it).
    Of its alternatives only those for whitespace match a space that is not at their beginning, and they need another
    whitespace beside it. So a match begins at every space that has no whitespace on either side. Chunks must not be
    empty, and their ends must be printable, which no whitespace is; then the chunk ``b`` of ``a b`` is read as `` b``.
``metaspace`` (each word begins with a mark; SentencePiece).
    Normalizers of this style look at whole graphemes, and some graphemes have a space within. Chunks are printable
    ASCII here, where each character is a grapheme, and they are not empty.

Added tokens are looked for in the text before all that. They stay within a chunk when they hold no space; one that
eats the whitespace beside it makes its chunk depend on others. Such chunks, and those that break a rule above, send
the whole text to ``tokenizers``.
"""

from __future__ import annotations

import json
import re
import string
from dataclasses import dataclass
from typing import Any

WORDS, BYTE_LEVEL, METASPACE = "words", "byte-level", "metaspace"
_FLAGS = ("lstrip", "rstrip", "single_word")
_UNICODE = {"NFC", "NFD", "NFKC", "NFKD", "StripAccents", "Lowercase"}
_NORMALIZERS = {
    WORDS: _UNICODE | {"BertNormalizer"},
    BYTE_LEVEL: {"NFC"},
    METASPACE: _UNICODE | {"Replace", "Precompiled", "Strip"},
}
_SPLITS = {
    "BertPreTokenizer",
    "Whitespace",
    "WhitespaceSplit",
}  # drop whitespace, and split at it whatever else is there
_AFTER_SPLIT = {"Punctuation", "Digits"}  # look at one character at a time
_MODELS = {"WordPiece", "BPE", "Unigram", "WordLevel"}
_PRINTABLE = string.ascii_letters + string.digits + string.punctuation
_MARKS = {WORDS: "", BYTE_LEVEL: "\u0120", METASPACE: "\u2581"}
# What pre-tokenizers do to printable ASCII, as expressions.
_BERT_ASCII = r"[A-Za-z0-9]+|[!-/:-@\[-`{-~]"
_GPT2_ASCII = r"'s|'t|'re|'ve|'m|'ll|'d| ?[A-Za-z]+| ?[0-9]+| ?[^\sA-Za-z0-9]+"
_WORD_ASCII = r"^[A-Za-z0-9]+$"
_SPACE_RUNS = {" {2,}", r"\s{2,}|[\n\r\t]"}  # expressions that match nothing in printable ASCII with single spaces


class NotLocal(ValueError):
    """A tokenizer, or a chunk, whose ids depend on more than itself."""


@dataclass(frozen=True)
class ChunkRules:
    """What is known of a tokenizer whose texts can be cut at spaces."""

    style: str
    lowercase: bool  # of ASCII letters
    before: list[int]  # special tokens that begin each text
    after: list[int]  # and those that end it
    mark: str  # that a word behind a space begins with
    added: re.Pattern[str] | None  # any added token; the chunk must be given to ``tokenizers`` itself
    beyond: re.Pattern[str] | None  # those of them that make a chunk depend on its neighbours
    quick: re.Pattern[str] | None  # splits a chunk of printable ASCII into the words that the model sees
    quick_words: bool  # a chunk of ASCII letters and digits is one such word, and holds no added token
    prefix_space: bool = False  # byte-level: the first chunk is read as if a space were before it

    def accepts(self, chunk: str) -> bool:
        """Tell whether a chunk's ids are the same whatever stands beside it."""
        if self.style == BYTE_LEVEL and not (chunk and chunk[0].isprintable() and chunk[-1].isprintable()):
            return False
        if self.style == METASPACE and not (chunk and chunk.isascii() and chunk.isprintable()):
            return False
        return self.beyond is None or self.beyond.search(chunk) is None

    def words(self, chunk: str, *, first: bool) -> list[str] | None:
        """Return the words that the model sees of a chunk; None where only ``tokenizers`` knows.

        Args:
            chunk: one that is accepted.
            first: it begins the text.
        """
        if self.quick is None or not (chunk.isascii() and chunk.isprintable()):
            return None
        if self.added is not None and self.added.search(chunk):
            return None
        if self.style == BYTE_LEVEL:
            spaced = chunk if first and not self.prefix_space else f" {chunk}"
            return [word.replace(" ", self.mark) for word in self.quick.findall(spaced)]
        words = self.quick.findall(chunk.lower() if self.lowercase else chunk)
        if self.style == METASPACE:
            return [self.mark + words[0]] if words else None
        return words


def why_not_cacheable(spec: dict[str, Any], max_length: int) -> str | None:
    """Return why texts cannot be cut at spaces with this ``tokenizer.json``, or None when they can.

    Args:
        spec: the parsed file.
        max_length: length that ids are truncated to, special tokens included.
    """
    try:
        chunk_rules(spec, max_length)
    except NotLocal as reason:
        return str(reason)
    return None


def chunk_rules(spec: dict[str, Any], max_length: int) -> ChunkRules:
    """Return how this tokenizer's texts are cut.

    Raises:
        NotLocal: when they cannot be; the message is the reason.
    """
    style, prefix_space = _style(spec)
    steps = _parts(spec, "normalizer", "normalizers")
    for step in steps:
        _check_normalizer(step, style)
    model = spec.get("model") or {}
    if model.get("type") not in _MODELS:
        raise NotLocal(f"model is {model.get('type')}, not {', '.join(sorted(_MODELS))}")
    if model.get("dropout"):
        raise NotLocal(f"model drops merges at random (dropout {model['dropout']})")
    before, after = _ends(spec.get("post_processor"))
    if max_length <= len(before) + len(after):
        raise NotLocal(f"max_length is {max_length}")
    tokens = spec.get("added_tokens") or []
    beyond = [token["content"] for token in tokens if _looks_beyond(token, style, has_normalizer=bool(steps))]
    if style == METASPACE:
        _check_ascii(spec["normalizer"])
        beyond = [token["content"] for token in tokens]
    quick = {METASPACE: _WORD_ASCII, BYTE_LEVEL: _GPT2_ASCII}.get(style)
    if (spec.get("pre_tokenizer") or {}).get("type") == "BertPreTokenizer":
        quick = _BERT_ASCII
    marks = any(token["content"].isalnum() for token in tokens)
    return ChunkRules(
        style=style,
        lowercase=any(step["type"] == "Lowercase" or step.get("lowercase") for step in steps),
        before=before,
        after=after,
        added=_any_of([token["content"] for token in tokens]),
        beyond=_any_of(beyond),
        mark=_MARKS[style],
        quick=None if quick is None else re.compile(quick),
        quick_words=quick in (_BERT_ASCII, _WORD_ASCII) and not marks,
        prefix_space=prefix_space,
    )


def _parts(spec: dict[str, Any], name: str, plural: str) -> list[dict[str, Any]]:
    """Return the steps of a normalizer, pre-tokenizer or processor: those of a sequence, or the one there is."""
    part = spec.get(name)
    if part is None:
        return []
    return list(part.get(plural) or []) if part.get("type") == "Sequence" else [part]


def _style(spec: dict[str, Any]) -> tuple[str, bool]:
    """Return the style, and whether it puts a space before the first chunk."""
    parts = _parts(spec, "pre_tokenizer", "pretokenizers")
    kinds = [part.get("type") for part in parts]
    if kinds and kinds[0] in _SPLITS and {*kinds[1:]} <= _AFTER_SPLIT:
        return WORDS, False
    if kinds == ["ByteLevel"] and parts[0].get("use_regex", True):
        return BYTE_LEVEL, bool(parts[0].get("add_prefix_space"))
    if kinds in (["Metaspace"], ["WhitespaceSplit", "Metaspace"]):
        schemes = ("always",) if len(kinds) == 2 else ("always", "first")
        scheme, mark = parts[-1].get("prepend_scheme", "always"), parts[-1].get("replacement", _MARKS[METASPACE])
        if parts[-1].get("split", True) and scheme in schemes and mark == _MARKS[METASPACE]:
            return METASPACE, False
        raise NotLocal(f"Metaspace has {parts[-1]}")
    raise NotLocal(f"pre_tokenizer is {' + '.join(map(str, kinds)) or None}, which is not known to split at spaces")


def _check_normalizer(step: dict[str, Any], style: str) -> None:
    kind = step.get("type")
    if kind not in _NORMALIZERS[style]:
        raise NotLocal(f"normalizer is {kind}, which is not known to keep {style} apart at spaces")
    if kind == "Replace":
        pattern, content = step.get("pattern") or {}, step.get("content", "")
        text = pattern.get("String", "")
        marks = (
            bool(text) and {*text} <= {*string.punctuation} and bool(content) and {*content} <= {*string.punctuation}
        )
        if not marks and pattern.get("Regex") not in _SPACE_RUNS:
            raise NotLocal(f"normalizer replaces {pattern} by {content!r}")


def _check_ascii(normalizer: dict[str, Any] | None) -> None:
    """Refuse a normalizer that makes of a printable ASCII character anything but itself or its lower case.

    Some normalizers are tables, so each character is tried.
    """
    if normalizer is None:
        return
    from tokenizers import Tokenizer

    empty = {"type": "WordLevel", "vocab": {}, "unk_token": ""}
    made = Tokenizer.from_str(json.dumps({"version": "1.0", "normalizer": normalizer, "model": empty})).normalizer
    lowers = made.normalize_str("A") == "a"
    for char in _PRINTABLE:
        found = made.normalize_str(char)
        if found != (char.lower() if lowers else char) or made.normalize_str(f"x {char}") != f"x {found}":
            raise NotLocal(f"normalizer makes {found!r} of {char!r}")


def _ends(processor: dict[str, Any] | None) -> tuple[list[int], list[int]]:
    """Return the ids of special tokens before and after a text."""
    steps = _parts({"p": processor}, "p", "processors")
    steps = [step for step in steps if step.get("type") != "ByteLevel"]  # that one changes offsets alone
    kind = steps[0].get("type") if len(steps) == 1 else None
    if kind in ("BertProcessing", "RobertaProcessing"):
        return [int(steps[0]["cls"][1])], [int(steps[0]["sep"][1])]
    if kind == "TemplateProcessing":
        ids: tuple[list[int], list[int]] = ([], [])
        place = 0
        for piece in steps[0].get("single") or []:
            if "Sequence" in piece:
                place += 1
                if piece["Sequence"].get("id") != "A" or place > 1:
                    break
            else:
                ids[place].extend(map(int, steps[0]["special_tokens"][piece["SpecialToken"]["id"]]["ids"]))
        else:
            if place == 1:
                return ids
    raise NotLocal("post-processor is not a template of special tokens around the text")


def _looks_beyond(token: dict[str, Any], style: str, *, has_normalizer: bool) -> bool:
    """Tell whether an added token makes a chunk that contains it depend on others.

    Raises:
        NotLocal: when it may do so without being in the chunk.
    """
    content = token.get("content", "")
    flags = [flag for flag in _FLAGS if token.get(flag)]
    changed = bool(token.get("normalized")) and has_normalizer  # looked for in the normalized text, itself normalized
    if style != WORDS and _has_no_single_space(content):
        return False  # cannot occur in a text of accepted chunks
    if not content or content.split() != [content] or (changed and (flags or not {*content} <= {*_PRINTABLE})):
        told = ", ".join(flags + ["normalized"] * changed) or "whitespace"
        raise NotLocal(f"added token {content!r} looks beyond its chunk ({told})")
    return bool(flags)


def _has_no_single_space(content: str) -> bool:
    """Tell whether a token has whitespace that no text of accepted chunks has: two in a row, or another than U+0020."""
    return any(run != " " for run in re.findall(r"\s+", content))


def _any_of(contents: list[str]) -> re.Pattern[str] | None:
    if not contents:
        return None
    return re.compile("|".join(map(re.escape, sorted(contents, key=len, reverse=True))), re.IGNORECASE)
