"""Do latencies come in two kinds? A test of one mode, and what the two kinds are when there are two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

GRID = 1024
MARGIN = 4  # bandwidths beyond the data, so that the two ends do not touch
RESAMPLES = 100
LEVEL = 0.01
STEPS = 30  # halvings of the bandwidth's range
FLAT = 1e-6  # of the highest density; below it is rounding
TRIM = 3.0  # beyond a factor of 3 of the median is an outlier, not a mode
MINIMUM_CALLS = 100
SMALLEST = 0.05  # share of a mode that matters: the p95 is in it
BELOW = 0.99  # of the critical bandwidth: there the second mode is to be seen


@dataclass(frozen=True)
class Modes:
    """Two kinds of calls.

    Args:
        ratio: median of the slow ones / median of the fast ones.
        slow_share: of all calls that are no outliers.
        p_value: of a single mode.
    """

    ratio: float
    slow_share: float
    p_value: float


def _density(values: NDArray[np.float64], bandwidth: float, low: float, high: float) -> NDArray[np.float64]:
    """Return a Gaussian kernel density on a grid from ``low`` to ``high``, scaled to a maximum of 1."""
    counts, _ = np.histogram(values, bins=GRID, range=(low, high))
    frequency = np.fft.rfftfreq(GRID, d=(high - low) / GRID)
    kernel = np.exp(-0.5 * (2 * np.pi * frequency * bandwidth) ** 2)
    density = np.fft.irfft(np.fft.rfft(counts) * kernel, n=GRID)
    return density / density.max()  # type: ignore[no-any-return]


def _valleys(density: NDArray[np.float64]) -> list[int]:
    """Return the places between modes that hold at least :data:`SMALLEST` of all calls each.

    A smaller mode counts to the neighbour behind the higher valley: with long tails every single slow call is a mode.
    """
    slope = np.diff(np.where(density < FLAT, 0.0, density))
    places = np.flatnonzero(np.abs(slope) > FLAT * FLAT)
    signs = np.sign(slope[places])
    turns = np.flatnonzero((signs[:-1] < 0) & (signs[1:] > 0))
    valleys = [int(place) + 1 for place in places[turns]]
    mass = np.concatenate([[0.0], np.cumsum(density)]) / density.sum()
    while valleys:
        shares = np.diff(mass[[0, *valleys, GRID]])
        smallest = int(np.argmin(shares))
        if shares[smallest] >= SMALLEST:
            break
        sides = [side for side in (smallest - 1, smallest) if 0 <= side < len(valleys)]
        del valleys[max(sides, key=lambda side: float(density[valleys[side]]))]
    return valleys


def _critical_bandwidth(values: NDArray[np.float64], low: float, high: float) -> float:
    """Return the smallest bandwidth with which the density has one mode (Silverman 1981)."""
    small, large = (high - low) / GRID, high - low
    for _ in range(STEPS):
        middle = float(np.sqrt(small * large))
        if _valleys(_density(values, middle, low, high)):
            small = middle
        else:
            large = middle
    return large


def find_modes(relative: NDArray[np.float64], *, resamples: int = RESAMPLES, seed: int = 0) -> Modes | None:
    """Return the two kinds of calls, or None when one kind explains them.

    Silverman's test (1981): the bandwidth of a Gaussian kernel density of the logarithms is lowered until a second mode
    appears. Samples of that density, which has one mode, are drawn; when fewer than 1 in 100 of them show a second mode
    at that bandwidth, there are two kinds of calls. A mode is one that holds a twentieth of the calls. Values beyond a
    factor of 3 of the median are left out: they are outliers.

    Args:
        relative: latencies divided by what their length usually takes, so that a mix of lengths is no second mode.
        resamples: of the test.
        seed: of the resamples.
    """
    relative = relative[relative > 0]
    logs = np.log(relative / np.median(relative)) if len(relative) else relative
    logs = logs[np.abs(logs) <= np.log(TRIM)]
    spread = float(logs.std()) if len(logs) else 0.0
    if len(logs) < MINIMUM_CALLS or spread == 0:
        return None
    margin = MARGIN * spread
    low, high = float(logs.min()) - margin, float(logs.max()) + margin
    bandwidth = _critical_bandwidth(logs, low, high)
    rng = np.random.default_rng(seed)
    shrink = 1 / np.sqrt(1 + (bandwidth / spread) ** 2)  # keeps the variance of the data
    more = 0
    for _ in range(resamples):
        drawn = rng.choice(logs, len(logs)) - logs.mean() + bandwidth * rng.normal(size=len(logs))
        more += bool(_valleys(_density(logs.mean() + shrink * drawn, bandwidth, low, high)))
        if more >= LEVEL * resamples:  # the rest cannot change that one mode explains the calls
            return None
    valleys = _valleys(_density(logs, BELOW * bandwidth, low, high))
    if not valleys:
        return None
    valley = low + (valleys[0] + 0.5) * (high - low) / GRID
    slow = logs > valley
    ratio = float(np.exp(np.median(logs[slow]) - np.median(logs[~slow])))
    return Modes(ratio, float(slow.mean()), more / resamples)
