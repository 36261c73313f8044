"""Shrink a vocabulary: tokenizer and token vectors together.

Tokens that no text needs go; a text whose tokens all stay is read exactly as before, with the same logits:

- *WordPiece* takes the longest token that fits, again and again. With fewer tokens, the longest one that fitted is
  still there, and nothing longer appears. A word that was unknown has a character that is no token, so it stays
  unknown. (In a vocabulary that has a piece without its single characters, such a word may become known.)
- *BPE* applies, of the merges that fit, the first in the list. All merges that lead to a token that stays are kept,
  with what they merge, so those that were applied are there; the others never came first. (``ignore_merges`` takes a
  whole word when that is a token; it is one as before, or was dropped and the text is not such a text.)
- *Unigram* takes the best sum of scores (Kudo 2018, arXiv 1804.10959). Scores stay, so the best way to split a word is
  still there and nothing else got better: an unknown character costs the lowest score of all tokens, and that token is
  always kept.
- *WordLevel* looks words up.

A word whose token went is spelled with smaller pieces, at worst with characters. The report says how often.
"""

from __future__ import annotations

import copy
import itertools
import json
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from edgekd import units
from edgekd.compress.token_choice import choose_tokens
from edgekd.compress.token_rows import keep_rows, special_ids
from edgekd.compress.tokenizer_json import keep_tokens
from edgekd.errors import ConfigError, InvalidArtifact, NotApplicable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from transformers import PreTrainedModel

    from edgekd.compress.token_choice import Characters

LEAST_SHARE = 0.01  # of the tokens that have to go, or the step is not worth a candidate
CHECKED_TEXTS = 8
TOLERANCE = 1e-5  # of logits that should be equal, relative to the largest or 1: a runtime may add in another order
_BATCH = 1000  # texts that are tokenized at once
_ATTRIBUTES = ("model_max_length", "padding_side", "truncation_side", "model_input_names", "split_special_tokens",
               "clean_up_tokenization_spaces", "pad_token_type_id", "extra_special_tokens")  # fmt: skip


@dataclass(frozen=True)
class SplitTokens:
    """What became of the texts of one split. Tokens are counted without those of the template."""

    texts: int
    tokens_before: int
    tokens_after: int
    unknown_before: int
    unknown_after: int
    texts_changed: int  # texts that are other tokens now


@dataclass(frozen=True)
class VocabularyReport:
    """What a smaller vocabulary does to texts."""

    before: int  # tokens
    after: int
    splits: dict[str, SplitTokens]

    def as_dict(self) -> dict[str, Any]:
        """Return it for a JSON file."""
        return asdict(self)

    def words(self) -> str:
        """Return it as sentences."""
        said = [f"{self.after:,} of {self.before:,} tokens stay."]
        for name, split in self.splits.items():
            said.append(
                f"On {name}, {_percent(split.unknown_after, split.tokens_after)} of the tokens are unknown (before: "
                f"{_percent(split.unknown_before, split.tokens_before)}), and {split.texts_changed:,} of "
                f"{split.texts:,} texts are split differently."
            )
        return " ".join(said)


def shrink_vocabulary(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    texts: Sequence[str],
    *,
    max_length: int,
    size: int | None = None,
    min_count: int = 1,
    characters: Characters = "all",
    measured: Mapping[str, Sequence[str]] | None = None,
) -> tuple[PreTrainedModel, PreTrainedTokenizerFast, VocabularyReport]:
    """Return a smaller copy of a classifier and its tokenizer, and what that does to texts.

    New ids are the ranks of the old ones. :func:`~edgekd.compress.token_choice.choose_tokens` says what stays.

    Args:
        model: a classifier, not changed.
        tokenizer: its tokenizer, not changed.
        texts: whose tokens stay.
        max_length: tokens of a text that the model reads, special ones included.
        size: at most so many tokens.
        min_count: tokens that occur less often go too.
        characters: ``all`` stay, or those ``seen`` in the texts.
        measured: texts by split that the report is about.

    Raises:
        NotApplicable: when fewer than 1 % of the tokens would go, or tokenizer or model are of an unknown kind.
        ConfigError: when there is no text, or ``size`` is too small.
        InvalidArtifact: when tokenizer and model do not fit together, or the smaller model says something else.
    """
    if not texts:
        raise ConfigError("A vocabulary step needs texts, but there are none.")
    if not getattr(tokenizer, "is_fast", False):
        raise NotApplicable("The vocabulary cannot shrink: the tokenizer has no tokenizer.json.")
    old = _Reader(tokenizer, max_length)
    before = int(model.config.vocab_size)
    if len(old.ids) and max(old.ids.values()) >= before:
        raise InvalidArtifact(
            f"The tokenizer has ids up to {max(old.ids.values()):,}, the model only {before:,} token vectors.",
            hint="Use the tokenizer that the model was trained with.",
        )
    counts = Counter(itertools.chain.from_iterable(old.read(texts)))
    also = special_ids(model.config).values()
    kept = choose_tokens(tokenizer, counts, size=size, min_count=min_count, characters=characters, also=also)
    if before - len(kept) < LEAST_SHARE * before:
        raise NotApplicable(
            f"The vocabulary is not worth shrinking: {len(kept):,} of {before:,} tokens are needed by the texts or to "
            "spell other words."
        )
    new_id = {index: rank for rank, index in enumerate(kept)}
    smaller_tokenizer = rebuild_tokenizer(tokenizer, new_id)
    smaller = copy.deepcopy(model)
    keep_rows(smaller, new_id)
    _check_logits(model, smaller, new_id, old.read(texts))
    new = _Reader(smaller_tokenizer, max_length)
    splits = {name: _compare(old, new, new_id, rows) for name, rows in (measured or {}).items()}
    return smaller, smaller_tokenizer, VocabularyReport(before, len(kept), splits)


