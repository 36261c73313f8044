"""Does an explanation name the words that the model really uses? Comprehensiveness, sufficiency and deletion curve.

DeYoung et al. 2020, "ERASER: A Benchmark to Evaluate Rationalized NLP Models" (arXiv 1911.03429), section 4.2, for the
label that the model predicts and the ``k`` words with the highest contributions:

- comprehensiveness = p(text) - p(text without them): high when nothing else carries the answer;
- sufficiency = p(text) - p(them alone): near 0 (or negative) when they are enough.

Both are also computed for words in a random order, so that a model that breaks down whenever any word is missing is
not mistaken for one that is explained well.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgekd.analysis.estimators import Estimate
from edgekd.errors import DataError
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edgekd.explain.contributions import Answer
    from edgekd.explain.model import Reading

    Floats = NDArray[np.float64]

SHARES = (0.1, 0.2, 0.5)  # of the words; at least one word
STEPS = tuple(step / 10 for step in range(11))  # of the deletion curve
MINIMUM_WORDS = 2  # of a text; with one word there is nothing to rank
MINIMUM_TEXTS = 10  # a bootstrap of fewer knows too little about how they vary
RESAMPLES = 2000


@dataclass(frozen=True)
class Trace:
    """What a model says about parts of one text; words by contribution, and in random order.

    For labels the numbers are probabilities of the predicted label; for a regression they are distances from the value
    of no words at all, in the direction of the answer.
    """

    removed: Floats  # (2, steps): without that share of the words; row 0 by contribution, row 1 random
    alone: Floats  # (2, shares): that share of the words alone


@dataclass(frozen=True)
class Share:
    """Means over the texts for one share of the words, each with a 95 % interval."""

    share: float
    comprehensiveness: Estimate
    random_comprehensiveness: Estimate
    comprehensiveness_gain: Estimate  # over the random order, text by text; above 0 is better
    sufficiency: Estimate
    random_sufficiency: Estimate
    sufficiency_gain: Estimate  # random - by contribution; above 0 is better


@dataclass(frozen=True)
class Faithfulness:
    """The figures of one model."""

    model: str
    texts: int
    shares: list[Share]
    curve: list[Estimate]  # by contribution, at STEPS
    random_curve: list[Estimate]


def count_of(share: float, words: int) -> int:
    """Return how many words a share is: rounded up, so that a tenth of three words is one word."""
    return math.ceil(share * words - 1e-9)


def trace(found: Answer, rng: np.random.Generator) -> Trace:
    """Ask a model about parts of a text: parts by contribution, and by an order drawn from ``rng``."""
    reading = found.reading
    words = reading.read
    index = int(found.outputs.argmax())
    values = np.array([v for v in found.contributions(index, max(words) + 1).values if v is not None])
    support = _Support(reading, index)
    orders = [np.argsort(-support.direction * values, kind="stable"), rng.permutation(len(words))]
    ranked = [[words[place] for place in order] for order in orders]
    removed = [[reading.without(set(row[: count_of(s, len(words))])) for s in STEPS] for row in ranked]
    alone = [[reading.only(set(row[: count_of(s, len(words))])) for s in SHARES] for row in ranked]
    numbers = support.of([part for rows in (*removed, *alone) for part in rows])
    cut = len(STEPS) * len(ranked)
    return Trace(numbers[:cut].reshape(2, -1), numbers[cut:].reshape(2, -1))


class _Support:
    """How much a part of a text supports what the model says about all of it."""

    def __init__(self, reading: Reading, index: int) -> None:
        self._model, self._index = reading.model, index
        self._is_value = self._model.task.kind is TaskKind.REGRESSION
        self.direction, self._empty = 1.0, 0.0
        if self._is_value:
            whole, self._empty = self._model.logits([reading.tokens.ids, reading.only(())])[:, index].tolist()
            self.direction = -1.0 if whole < self._empty else 1.0

    def of(self, parts: Sequence[list[int]]) -> Floats:
        """Return a number for each part; equal parts, of which short texts have many, are run once."""
        distinct = {tuple(part): None for part in parts}
        outputs = self._model.outputs([list(part) for part in distinct])[:, self._index]
        by_part = dict(zip(distinct, outputs.tolist(), strict=True))
        return self.direction * (np.array([by_part[tuple(part)] for part in parts]) - self._empty)


def summarize(model: str, traces: Sequence[Trace], *, seed: int = 0) -> Faithfulness:
    """Return means over texts with 95 % percentile-bootstrap intervals (Efron 1979), resampled by text.

    Raises:
        DataError: with fewer than ten texts.
    """
    if len(traces) < MINIMUM_TEXTS:
        raise DataError(
            f"Faithfulness needs at least {MINIMUM_TEXTS} texts of {MINIMUM_WORDS} or more words; there are "
            f"{len(traces)}.",
            hint="Give more texts with --faithfulness DATA, or raise --max-texts.",
        )
    removed = np.stack([t.removed for t in traces])  # (texts, 2, steps)
    alone = np.stack([t.alone for t in traces])
    at = [STEPS.index(share) for share in SHARES]
    comprehensiveness = removed[:, :, :1] - removed[:, :, at]  # (texts, 2, shares)
    sufficiency = removed[:, :, :1] - alone
    tables = (
        comprehensiveness[:, 0],
        comprehensiveness[:, 1],
        comprehensiveness[:, 0] - comprehensiveness[:, 1],
        sufficiency[:, 0],
        sufficiency[:, 1],
        sufficiency[:, 1] - sufficiency[:, 0],
        removed[:, 0],
        removed[:, 1],
    )
    columns = mean_estimates(np.concatenate(tables, axis=1), seed=seed)
    parts = [columns[i * len(SHARES) : (i + 1) * len(SHARES)] for i in range(6)]
    curves = columns[6 * len(SHARES) :]
    return Faithfulness(
        model=model,
        texts=len(traces),
        shares=[Share(share, *(part[i] for part in parts)) for i, share in enumerate(SHARES)],
        curve=curves[: len(STEPS)],
        random_curve=curves[len(STEPS) :],
    )


def mean_estimates(table: Floats, *, seed: int = 0) -> list[Estimate]:
    """Return the mean of each column of ``(texts, columns)`` with its 95 % percentile-bootstrap interval."""
    texts = len(table)
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(texts, np.full(texts, 1 / texts), size=RESAMPLES) / texts
    low, high = np.quantile(weights @ table, [0.025, 0.975], axis=0)
    means = table.mean(axis=0)
    return [Estimate(float(m), float(a), float(b), texts) for m, a, b in zip(means, low, high, strict=True)]
