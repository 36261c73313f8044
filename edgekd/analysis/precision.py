"""How well a median latency is known: decides when a measurement may stop. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgekd.analysis.bootstrap import clusters, draw, percentile_estimates, processes_apart, resampled_percentiles
from edgekd.analysis.estimators import Z_95, supported_percentile
from edgekd.analysis.processes import noise_variance

if TYPE_CHECKING:
    from edgekd.results import Samples

RESAMPLES = 500  # it is asked often, and a tenth of a percent does not matter


@dataclass(frozen=True)
class Width:
    """Half of the 95 % interval of a median latency, as a share of it."""

    total: float
    texts: float  # what would be left of it after measuring for ever: other texts of the kind have another median


UNKNOWN = Width(math.inf, 0.0)


def half_width(samples: Samples, *, resamples: int = RESAMPLES, seed: int = 0) -> Width:
    """Return how well the median latency is known; infinitely badly with too few calls.

    The bootstrap over blocks of texts holds the texts and the noise of all processes; the noise of one process is known
    from the differences between them, so the rest is the texts'. With one process the parts cannot be told apart.
    """
    if not supported_percentile(len(samples.total_s), 0.5):
        return UNKNOWN
    draws = draw(clusters(samples), resamples=resamples, seed=seed)
    [p50] = percentile_estimates(samples.total_s, draws, [0.5], samples.process)
    total = (p50.high - p50.low) / (2 * p50.value)
    seconds = np.asarray(samples.total_s, dtype=np.float64)
    apart = processes_apart(seconds, draws, [0.5], samples.process)
    if apart is None:
        return Width(total, 0.0)
    both = float(np.log(resampled_percentiles(seconds, draws, [0.5])).var())
    weights = np.asarray(apart.calls) / sum(apart.calls)
    noise = noise_variance(apart.resampled[:, :, 0]) * float((weights**2).sum())
    return Width(total, Z_95 * math.sqrt(max(0.0, both - noise)))
