"""The exact parts of a ``linear`` student's logits, found by asking its graph; no weights are opened.

The student computes ``z(text) = bias + (sum of the rows of its tokens and n-grams) / sqrt(tokens)``. So for any run of
tokens, ``S(run) = sqrt(tokens) (z(run) - bias)`` is the sum of the rows of everything inside the run, and the row of a
single n-gram follows by inclusion and exclusion:
``row(i..j) = S(i..j) - S(i+1..j) - S(i..j-1) + S(i+1..j-1)``.

A row that several words share (an n-gram across words) is divided equally among them. This is the Shapley value of the
words (Shapley 1953, section 5: each unanimity game is shared by its members) in the game whose value is the sum of the
rows that a set of words completes, at the length of the whole text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgekd.artifacts import read_json
from edgekd.errors import InvalidArtifact

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgekd.bundle import Bundle
    from edgekd.explain.model import Reading

    Floats = NDArray[np.float64]

MODEL_TYPE = "edgekd-linear"
TYPE_KEY = "edgekd_model_type"  # in the bundle's config.json; in that of older bundles it is the model_type
TOLERANCE = 1e-4  # of the sum, relative to the largest logit or 1: float32 sums of a few hundred rows


@dataclass(frozen=True)
class AdditiveParts:
    """Logits as a sum: ``logits = base + words.sum(axis=0)``."""

    base: Floats  # (outputs,): the bias and what special tokens add
    words: Floats  # (words that are read, outputs)


def additive_parts(reading: Reading, logits: Floats) -> AdditiveParts | None:
    """Return the exact parts of a text's logits; None when the model is no sum of parts.

    The parts are checked against ``logits`` ``(outputs,)``: a graph that does not add up to within rounding, as after
    quantization, gets no exact explanation.
    """
    longest = longest_ngram(reading.model.bundle)
    if longest is None:
        return None
    ids, owners = reading.tokens.ids, reading.owners
    runs = [(i, i + n) for n in range(1, longest + 1) for i in range(len(ids) - n + 1)]
    asked = reading.model.logits([[], *(ids[i:j] for i, j in runs)])
    bias = asked[0]
    sums = {(i, j): np.sqrt(j - i) * (z - bias) for (i, j), z in zip(runs, asked[1:], strict=True)}
    nothing = np.zeros_like(bias)
    place = {word: row for row, word in enumerate(reading.read)}
    words, rest = np.zeros((len(place), len(bias))), nothing.copy()
    for i, j in runs:
        inner = sums.get((i + 1, j - 1), nothing)
        row = sums[i, j] - sums.get((i + 1, j), nothing) - sums.get((i, j - 1), nothing) + inner
        members = sorted({place[owner] for owner in owners[i:j] if owner is not None})
        if members:
            words[members] += row / len(members)
        else:
            rest += row
    scale = 1 / np.sqrt(len(ids))
    parts = AdditiveParts(bias + scale * rest, scale * words)
    error = np.abs(parts.base + parts.words.sum(axis=0) - logits).max()
    return parts if error <= TOLERANCE * max(1.0, float(np.abs(logits).max())) else None


def longest_ngram(bundle: Bundle) -> int | None:
    """Return the longest n-gram of a ``linear`` bundle; None for every other model.

    Raises:
        InvalidArtifact: when its configuration is damaged.
    """
    path = bundle.folder / "config.json"
    if not path.is_file():
        return None
    config = read_json(path)
    if not isinstance(config, dict) or MODEL_TYPE not in (config.get(TYPE_KEY), config.get("model_type")):
        return None
    longest = config.get("ngrams")
    if not isinstance(longest, int) or longest < 1:
        raise InvalidArtifact(
            f"'{path}' is damaged: ngrams is {longest!r}, not a number from 1.",
            hint="Copy the bundle again, or rebuild it with 'edgekd distill'.",
        )
    return longest
