"""The probability from which a label is chosen: exact sweeps over all cuts that the data allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgekd.analysis.multilabel import descending
from edgekd.analysis.probabilities import sigmoid

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Of 0 to 200, simulated with 28 labels of 0.25 % to 30 % of the texts: 5 to 20 gave the best macro F1 on new texts.
SHRINKAGE = 10.0


def _midpoints(upper: NDArray[np.float64], lower: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return cuts between neighbours; of neighbouring floats, the upper one."""
    middle = (upper + lower) / 2
    return np.where(middle > lower, middle, upper)


def _sweep(
    wanted: NDArray[np.bool_], chances: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Return, for each label and number of chosen texts from 1: the sorted probabilities, F1, and where one can cut.

    Arguments and results have the shape ``(labels, texts)``.
    """
    order, last = descending(chances)
    ordered = np.take_along_axis(chances, order, axis=1)
    hits = np.cumsum(np.take_along_axis(wanted, order, axis=1), axis=1)
    chosen = np.arange(1, chances.shape[1] + 1)
    f1 = 2 * hits / (chosen + wanted.sum(axis=1, keepdims=True))
    return ordered, f1, last


def common_threshold(wanted: NDArray[np.bool_], chances: NDArray[np.float64]) -> float:
    """Return the one threshold for all labels with the highest macro F1; the highest of equally good ones.

    Every decision is a step, from the surest down, that moves the F1 of its label; macro F1 is their running sum.

    Args:
        wanted: shape ``(texts, labels)``.
        chances: probabilities of the same shape.
    """
    ordered, f1, _ = _sweep(wanted.T, chances.T)
    steps = np.diff(f1, axis=1, prepend=0.0).ravel()
    flat = ordered.ravel()
    [order], [last] = descending(flat[None])
    total = np.where(last, np.cumsum(steps[order]), -1.0)
    place = int(np.argmax(np.round(total, 12)))
    cuts = flat[order]
    return float(_midpoints(cuts[place : place + 1], np.append(cuts, 0.0)[place + 1 : place + 2])[0])


def best_thresholds(
    wanted: NDArray[np.bool_], chances: NDArray[np.float64], *, shrinkage: float = SHRINKAGE
) -> NDArray[np.float64]:
    """Return the threshold of each label, shape ``(labels,)``: that of its highest F1, drawn towards the common one.

    All cuts between different probabilities are tried; a cut lies halfway between both, and of equally good ones the
    highest is taken. With n texts that have the label and w = n / (n + ``shrinkage``), the threshold is
    sigmoid(w logit(own cut) + (1 - w) logit(common threshold)): a label with few texts says little about its own cut.

    Args:
        wanted: which text has which label, shape ``(texts, labels)``.
        chances: probabilities of the same shape.
        shrinkage: texts with a label that count as much as the common threshold; 0 takes each label's own cut.
    """
    ordered, f1, last = _sweep(np.ascontiguousarray(wanted.T), np.ascontiguousarray(chances.T))
    place = np.where(last, f1, -1.0).argmax(axis=1)[:, None]
    below = np.append(ordered, np.zeros((len(ordered), 1)), axis=1)
    own = _midpoints(np.take_along_axis(ordered, place, axis=1), np.take_along_axis(below, place + 1, axis=1))[:, 0]
    if shrinkage == 0:
        return own
    support = wanted.sum(axis=0)
    weight = support / (support + shrinkage)
    mixed = weight * _logit(own) + (1 - weight) * _logit(common_threshold(wanted, chances))
    return sigmoid(mixed)


def _logit(chance: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Return log(p / (1 - p)), kept finite at 0 and 1."""
    inside = np.clip(chance, 1e-12, 1 - 1e-12)
    return np.asarray(np.log(inside) - np.log1p(-inside))
