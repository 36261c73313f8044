"""The units of an explanation: words, as people see them, joined where a token spans several."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

Span = tuple[int, int]  # characters of the text, end excluded

_INSIDE = "'\u2019-"  # between two letters they belong to the word: don't, well-made
_SPACE, _WORD, _SINGLE, _OTHER, _MARK = range(5)
# Scripts that write no spaces between words, and whose characters tokenizers take one by one.
_UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "HANGZHOU", "BOPOMOFO", "NUSHU", "TANGUT")


@dataclass(frozen=True)
class Word:
    """A word of a text."""

    text: str
    start: int
    end: int

    @property
    def span(self) -> Span:
        """Return the characters that it covers."""
        return self.start, self.end


def _kind(char: str) -> int:
    if char.isspace():
        return _SPACE
    if unicodedata.category(char).startswith("M"):
        return _MARK
    if char.isalnum() or char == "_":
        return _SINGLE if unicodedata.name(char, "").startswith(_UNSPACED) else _WORD
    return _OTHER


def word_spans(text: str) -> list[Span]:
    """Split a text into words: runs of letters and digits, and runs of other signs.

    An apostrophe or hyphen between letters belongs to the word, a combining mark to what it follows, and an ideograph
    is a word of its own.
    """
    kinds = [_kind(char) for char in text]
    for index, kind in enumerate(kinds):
        before = kinds[index - 1] if index else _OTHER
        if kind == _MARK:
            kinds[index] = _OTHER if before == _SPACE else before
        elif text[index] in _INSIDE and before == _WORD and kinds[index + 1 : index + 2] == [_WORD]:
            kinds[index] = _WORD
    spans: list[Span] = []
    start = 0
    for index in range(1, len(text) + 1):
        is_last = index == len(text)
        starts_anew = is_last or kinds[index] != kinds[start]
        # Marks of an ideograph have its kind and stay with it.
        is_next_single = not is_last and kinds[index] == _SINGLE and _kind(text[index]) == _SINGLE
        if starts_anew or is_next_single:
            if kinds[start] != _SPACE:
                spans.append((start, index))
            start = index
    return spans


def trim(text: str, span: Span) -> Span | None:
    """Return a span without the spaces at its ends; None when nothing is left."""
    start, end = span
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return (start, end) if start < end else None


def join(text: str, *sources: Iterable[Span]) -> list[Word]:
    """Return the finest words that no given span crosses: overlapping spans become one.

    Args:
        text: the text.
        sources: spans of words and of the tokens of each model, so that every token belongs to at most one word and
            all models share the words.
    """
    joined: list[Span] = []
    for start, end in sorted({trimmed for source in sources for span in source if (trimmed := trim(text, span))}):
        if joined and start < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return [Word(text[start:end], start, end) for start, end in joined]
