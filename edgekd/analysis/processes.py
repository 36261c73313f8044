"""What differs from one process to the next, as a part of intervals. Pure: arrays in, numbers out.

Memory layout, addresses and what the system had cached are drawn once a process and move every one of its latencies
(Kalibera & Jones 2013; Mytkowicz et al. 2009). All processes measure the same texts, so texts and processes are
crossed (Owen 2007, "The pigeonhole bootstrap"), and an interval is put together from two independent parts, as
Newcombe's hybrid interval is (Zou & Donner 2008, MOVER):

- texts and the machine's moods: the bootstrap over blocks of texts, each drawn from all processes alike;
- processes: Student's interval of their mean, for what remains of their variance after the noise within them.

Few processes are drawn too rarely to be resampled: the bootstrap of three has the smallest and the largest as its ends
and covers their mean 75 % of the time. In a simulation with normal effects the interval of both parts covers 91 to 97 %
with three processes, 93 to 97 % with five, however large the effects (docs/benchmarking.md).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from edgekd.analysis.estimators import Estimate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

LEAST_RESAMPLES = 50  # for a variance; with fewer all variance counts as the processes'
# Two-sided quantiles of Student's distribution with 1 to 10 degrees of freedom, and of the normal one.
STUDENT = {
    0.95: (12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281),
    0.99: (63.6567, 9.9248, 5.8409, 4.6041, 4.0321, 3.7074, 3.4995, 3.3554, 3.2498, 3.1693),
}
NORMAL = {0.95: 1.959963984540054, 0.99: 2.5758293035489004}


def student_t(degrees: int, confidence: float = 0.95) -> float:
    """Return the two-sided 95 % or 99 % quantile of Student's distribution.

    Above 10 degrees of freedom by the expansion 26.7.5 of Abramowitz & Stegun (1964), off by less than 0.0002 (95 %)
    and 0.001 (99 %).

    Raises:
        ValueError: when there is no degree of freedom.
    """
    if degrees < 1:
        raise ValueError(f"{degrees} degrees of freedom")
    if degrees <= len(STUDENT[confidence]):
        return STUDENT[confidence][degrees - 1]
    z = NORMAL[confidence]
    terms = ((z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96, (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384)
    return z + math.fsum(term / float(degrees) ** power for power, term in enumerate(terms, start=1))


def noise_variance(resampled: NDArray[np.float64]) -> float:
    """Return the variance of one process's value by what happens within it, texts apart.

    It is seen in the bootstrap over blocks, which draws the same blocks from all processes: what texts do is then the
    same in each and falls out of their differences.

    Args:
        resampled: the value of each process in each resample, shape ``(processes, resamples)``; NaN where nothing was
            drawn of a process.
    """
    number = len(resampled)
    complete = resampled[:, np.isfinite(resampled).all(axis=0)]
    if complete.shape[1] < LEAST_RESAMPLES:
        return 0.0
    noise: float = (complete - complete.mean(axis=0)).var(axis=1).mean() * number / (number - 1)
    return noise


def process_error(effects: NDArray[np.float64], resampled: NDArray[np.float64], calls: Sequence[int]) -> float:
    """Return half of the 95 % interval that differences between processes alone would give.

    The variance of the processes' values is that of their effects and the noise within each.

    Args:
        effects: the value of each process, for instance the logarithm of its median, shape ``(processes,)``.
        resampled: the same of each resample, see :func:`noise_variance`.
        calls: of each process; the more, the more it counts.
    """
    between = float(np.var(effects, ddof=1)) - noise_variance(resampled)
    if not between > 0:
        return 0.0
    weights = np.asarray(calls, dtype=np.float64) / sum(calls)
    return student_t(len(effects) - 1) * math.sqrt(between * float((weights**2).sum()))


def widened(estimate: Estimate, *errors: float) -> Estimate:
    """Return the estimate of a positive number with an interval that holds further, independent errors.

    Args:
        estimate: with the interval of the first part.
        errors: halves of intervals of the logarithm.
    """
    if not any(errors):
        return estimate
    down = math.hypot(math.log(estimate.value / estimate.low), *errors)
    up = math.hypot(math.log(estimate.high / estimate.value), *errors)
    return Estimate(estimate.value, estimate.value * math.exp(-down), estimate.value * math.exp(up), estimate.n)
