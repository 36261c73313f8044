"""Bootstrap intervals of latency percentiles, resampled by block: drift and text length stay together.

With several processes the differences between them are a part of the interval (:mod:`edgekd.analysis.processes`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgekd.analysis.estimators import Estimate, percentile
from edgekd.analysis.processes import process_error, widened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edgekd.results import Samples

RESAMPLES = 2000
VARIANCE_RESAMPLES = 400  # of each process, for a variance; ends of intervals need more
MINIMUM_CLUSTERS = 10  # a bootstrap of fewer clusters knows too little about how they vary


def clusters(samples: Samples) -> NDArray[np.int64]:
    """Return the cluster, from 0, of every sample.

    A cluster is a block of texts over all passes and processes: samples of one block share the machine's mood,
    samples of one text share its length. With fewer than 10 blocks every text is its own cluster, and with fewer
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
    resample is a running sum of how often every value was drawn. NaN where none was.
    """
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    cluster = draws.cluster[order]
    result = np.empty((len(draws.counts), len(qs)))
    q = np.asarray(qs, dtype=np.float64)
    for row, counts in enumerate(draws.counts):
        drawn = np.cumsum(counts[cluster])
        if drawn[-1] == 0:
            result[row] = np.nan
            continue
        position = q * (drawn[-1] - 1)
        below = np.floor(position)
        low = ordered[np.searchsorted(drawn, below, side="right")]
        high = ordered[np.searchsorted(drawn, np.ceil(position), side="right")]
        result[row] = low + (high - low) * (position - below)
    return result


def percentile_estimates(
    values: Sequence[float], draws: Draws, qs: Sequence[float], process: Sequence[int] = ()
) -> list[Estimate]:
    """Return percentiles with 95 % intervals.

    Args:
        values: positive, one a call.
        draws: blocks drawn; their intervals are percentile-bootstrap intervals (Efron 1979).
        qs: from 0 to 1.
        process: which process each call was made in; empty: all in one.
    """
    array = np.asarray(values, dtype=np.float64)
    spread = resampled_percentiles(array, draws, qs)
    low, high = np.quantile(spread, [0.025, 0.975], axis=0)
    found = [Estimate(percentile(array, q), float(low[i]), float(high[i]), len(array)) for i, q in enumerate(qs)]
    apart = processes_apart(array, draws, qs, process)
    if apart is None:
        return found
    return [widened(estimate, apart.error(place)) for place, estimate in enumerate(found)]


@dataclass(frozen=True)
class Processes:
    """Logarithms of the percentiles of each process."""

    values: NDArray[np.float64]  # shape (processes, qs)
    resampled: NDArray[np.float64]  # shape (processes, resamples, qs)
    calls: list[int]

    def error(self, place: int) -> float:
        """Return what the differences between processes add to the interval of one of the percentiles."""
        return process_error(self.values[:, place], self.resampled[:, :, place], self.calls)

    def __sub__(self, other: Processes) -> Processes:
        return Processes(self.values - other.values, self.resampled - other.resampled, self.calls)


def processes_apart(
    values: NDArray[np.float64], draws: Draws, qs: Sequence[float], process: Sequence[int]
) -> Processes | None:
    """Return the percentiles of each process; None when there is only one."""
    number = np.asarray(process, dtype=np.int64)
    members = [np.flatnonzero(number == one) for one in np.unique(number)]
    if len(members) < 2:
        return None
    counts = draws.counts[:VARIANCE_RESAMPLES]
    found = [np.quantile(values[chosen], qs, method="linear") for chosen in members]
    resampled = [resampled_percentiles(values[one], Draws(draws.cluster[one], counts), qs) for one in members]
    return Processes(np.log(found), np.log(resampled), [len(chosen) for chosen in members])


def percentile_ratio(
    reference: Sequence[float],
    values: Sequence[float],
    reference_draws: Draws,
    draws: Draws,
    *,
    q: float = 0.5,
    processes: tuple[Sequence[int], Sequence[int]] = ((), ()),
) -> Estimate:
    """Return ``percentile(reference) / percentile(values)`` with a 95 % interval.

    Give both the same draws when they were measured interleaved over the same blocks: drift then cancels, and so does
    what was common to the processes that took turns.

    Args:
        reference: one a call, seconds.
        values: of the other side.
        reference_draws: blocks drawn for the reference.
        draws: blocks drawn for the other side; the same object when both are paired.
        q: which percentile, from 0 to 1.
        processes: which process each call of each side was made in; empty: all in one.
    """
    above = np.asarray(reference, dtype=np.float64)
    below = np.asarray(values, dtype=np.float64)
    ratios = resampled_percentiles(above, reference_draws, [q]) / resampled_percentiles(below, draws, [q])
    low, high = np.quantile(ratios, [0.025, 0.975])
    found = Estimate(percentile(above, q) / percentile(below, q), float(low), float(high), min(len(above), len(below)))
    sides = [
        processes_apart(side, side_draws, [q], process)
        for side, side_draws, process in zip((above, below), (reference_draws, draws), processes, strict=True)
    ]
    if reference_draws is draws and sides[0] is not None and sides[1] is not None:
        return widened(found, (sides[0] - sides[1]).error(0))
    return widened(found, *(side.error(0) for side in sides if side is not None))
