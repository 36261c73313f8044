"""How often answers are right, by how sure the model was. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgekd.analysis.calibration import BINS, one_hot
from edgekd.analysis.estimators import wilson
from edgekd.analysis.probabilities import probabilities
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgekd.results import Quality

FEWEST = 40  # answers of a point; the share of fewer jumps


@dataclass(frozen=True)
class Bin:
    """Answers that were about equally sure."""

    confidence: float  # mean
    right: float  # share
    count: int

    @property
    def interval(self) -> tuple[float, float]:
        """Of the share: Wilson's, 95 %."""
        found = wilson(round(self.right * self.count), self.count)
        return found.low, found.high


def reliability(quality: Quality) -> list[Bin]:
    """Return the bins of the ECE, neighbours joined until each holds 40 answers (Guo 2017, 1706.04599, figure 1).

    Single-label: the probability of the chosen label. Multi-label: the probability of every label of every text. Empty
    without logits or true labels, and for a regression.
    """
    task = quality.as_task
    if quality.logits is None or not quality.targets or task.kind is TaskKind.REGRESSION:
        return []
    logits = np.asarray(quality.logits, dtype=np.float64)
    chances = probabilities(task, logits, quality.calibration)
    wanted = one_hot(task, quality.targets)
    if task.kind is TaskKind.SINGLE_LABEL:
        best = logits.argmax(axis=1)[:, None]
        chances, wanted = np.take_along_axis(chances, best, axis=1), np.take_along_axis(wanted, best, axis=1)
    return _bins(chances.ravel(), wanted.ravel())


def _bins(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> list[Bin]:
    number = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
    counts = np.bincount(number, minlength=BINS)
    sure = np.bincount(number, weights=confidence, minlength=BINS)
    good = np.bincount(number, weights=right, minlength=BINS)
    bins: list[Bin] = []
    start = BINS
    for i in reversed(range(BINS)):  # from the sure ones down, where most answers are
        n = int(counts[i:start].sum())
        if n >= FEWEST:
            bins.insert(0, Bin(float(sure[i:start].sum() / n), float(good[i:start].sum() / n), n))
            start = i
    return bins
