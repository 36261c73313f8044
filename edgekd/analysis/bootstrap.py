"""Bootstrap intervals of latency percentiles, resampled by block: drift and text length stay together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgekd.analysis.estimators import Estimate, percentile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edgekd.results import Samples

RESAMPLES = 2000
MINIMUM_CLUSTERS = 10  # a bootstrap of fewer clusters knows too little about how they vary


def clusters(samples: Samples) -> NDArray[np.int64]:
    """Return the cluster, from 0, of every sample.

    A cluster is a block of texts over all passes: samples of one block share the machine's mood, samples
    of one text share its length. With fewer than 10 blocks every text is its own cluster, and with fewer
    than 10 texts every sample is.
    """
    block = np.asarray(samples.block, dtype=np.int64)
    text = np.asarray(samples.text_index, dtype=np.int64)
    first_text: dict[int, int] = {}
    for number, index in zip(samples.block, samples.text_index, strict=True):
        first_text[number] = min(index, first_text.get(number, index))
    by_texts_of_block = np.array([first_text[number] for number in samples.block], dtype=np.int64)
    for labels in (by_texts_of_block, text):
        found, cluster = np.unique(labels, return_inverse=True)
        if len(found) >= MINIMUM_CLUSTERS:
            return cluster.astype(np.int64)
    return np.arange(len(block), dtype=np.int64)


@dataclass(frozen=True)
class Draws:
    """How often each cluster is drawn in each resample: shape ``(resamples, clusters)``."""

    cluster: NDArray[np.int64]
    counts: NDArray[np.int32]


def draw(cluster: NDArray[np.int64], *, resamples: int = RESAMPLES, seed: int = 0) -> Draws:
    """Draw clusters with replacement; the same seed and number of clusters give the same draws."""
    number = int(cluster.max()) + 1
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(number, np.full(number, 1 / number), size=resamples).astype(np.int32)
    return Draws(cluster, counts)


def resampled_percentiles(values: NDArray[np.float64], draws: Draws, qs: Sequence[float]) -> NDArray[np.float64]:
    """Return the percentiles of every resample, shape ``(resamples, len(qs))``.

    Equal to sorting each resample and interpolating linearly, but the values are sorted once and each
    resample is a running sum of how often every value was drawn.
    """
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    cluster = draws.cluster[order]
    result = np.empty((len(draws.counts), len(qs)))
    q = np.asarray(qs, dtype=np.float64)
    for row, counts in enumerate(draws.counts):
        drawn = np.cumsum(counts[cluster])
        position = q * (drawn[-1] - 1)
        below = np.floor(position)
        low = ordered[np.searchsorted(drawn, below, side="right")]
        high = ordered[np.searchsorted(drawn, np.ceil(position), side="right")]
        result[row] = low + (high - low) * (position - below)
    return result


def percentile_estimates(values: Sequence[float], draws: Draws, qs: Sequence[float]) -> list[Estimate]:
    """Return percentiles with 95 % percentile-bootstrap intervals (Efron 1979)."""
    array = np.asarray(values, dtype=np.float64)
    spread = resampled_percentiles(array, draws, qs)
    low, high = np.quantile(spread, [0.025, 0.975], axis=0)
    return [Estimate(percentile(array, q), float(low[i]), float(high[i]), len(array)) for i, q in enumerate(qs)]


def percentile_ratio(
    reference: Sequence[float],
    values: Sequence[float],
    reference_draws: Draws,
    draws: Draws,
    *,
    q: float = 0.5,
) -> Estimate:
    """Return ``percentile(reference) / percentile(values)`` with a 95 % percentile-bootstrap interval.

    Give both the same draws when they were measured interleaved over the same blocks: drift then cancels.
    """
    above = np.asarray(reference, dtype=np.float64)
    below = np.asarray(values, dtype=np.float64)
    ratios = resampled_percentiles(above, reference_draws, [q]) / resampled_percentiles(below, draws, [q])
    low, high = np.quantile(ratios, [0.025, 0.975])
    return Estimate(percentile(above, q) / percentile(below, q), float(low), float(high), min(len(above), len(below)))
