"""Text to token ids by ``tokenizers``: opened from a file, one text at a time, truncated, never padded."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from edgekd.errors import InvalidArtifact
from edgekd.runtime.cache import CachedTokenizer
from edgekd.runtime.locality import NotLocal, chunk_rules

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


class TextEncoder(Protocol):
    """Turns a text into token ids."""

    def ids(self, text: str) -> list[int]:
        """Return the ids with special tokens, at most the maximum length."""

    def array(self, text: str) -> NDArray[Any]:
        """Return the same as an array of shape ``(1, ids)``."""

    def mark(self) -> None:
        """Remember the present state as the one after warm-up."""

    def learned(self) -> int:
        """Return how much was remembered since the mark."""

    def reset(self, learned: int = 0) -> None:
        """Forget all that was remembered since the mark, but for the first ``learned``."""


class PlainTokenizer:
    """``tokenizers`` as it is; keeps no state."""

    def __init__(self, tokenizer: Any, dtype: np.dtype[Any] | type = np.int64) -> None:
        self._dtype = np.dtype(dtype)
        # The "fast" call leaves character offsets out, which nobody reads here.
        self._encode_batch = tokenizer.encode_batch_fast

    def ids(self, text: str) -> list[int]:
        """Return the ids of a text."""
        ids: list[int] = self._encode_batch([text])[0].ids
        return ids

    def array(self, text: str) -> NDArray[Any]:
        """Return the same as an array of shape ``(1, ids)``."""
        return np.array([self.ids(text)], dtype=self._dtype)

    def mark(self) -> None:
        """Do nothing: there is no state."""

    def learned(self) -> int:
        """Return 0: there is no state."""
        return 0

    def reset(self, learned: int = 0) -> None:
        """Do nothing: there is no state."""


def open_tokenizer(path: Path, max_length: int) -> Any:
    """Open a ``tokenizer.json`` with truncation to ``max_length`` and without padding.

    Raises:
        InvalidArtifact: when the file is missing or ``tokenizers`` cannot read it.
    """
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises the bare class
        raise InvalidArtifact(
            f"The tokenizer '{path}' cannot be read: {error}.",
            hint="Copy the bundle again, or rebuild it with 'edgekd distill'.",
        ) from error
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length)
    return tokenizer


def pad_id(path: Path) -> int:
    """Return the id that fills short rows of a batch: the file's own choice, else the usual names, else 0."""
    raw = json.loads(path.read_text(encoding="utf-8"))
    if raw.get("padding"):
        return int(raw["padding"]["pad_id"])
    by_content = {token["content"]: int(token["id"]) for token in raw.get("added_tokens") or []}
    return by_content.get("[PAD]", by_content.get("<pad>", 0))


def open_encoder(
    path: Path, max_length: int, *, cached: bool = True, dtype: np.dtype[Any] | type = np.int64
) -> TextEncoder:
    """Return the fastest encoder that gives the same ids as ``tokenizers``.

    Args:
        path: a ``tokenizer.json``.
        max_length: ids per text, special tokens included.
        cached: look words up in a cache where that gives the same ids.
        dtype: of the arrays, int64 or int32.

    Raises:
        InvalidArtifact: when the file is missing or ``tokenizers`` cannot read it.
    """
    tokenizer = open_tokenizer(path, max_length)
    if cached:
        spec = json.loads(path.read_text(encoding="utf-8"))
        try:
            return CachedTokenizer(tokenizer, max_length, chunk_rules(spec, max_length), dtype=dtype)
        except NotLocal:
            pass
    return PlainTokenizer(tokenizer, dtype)
