"""Which tokens stay when a vocabulary shrinks."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Literal

from edgekd.compress.tokenizer_json import kind_of, merged, model_tokens, template_ids
from edgekd.errors import ConfigError

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Collection

    from transformers import PreTrainedTokenizerFast

Characters = Literal["all", "seen"]

_BYTE = re.compile(r"<0x[0-9A-F]{2}>")
_SPACE = "▁"  # what Unigram puts before a word


def choose_tokens(
    tokenizer: PreTrainedTokenizerFast,
    counts: Counter[int],
    *,
    size: int | None = None,
    min_count: int = 1,
    characters: Characters = "all",
    also: Collection[int] = (),
) -> list[int]:
    """Return the ids of the tokens that stay, ascending.

    Always: special tokens and those of the template, single characters, to spell with, and what these need. Then, from
    the most to the least frequent (ties: the smaller id first), those that occur at least ``min_count`` times, each
    with what it needs, as long as they fit into ``size``. A token of BPE needs the tokens that it is merged from.

    Args:
        tokenizer: of a known kind.
        counts: how often each id occurs in the texts.
        size: at most so many tokens.
        min_count: rarer ones go.
        characters: ``all``, except those that BERT's cleaning and splitting never let through; or ``seen``: those of
            tokens that occur, and a word with another character becomes unknown. Where nothing can be unknown
            (bytes), all stay.
        also: ids that stay in any case.

    Raises:
        NotApplicable: for a tokenizer of another kind.
        ConfigError: when ``size`` is too small for the tokens that always stay.
    """
    spec = json.loads(tokenizer.backend_tokenizer.to_str())
    kind_of(spec)
    known = set(tokenizer.get_vocab().values())
    parts = _parts(spec)
    kept: set[int] = set()
    always = _special(tokenizer, spec) | _spelling(tokenizer, spec, counts, characters)
    for index in sorted((always | set(also)) & known):
        kept |= _needed(index, parts, kept)
    if size is not None and len(kept) > size:
        raise ConfigError(
            f"A vocabulary of {size:,} tokens is too small: the {len(kept):,} special tokens and single characters of "
            "this tokenizer always stay.",
            hint=f"Give a vocabulary step a size of more than {len(kept):,}, or none.",
        )
    for index, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        if count < max(min_count, 1) or index not in known:
            continue
        needed = _needed(index, parts, kept)
        if size is None or len(kept) + len(needed) <= size:
            kept |= needed
    return sorted(kept)


def _special(tokenizer: PreTrainedTokenizerFast, spec: dict[str, Any]) -> set[int]:
    """Return the ids of special tokens, and of the one from which unknown characters are judged."""
    model, ids = spec["model"], model_tokens(spec)
    special = {index for index in tokenizer.all_special_ids if index is not None} | template_ids(spec)
    if spec.get("padding"):
        special.add(spec["padding"]["pad_id"])
    if model.get("unk_token") in ids:
        special.add(ids[model["unk_token"]])
    if model["type"] == "Unigram":
        # The penalty of an unknown character is counted from the lowest score, so its token has to stay.
        special.add(min(range(len(model["vocab"])), key=lambda index: model["vocab"][index][1]))
        if model.get("unk_id") is not None:
            special.add(model["unk_id"])
    return special


def _spelling(
    tokenizer: PreTrainedTokenizerFast, spec: dict[str, Any], counts: Counter[int], characters: Characters
) -> set[int]:
    """Return the ids that spell words whose tokens went."""
    model, ids = spec["model"], model_tokens(spec)
    if model["type"] == "WordLevel":  # it spells nothing
        return set()
    found = {token: index for token, index in ids.items() if _is_character(token, model)}
    normalizer, split = ((spec.get(part) or {}).get("type") for part in ("normalizer", "pre_tokenizer"))
    if model["type"] == "WordPiece" and normalizer in (None, "BertNormalizer") and split == "BertPreTokenizer":
        reach = _Reach(tokenizer.backend_tokenizer, model["continuing_subword_prefix"])
        found = {token: index for token, index in found.items() if reach(token)}
    if characters == "seen" and (model.get("unk_token") in ids or model.get("unk_id") is not None):
        occurring = (token for token, index in ids.items() if counts[index] and index not in tokenizer.all_special_ids)
        seen = {character for token in occurring for character in _bare(token, model)}
        found = {token: index for token, index in found.items() if seen.issuperset(_bare(token, model))}
    if model.get("byte_fallback"):
        found |= {token: index for token, index in ids.items() if _BYTE.fullmatch(token)}
    return set(found.values())


def _is_character(token: str, model: dict[str, Any]) -> bool:
    """Tell whether a token is one character, at the beginning, inside or at the end of a word."""
    return len(token) == 1 or len(_bare(token, model)) <= 1


def _bare(token: str, model: dict[str, Any]) -> str:
    """Return a token without the marks of its place in a word."""
    if model["type"] == "Unigram":
        return token.removeprefix(_SPACE)
    inner = token.removeprefix(model.get("continuing_subword_prefix") or "")
    return inner.removesuffix(model.get("end_of_word_suffix") or "")


class _Reach:
    """Tells whether a character of WordPiece can occur after BERT's cleaning and splitting.

    Both look at one character at a time, so one try is enough: signs and Chinese characters are words of their own and
    never continue one, and capitals or accents may be gone. That is a sixth of the characters of BERT's vocabulary.
    """

    def __init__(self, backend: Any, prefix: str) -> None:
        self._normalizer, self._split, self._prefix = backend.normalizer, backend.pre_tokenizer, prefix

    def __call__(self, token: str) -> bool:
        inside = token != self._prefix and token.startswith(self._prefix)
        word = "a" + token.removeprefix(self._prefix) if inside else token
        clean = word if self._normalizer is None else self._normalizer.normalize_str(word)
        return [part for part, _ in self._split.pre_tokenize_str(clean)] == [word]


def _parts(spec: dict[str, Any]) -> dict[int, set[int]]:
    """Return the tokens that a token of BPE is merged from, in all ways in which it can be."""
    ids = model_tokens(spec)
    parts: dict[int, set[int]] = {}
    for merge in spec["model"].get("merges", []):
        parts.setdefault(ids[merged(merge, spec)], set()).update(ids[token] for token in merge)
    return parts


def _needed(index: int, parts: dict[int, set[int]], kept: set[int]) -> set[int]:
    """Return a token and what it is merged from, down to characters, without what is kept already."""
    needed: set[int] = set()
    waiting = [index]
    while waiting:
        token = waiting.pop()
        if token not in kept and token not in needed:
            needed.add(token)
            waiting += parts.get(token, ())
    return needed
