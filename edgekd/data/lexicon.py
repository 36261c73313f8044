"""Words that the teacher knows, and which of them are near to each other: what noisy texts are made with."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from edgekd.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import numpy as np

NEIGHBOURS = 15
_WORD = re.compile(r"[^\W\d_]{3,}")
_WORD_STARTS = ("Ġ", "▁")  # how byte-level BPE and unigram tokenizers mark the start of a word
_AT_ONCE = 1000


@dataclass(frozen=True)
class Lexicon:
    """Words of a vocabulary, and the nearest of them for words of a corpus."""

    words: Sequence[str] = ()
    neighbours: Mapping[str, Sequence[str]] = field(default_factory=dict)


def vocabulary_words(vocabulary: Mapping[str, int]) -> dict[str, int]:
    """Return the tokens that are whole words of at least three letters, without marks, and their ids."""
    marked = any(token.startswith(_WORD_STARTS) for token in vocabulary)
    found: dict[str, int] = {}
    for token, index in sorted(vocabulary.items(), key=lambda item: item[1]):
        if marked and not token.startswith(_WORD_STARTS):
            continue
        word = token.lstrip("".join(_WORD_STARTS)) if marked else token
        if _WORD.fullmatch(word):
            found.setdefault(word, index)
    return found


def read_lexicon(folder: Path, texts: Iterable[str]) -> Lexicon:
    """Return the words of a teacher's vocabulary, with the neighbours of those that occur in the texts.

    Near is what has a high cosine of the input vectors, after their mean was taken off (common directions say little:
    Mu, Viswanath 2018, arXiv 1702.01417).

    Args:
        folder: a Hugging Face folder with ``tokenizer.json`` and ``model.safetensors``.
        texts: the corpus; words are what white space divides.

    Raises:
        ConfigError: when the weights have no table with a row for each token.
    """
    import numpy as np
    from tokenizers import Tokenizer

    vocabulary = Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab()
    ids = vocabulary_words(vocabulary)
    words = list(ids)
    table = _input_vectors(folder, max(vocabulary.values()) + 1)[list(ids.values())]
    table -= table.mean(axis=0)
    table /= np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-9)
    place = {word: row for row, word in enumerate(words)}
    seen = Counter(word for text in texts for word in text.split())
    wanted = [word for word in seen if word.lower() in place]
    neighbours: dict[str, list[str]] = {}
    for first in range(0, len(wanted), _AT_ONCE):
        part = wanted[first : first + _AT_ONCE]
        rows = np.array([place[word.lower()] for word in part])
        near = table[rows] @ table.T
        near[np.arange(len(rows)), rows] = -2.0  # a word is no neighbour of itself
        best = np.argpartition(-near, min(NEIGHBOURS, near.shape[1] - 1), axis=1)[:, :NEIGHBOURS]
        for word, row, columns in zip(part, rows.tolist(), best.tolist(), strict=True):
            neighbours[word] = [words[column] for column in sorted(columns) if column != row]
    return Lexicon(words, neighbours)


def _input_vectors(folder: Path, tokens: int) -> np.ndarray[Any, Any]:
    """Return the table of input vectors ``(at least tokens, width)``, float32: the one with the most rows."""
    import numpy as np
    from safetensors import safe_open

    with safe_open(str(folder / "model.safetensors"), framework="numpy") as weights:
        shapes = {name: weights.get_slice(name).get_shape() for name in weights.keys()}  # noqa: SIM118  (no mapping)
        tables = [name for name, shape in shapes.items() if len(shape) == 2 and shape[0] >= tokens and "embed" in name]
        if not tables:
            raise ConfigError(
                f"transfer.mix.noise: the teacher in '{folder}' has no table of token vectors to find neighbours in.",
                hint="Set transfer.mix.noise: 0.",
            )
        return np.asarray(weights.get_tensor(tables[0]), dtype=np.float32)