class _Reader:
    """A tokenizer that truncates and never pads."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, max_length: int) -> None:
        self._backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
        self._backend.no_padding()
        self._backend.enable_truncation(max_length)
        self.ids: dict[str, int] = tokenizer.get_vocab()
        self.unknown: int | None = tokenizer.unk_token_id
        self.ends = len(self._backend.encode("").ids)  # tokens of the template

    def read(self, texts: Sequence[str]) -> Iterator[list[int]]:
        """Yield the ids of each text, with special tokens."""
        for start in range(0, len(texts), _BATCH):
            for encoding in self._backend.encode_batch_fast(list(texts[start : start + _BATCH])):
                yield encoding.ids


def rebuild_tokenizer(tokenizer: PreTrainedTokenizerFast, new_id: Mapping[int, int]) -> PreTrainedTokenizerFast:
    """Return a tokenizer with some tokens only, and the same settings.

    Args:
        tokenizer: of a known kind.
        new_id: old id to new id; new ids are 0, 1, 2..., in the order of the old ones.

    Raises:
        InvalidArtifact: when the tokens cannot be numbered so.
    """
    spec = keep_tokens(json.loads(tokenizer.backend_tokenizer.to_str()), new_id)
    try:
        backend = Tokenizer.from_str(json.dumps(spec))
    except Exception as error:  # tokenizers raises the bare class
        raise InvalidArtifact(f"The smaller tokenizer cannot be read: {error}.") from error
    settings: dict[str, Any] = {name: getattr(tokenizer, name) for name in _ATTRIBUTES}
    special = dict(tokenizer._special_tokens_map)  # as added tokens, which know whether they take spaces with them
    smaller = PreTrainedTokenizerFast(
        tokenizer_object=backend, **settings, **{role: token for role, token in special.items() if token is not None}
    )
    wanted = {token: new_id[index] for token, index in tokenizer.get_vocab().items() if index in new_id}
    if smaller.get_vocab() != wanted:
        raise InvalidArtifact("The tokens that stay cannot be numbered in their order.")
    return smaller


def _check_logits(
    model: PreTrainedModel, smaller: PreTrainedModel, new_id: Mapping[int, int], rows: Iterator[list[int]]
) -> None:
    """Compare the logits of some texts whose tokens all stay: another table could have a row for each token, too.

    Raises:
        InvalidArtifact: when they differ.
    """
    surviving = (row for row in rows if all(index in new_id for index in row))
    was_training = model.training
    try:
        for row in itertools.islice(surviving, CHECKED_TEXTS):
            expected = _logits(model.eval(), row)
            actual = _logits(smaller.eval(), [new_id[index] for index in row])
            if not torch.allclose(actual, expected, rtol=0, atol=TOLERANCE * max(1.0, float(expected.abs().max()))):
                raise InvalidArtifact(
                    f"With a smaller vocabulary the {model.config.model_type} gives other logits to a text whose "
                    f"tokens all stay: {actual.tolist()} instead of {expected.tolist()}."
                )
    finally:
        model.train(was_training)
        smaller.train(was_training)


def _logits(model: PreTrainedModel, row: list[int]) -> torch.Tensor:
    ids = torch.tensor([row], device=model.device)
    with torch.no_grad():
        logits: torch.Tensor = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
    return logits.float().cpu()


def _compare(old: _Reader, new: _Reader, new_id: Mapping[int, int], texts: Sequence[str]) -> SplitTokens:
    """Count tokens, unknown ones and changed texts."""
    before, after = list(old.read(texts)), list(new.read(texts))
    return SplitTokens(
        texts=len(texts),
        tokens_before=sum(map(len, before)) - old.ends * len(texts),
        tokens_after=sum(map(len, after)) - new.ends * len(texts),
        unknown_before=sum(row.count(old.unknown) for row in before if old.unknown is not None),
        unknown_after=sum(row.count(new.unknown) for row in after if new.unknown is not None),
        texts_changed=sum([new_id.get(i) for i in a] != b for a, b in zip(before, after, strict=True)),
    )


def _percent(part: int, whole: int) -> str:
    return units.rough_percent(part / whole) if whole else "none"
