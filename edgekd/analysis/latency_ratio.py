"""How much slower or faster one variant is than another that was measured in turns with it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgekd.analysis.bootstrap import MINIMUM_CLUSTERS, RESAMPLES, draw
from edgekd.analysis.estimators import Estimate, supported_percentile
from edgekd.analysis.paired import Rounds, round_log_ratios, trimmed_means
from edgekd.analysis.processes import process_error, widened
from edgekd.analysis.stats import speed_up

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgekd.results import BenchResult, Samples


def latency_ratio(
    base: BenchResult, candidate: BenchResult, *, resamples: int = RESAMPLES, seed: int = 0
) -> Estimate | None:
    """Return median latency of the candidate / that of the base with a 95 % interval; below 1 is faster.

    Both measured in turns on the same blocks: the ratio of medians within each block, and of the blocks the exponential
    of the 20 % trimmed mean of its logarithm, so that drift of the clock speed and a disturbed block do not count
    (duet benchmarking, Bulej et al. 2020, arXiv 2001.05811). The bootstrap draws blocks, all passes over the same texts
    together; how processes differ is a part of the interval (:mod:`edgekd.analysis.processes`). With fewer than 10
    blocks, or measured apart, it is the ratio of the medians of all calls, with the interval of
    :func:`edgekd.analysis.stats.speed_up`.

    ``None`` when one side has too few calls for a median.

    NOTE: processes of the same program differ by their memory layout, up to 3 % for a model that answers in 0.1 ms
    (Mytkowicz et al. 2009), which no interval of a single process each knows.
    """
    if not all(supported_percentile(len(side.samples.total_s), 0.5) for side in (base, candidate)):
        return None
    cluster = _text_blocks(base.samples)
    if cluster.max() + 1 < MINIMUM_CLUSTERS or not _in_turns(base, candidate):
        found = speed_up(base, candidate, resamples=resamples, seed=seed)
        return None if found is None else Estimate(1 / found.value, 1 / found.high, 1 / found.low, found.n)
    _, block = np.unique(base.samples.block, return_inverse=True)
    sides = tuple(np.asarray(side.samples.total_s, dtype=np.float64) for side in (base, candidate))
    rounds = Rounds(sides, block.astype(np.int64), np.zeros(len(cluster), dtype=np.int64))
    ratios = round_log_ratios(rounds)
    counts = draw(cluster, resamples=resamples, seed=seed).counts[:, cluster]
    value = float(np.exp(trimmed_means(ratios, np.ones((1, len(ratios)), dtype=np.int32))[0]))
    low, high = np.exp(np.quantile(trimmed_means(ratios, counts), [0.025, 0.975]))
    found = Estimate(value, min(float(low), value), max(float(high), value), len(sides[0]))
    return widened(found, _error(ratios, counts, _process_of_blocks(base.samples)))


def _in_turns(one: BenchResult, other: BenchResult) -> bool:
    columns = ("block", "text_index", "process")
    return one.session == other.session and all(getattr(one.samples, c) == getattr(other.samples, c) for c in columns)


def _process_of_blocks(samples: Samples) -> NDArray[np.int64]:
    """Return the process of each block, in the order of its number."""
    process = dict(zip(samples.block, samples.process or [0] * len(samples.block), strict=True))
    return np.asarray([process[number] for number in sorted(process)], dtype=np.int64)


def _error(ratios: NDArray[np.float64], counts: NDArray[np.int32], process: NDArray[np.int64]) -> float:
    """Return what differences between processes add to the interval, from the ratios of blocks."""
    members = [np.flatnonzero(process == one) for one in np.unique(process)]
    if len(members) < 2:
        return 0.0
    once = np.ones((1, len(ratios)), dtype=np.int32)
    with np.errstate(invalid="ignore"):  # a resample without blocks of a process is NaN there
        effects = np.array([trimmed_means(ratios[chosen], once[:, chosen])[0] for chosen in members])
        resampled = np.array([trimmed_means(ratios[chosen], counts[:, chosen]) for chosen in members])
    return process_error(effects, resampled, [len(chosen) for chosen in members])


def _text_blocks(samples: Samples) -> NDArray[np.int64]:
    """Return for each block, in the order of its number, which set of texts it is of, from 0."""
    first_text: dict[int, int] = {}
    for number, index in zip(samples.block, samples.text_index, strict=True):
        first_text[number] = min(index, first_text.get(number, index))
    _, cluster = np.unique([first_text[number] for number in sorted(first_text)], return_inverse=True)
    return cluster.astype(np.int64)
