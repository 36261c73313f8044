"""What a BERT tokenizer does to each character before it looks words up, read off the tokenizer itself.

``BertNormalizer`` and ``BertPreTokenizer`` treat every character for itself, whatever stands beside it: it is removed,
it becomes a space, it stands alone as a word, or it becomes other characters (its lower case without accents). So a
table says all, and a graph that follows the table cuts a text into the same words, whatever version of Unicode its own
libraries have.

The one exception: decomposition (Unicode 15, section 3.11) puts combining marks in canonical order, and marks that stay
(category Mc) may so change places. A word with a mark that the vocabulary does not know is unknown in any order, so the
exception matters only if the vocabulary knows such a mark; then there is no table.
"""

from __future__ import annotations

import sys
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgekd.errors import NotApplicable

if TYPE_CHECKING:
    from collections.abc import Iterable

_SURROGATES = range(0xD800, 0xE000)  # no characters
_PRIVATE = range(0xE000, 0xF900)  # BertNormalizer removes them
_CHUNK = 512
_LONG = 128  # a run of so many is cheaper in a class than in a map
_BETWEEN = "0"


@dataclass(frozen=True)
class CharacterTable:
    """How a text becomes words with spaces between them.

    First every key of ``rewritten`` (a special token, or a character) is replaced by its value; of two keys that begin
    at the same place the longer one. Then the characters of ``removed``, ``spaces`` and ``unknown_words``, in this
    order, become nothing, a space, and ``unknown`` between two spaces. What is left is looked up in the vocabulary.
    """

    rewritten: dict[str, str]
    removed: frozenset[int]  # code points
    spaces: frozenset[int]
    unknown_words: frozenset[int]  # each stands alone and is not in the vocabulary
    unknown: str  # a character that is not in the vocabulary, and that no text can bring in
    markers: dict[str, int]  # characters that stand for special tokens: their ids
    nothing: str  # a removed character


def character_table(tokenizer: Any, spec: dict[str, Any]) -> CharacterTable:
    """Ask a tokenizer about every character of Unicode (a few seconds).

    Args:
        tokenizer: a ``tokenizers.Tokenizer`` with BertNormalizer, BertPreTokenizer and WordPiece.
        spec: its parsed ``tokenizer.json``.

    Raises:
        NotApplicable: when private characters stay in the text, or the vocabulary knows marks that change places.
    """
    alphabet = set().union(*spec["model"]["vocab"])
    marks = [c for c in map(chr, _code_points()) if unicodedata.combining(c) and unicodedata.category(c) != "Mn"]
    known_marks = sorted(alphabet.intersection(marks))
    if known_marks:
        raise NotApplicable(f"The tokenizer's vocabulary has the mark {known_marks[0]!a}, whose place may change.")
    results = _results(tokenizer)
    removed = {ord(c) for c, result in results.items() if not result}
    tokens = {token["content"]: int(token["id"]) for token in spec.get("added_tokens") or []}
    private = [chr(code) for code in _PRIVATE if code in removed and chr(code) not in alphabet][: len(tokens) + 2]
    if len(private) < len(tokens) + 2:
        raise NotApplicable("The tokenizer keeps private characters (clean_text is off).")
    unknown, *rest, nothing = private  # `nothing` last: it is one of a long run then
    markers = dict(zip(rest, tokens.values(), strict=True))
    rewritten = {content: f" {marker} " for marker, content in zip(rest, tokens, strict=True)}
    rewritten |= dict.fromkeys([unknown, *rest], nothing)
    spaces, unknown_words = set(), set()
    for character, result in results.items():
        if ord(character) in removed or result == character:
            continue
        told = _with_unknown(result, alphabet, unknown)
        if told == " ":
            spaces.add(ord(character))
        elif told.split() == [unknown] and told != unknown:
            unknown_words.add(ord(character))
        elif told != unknown or character in alphabet:
            rewritten[character] = told
    return CharacterTable(
        rewritten=rewritten,
        removed=frozenset(removed - {ord(c) for c in (unknown, *rest)}),
        spaces=frozenset(spaces),
        unknown_words=frozenset(unknown_words),
        unknown=unknown,
        markers=markers,
        nothing=nothing,
    )


def code_class(codes: Iterable[int]) -> str:
    r"""Return code points as a class of a regular expression (RE2, PCRE2): ``[\x{41}-\x{5a}]``."""
    ranges = _runs(codes)
    return "[" + "".join(f"\\x{{{a:x}}}" if a == b else f"\\x{{{a:x}}}-\\x{{{b:x}}}" for a, b in ranges) + "]"


def long_runs(codes: Iterable[int]) -> frozenset[int]:
    """Return the code points that stand in a long row: few ranges in a class, many entries in a map."""
    return frozenset(code for a, b in _runs(codes) if b - a >= _LONG for code in range(a, b + 1))


def _runs(codes: Iterable[int]) -> list[list[int]]:
    """Return the first and last of every run of consecutive code points."""
    runs: list[list[int]] = []
    for code in sorted(codes):
        if runs and code == runs[-1][1] + 1:
            runs[-1][1] = code
        else:
            runs.append([code, code])
    return runs


def _code_points() -> Iterable[int]:
    return (code for code in range(sys.maxunicode + 1) if code not in _SURROGATES)


def _results(tokenizer: Any) -> dict[str, str]:
    """Return what becomes of each character that does not stay: nothing, other text, with spaces around words."""
    normalized: dict[str, str] = {}
    alone: dict[str, str] = {}
    for chunk in _chunks(list(map(chr, _code_points()))):
        # A digit between characters: none decomposes to it, no mark moves across it, and it is part of words.
        text = _BETWEEN + _BETWEEN.join(chunk) + _BETWEEN
        found = tokenizer.normalizer.normalize_str(text)
        if found != text:
            told = found[1:-1].split(_BETWEEN)
            if len(told) != len(chunk):  # the chunk with the digit itself
                told = [tokenizer.normalizer.normalize_str(character) for character in chunk]
            normalized.update((c, result) for c, result in zip(chunk, told, strict=True) if c != result)
        pieces = tokenizer.pre_tokenizer.pre_tokenize_str(text)
        if len(pieces) > 1:
            size = {place: end - begin for _, (begin, end) in pieces for place in range(begin, end)}
            for place, character in enumerate(chunk):
                if size.get(2 * place + 1, 0) < 2:
                    alone[character] = f" {character} " if 2 * place + 1 in size else " "
    results = {**alone, **normalized}
    return {c: "".join(alone.get(letter, letter) for letter in normalized.get(c, c)) for c in results}


def _chunks(characters: list[str]) -> Iterable[list[str]]:
    return (characters[start : start + _CHUNK] for start in range(0, len(characters), _CHUNK))


def _with_unknown(text: str, alphabet: set[str], unknown: str) -> str:
    """Replace runs of characters outside the vocabulary by ``unknown``, and runs of spaces by one."""
    result = ""
    for letter in text:
        told = letter if letter == " " or letter in alphabet else unknown
        if not (result.endswith(told) and told in (" ", unknown)):
            result += told
    return result
