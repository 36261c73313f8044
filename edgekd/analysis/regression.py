"""Regression quality: errors in the units of the data, and correlations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def pearson(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Return Pearson's correlation of two rows of values; 0 when one of them is constant."""
    if not (len(first) and np.ptp(first) > 0 and np.ptp(second) > 0):
        return 0.0
    rows = []
    for values in (first, second):
        # Scaled to 1 first, so that squares of tiny values do not vanish.
        scaled = values / np.abs(values).max()
        centred = scaled - scaled.mean()
        norm = float(np.linalg.norm(centred / np.abs(centred).max()))
        rows.append(centred / np.abs(centred).max() / norm)
    return float(np.clip(rows[0] @ rows[1], -1.0, 1.0))


def mean_ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ranks from 1; equal values share the mean of their ranks."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    return np.asarray(ranks[inverse])


def spearman(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Return Spearman's rank correlation: Pearson's of the mean ranks; 0 when one row is constant."""
    return pearson(mean_ranks(first), mean_ranks(second))


def regression_scores(targets: NDArray[np.float64], predictions: NDArray[np.float64]) -> dict[str, float]:
    """Return MAE and RMSE in the units of the data, Pearson, Spearman and R^2.

    R^2 = 1 - sum (y - p)^2 / sum (y - mean y)^2; it is below 0 for a model worse than the mean, and 0 by convention
    when all targets are equal, as both correlations are.
    """
    error = predictions - targets
    spread = float(np.square(targets - targets.mean()).sum()) if np.ptp(targets) > 0 else 0.0
    return {
        "mae": float(np.abs(error).mean()),
        "rmse": float(np.sqrt(np.square(error).mean())),
        "pearson": pearson(targets, predictions),
        "spearman": spearman(targets, predictions),
        "r2": 1 - float(np.square(error).sum()) / spread if spread > 0 else 0.0,
    }
