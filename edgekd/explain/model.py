"""A bundle that can be asked about parts of a text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgekd.analysis.scores import probabilities
from edgekd.explain.words import trim
from edgekd.runtime import session_for
from edgekd.runtime.tokenization import open_tokenizer

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    from edgekd.bundle import Bundle
    from edgekd.explain.words import Span, Word

BATCH_SIZE = 8


@dataclass(frozen=True)
class Tokens:
    """A text as a model reads it."""

    ids: list[int]
    spans: list[Span | None]  # characters of each token; None for special tokens and those that stand for no character
    read_to: int | None  # texts that are too long: the first character that is not read

    def words(self, words: Sequence[Word]) -> list[int | None]:
        """Return the word, by its place in ``words``, that each token belongs to."""
        owner = {place: index for index, word in enumerate(words) for place in range(word.start, word.end)}
        return [None if span is None else owner[span[0]] for span in self.spans]


class ExplainedModel:
    """A loaded bundle.

    A part of a text is the text with the tokens of some words deleted, as if they had never been written. That is
    defined for every kind of model: a hole in the attention mask would end a recurrent student's text, break the
    windows of a ``cnn`` and leave gaps between a transformer's positions, and ``[MASK]`` is a token that a student
    may never have seen.

    Args:
        bundle: a verified bundle.
        threads: threads of the runtime.
    """

    def __init__(self, bundle: Bundle, threads: int = 1) -> None:
        manifest = bundle.manifest
        self.bundle = bundle
        self.name = manifest.name
        self.task = manifest.as_task
        self.calibration = manifest.calibration
        # Dynamic int8 scales a whole batch at once, so the other rows of a batch would change the answer.
        self._batch_size = 1 if manifest.precision == "int8" else BATCH_SIZE
        self._session = session_for(bundle, threads)
        self._session.load()
        self._tokenizer = open_tokenizer(bundle.tokenizer_path, manifest.max_length)

    def encode(self, text: str) -> Tokens:
        """Tokenize a text exactly as the runtime does, with the characters that each token stands for."""
        encoding = self._tokenizer.encode(text)
        spans: list[Span | None] = [
            None if special else trim(text, (start, end))
            for (start, end), special in zip(encoding.offsets, encoding.special_tokens_mask, strict=True)
        ]
        ends = [span[1] for span in spans if span is not None]
        is_cut = any(trim(text, span) for part in encoding.overflowing for span in part.offsets)
        return Tokens(list(encoding.ids), spans, max(ends, default=0) if is_cut else None)

    def logits(self, rows: Sequence[Sequence[int]]) -> NDArray[np.float64]:
        """Return logits ``(rows, outputs)`` for lists of token ids; rows may be empty."""
        order = sorted(range(len(rows)), key=lambda row: len(rows[row]))  # rows of like length need little padding
        logits = np.empty((len(rows), self.task.num_outputs))
        for start in range(0, len(order), self._batch_size):
            batch = order[start : start + self._batch_size]
            logits[batch] = self._infer([rows[row] for row in batch])
        return logits

    def outputs(self, rows: Sequence[Sequence[int]]) -> NDArray[np.float64]:
        """Return calibrated probabilities ``(rows, labels)``, or the values ``(rows, 1)`` of a regression."""
        return probabilities(self.task, self.logits(rows), self.calibration)

    def _infer(self, rows: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        # All rows may be empty, and a graph need not take texts without any token.
        return self._session.infer(self._session.pad(rows, min_length=1))


@dataclass(frozen=True)
class Reading:
    """A text with its words, as one model reads it."""

    model: ExplainedModel
    tokens: Tokens
    owners: list[int | None]  # word of each token

    @classmethod
    def of(cls, model: ExplainedModel, tokens: Tokens, words: Sequence[Word]) -> Reading:
        """Find out which tokens belong to which word."""
        return cls(model, tokens, tokens.words(words))

    @property
    def read(self) -> list[int]:
        """Words with at least one token, in the order of the text."""
        return sorted({owner for owner in self.owners if owner is not None})

    def without(self, words: Collection[int]) -> list[int]:
        """Return the token ids when some words are left out."""
        return [token for token, owner in zip(self.tokens.ids, self.owners, strict=True) if owner not in words]

    def only(self, words: Collection[int]) -> list[int]:
        """Return the token ids of some words alone, with those tokens that belong to no word."""
        pairs = zip(self.tokens.ids, self.owners, strict=True)
        return [token for token, owner in pairs if owner is None or owner in words]
