"""A bounded cache from the chunks of a text to token ids, used only where it gives exactly the ids of ``tokenizers``.

Why the ids of a text are those of its chunks: :mod:`edgekd.runtime.locality`. Ids are kept as the bytes of an array, so
a text's input is a join of bytes. New chunks of printable ASCII are split here and given to the tokenizer's model word
by word, which is ten times as fast as a call of the whole pipeline; the pipeline does the others.
"""

from __future__ import annotations

import sys
from array import array
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekd.runtime.locality import BYTE_LEVEL, NotLocal

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgekd.runtime.locality import ChunkRules

MAX_BYTES = 16 * 2**20  # of dictionary, chunks and ids together
MAX_CHUNK_CHARS = 32  # longer chunks are rare; storing them would let odd input fill the memory
MAX_SLOW_MISSES = 3  # with more of them in a text, one call for the whole text is faster
_CODES = {np.dtype(np.int32): "i", np.dtype(np.int64): "q"}


class CachedTokenizer:
    """One dictionary lookup per chunk.

    Memory: the dictionary, its keys and values take at most ``max_bytes``, about 65,000 words of English. When it is
    full, new chunks are tokenized every time.

    Args:
        tokenizer: a ``tokenizers.Tokenizer`` that truncates to ``max_length``.
        max_length: ids per text, special tokens included.
        rules: those of its file.
        dtype: int64 or int32.
        max_bytes: most memory of the cache.
    """

    def __init__(
        self,
        tokenizer: Any,
        max_length: int,
        rules: ChunkRules,
        *,
        dtype: np.dtype[Any] | type = np.int64,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._dtype = np.dtype(dtype)
        self._size = self._dtype.itemsize
        self._chunks = _Chunks(tokenizer, rules, _CODES[self._dtype], max_bytes)
        self._get = self._chunks.__getitem__
        self._whole = tokenizer.encode_batch_fast  # leaves out character offsets, which nobody reads
        self._room = max_length - len(rules.before) - len(rules.after)
        self._before, self._after = self._chunks.packed(rules.before), self._chunks.packed(rules.after)
        self._marks_first = rules.style == BYTE_LEVEL

    def __len__(self) -> int:
        return len(self._chunks)

    @property
    def size_bytes(self) -> int:
        """Memory of the cache."""
        return self._chunks.size_bytes

    def ids(self, text: str) -> list[int]:
        """Return exactly ``tokenizers``' ids of a text."""
        return self.array(text)[0].tolist()  # type: ignore[no-any-return]

    def array(self, text: str) -> NDArray[Any]:
        """Return the same as an array of shape ``(1, ids)``."""
        room = self._room
        try:
            chunks = text.split(" ", room)
            rest = chunks.pop() if len(chunks) > room else None
            if self._marks_first:
                chunks[0] = " " + chunks[0]
            ids = b"".join(map(self._get, chunks))
            if rest is not None or len(ids) > room * self._size:
                ids = self._cut(ids, rest)
        except NotLocal:
            self._chunks.slow_misses = 0
            return np.array([self._whole([text])[0].ids], dtype=self._dtype)
        self._chunks.slow_misses = 0
        # A bytearray, because OpenVINO takes no array that it could not write to.
        row = bytearray().join((self._before, ids, self._after))
        return np.ndarray((1, len(row) // self._size), self._dtype, row)

    def mark(self) -> None:
        """Remember the present chunks as the state after warm-up."""
        self._chunks.since_mark.clear()

    def learned(self) -> int:
        """Return how many chunks came after the mark."""
        return len(self._chunks.since_mark)

    def reset(self, learned: int = 0) -> None:
        """Forget the chunks that came after the mark, but for the first ``learned``."""
        self._chunks.forget(learned)

    def _cut(self, ids: bytes, rest: str | None) -> bytes:
        """Return the ids that fit; chunks may have none, so those of the rest of a long text may be needed."""
        most = self._room * self._size
        if rest is not None:
            self._chunks.check(rest.split(" ", 1)[0])
        while rest is not None and len(ids) < most:
            chunks = rest.split(" ", self._room)
            rest = chunks.pop() if len(chunks) > self._room else None
            ids += b"".join(map(self._get, chunks))
        return ids[:most]


def _entry_bytes(key: str, found: bytes) -> int:
    """Return the most memory that an entry can take in CPython.

    A string takes up to 76 bytes and 4 a character, bytes 33 and their number. A dictionary that has just grown has up
    to six places an entry, of 4 bytes, and room for four entries, of 16 bytes: together 88.
    """
    return 197 + 4 * len(key) + len(found)


class _Chunks(dict[str, bytes]):
    """Chunk to packed ids; a chunk that is missing is tokenized when it is asked for.

    Of a byte-level tokenizer the first chunk of a text differs from the same one behind a space. Its key begins with
    a space, which no chunk has.
    """

    def __init__(self, tokenizer: Any, rules: ChunkRules, code: str, max_bytes: int) -> None:
        super().__init__()
        self._rules = rules
        self._code = code
        self._encode_batch = tokenizer.encode_batch_fast
        self._tokenize = tokenizer.model.tokenize
        self._quick_words, self._lowercase, self._mark = rules.quick_words, rules.lowercase, rules.mark
        self._left_bytes = max_bytes
        self.since_mark: list[str] = []
        self.slow_misses = 0  # in the present text

    def packed(self, ids: list[int]) -> bytes:
        """Return ids as the bytes of an array."""
        return array(self._code, ids).tobytes()

    @property
    def size_bytes(self) -> int:
        """Memory of the table, its keys and values."""
        return sys.getsizeof(self) + sum(sys.getsizeof(key) + sys.getsizeof(found) for key, found in self.items())

    def check(self, chunk: str) -> None:
        """Raise NotLocal when a chunk that is cut off could have changed the one before it."""
        if not self._rules.accepts(chunk):
            raise NotLocal(chunk)

    def forget(self, kept: int) -> None:
        """Remove the chunks that came after the mark, but for the first ``kept``."""
        for key in self.since_mark[kept:]:
            self._left_bytes += _entry_bytes(key, self.pop(key))
        del self.since_mark[kept:]

    def __missing__(self, key: str) -> bytes:
        # Ids beyond max_length may be cut here, which is no loss: fewer fit into a text.
        if self._quick_words and key.isalnum() and key.isascii():  # most chunks: a word, and nothing else
            word = self._mark + (key.lower() if self._lowercase else key)
            found = array(self._code, [token.id for token in self._tokenize(word)]).tobytes()
        else:
            found = array(self._code, self._new(key)).tobytes()
        if len(key) <= MAX_CHUNK_CHARS:
            left = self._left_bytes - _entry_bytes(key, found)
            if left >= 0:
                self._left_bytes = left
                self[key] = found
                self.since_mark.append(key)
        return found

    def _new(self, key: str) -> list[int]:
        """Return the ids of a chunk.

        Raises:
            NotLocal: when they depend on the rest of the text, or the whole text is faster.
        """
        rules = self._rules
        first = rules.style == BYTE_LEVEL and key[:1] == " "
        chunk = key[1:] if first else key
        if not rules.accepts(chunk):
            raise NotLocal(chunk)
        words = rules.words(chunk, first=first)
        if words is not None:
            return [token.id for word in words for token in self._tokenize(word)]
        self.slow_misses += 1
        if self.slow_misses > MAX_SLOW_MISSES:
            raise NotLocal(chunk)
        text = f" {chunk}" if rules.style == BYTE_LEVEL and not first else chunk
        ids: list[int] = self._encode_batch([text], add_special_tokens=False)[0].ids
        return ids
