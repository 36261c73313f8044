"""Multi-label quality from 0/1 matrices: counts, precision, recall, F1 and average precision per label."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray


def indicator(targets: Iterable[Sequence[int]], labels: int) -> NDArray[np.bool_]:
    """Return which text has which label, shape ``(texts, labels)``, from lists of label indexes.

    Raises:
        ValueError: when an index is no label.
    """
    rows = list(targets)
    lengths = np.fromiter((len(row) for row in rows), dtype=np.int64, count=len(rows))
    columns = np.fromiter(chain.from_iterable(rows), dtype=np.int64, count=int(lengths.sum()))
    if columns.size and not 0 <= columns.min() <= columns.max() < labels:
        raise ValueError(f"a label index is outside 0 to {labels - 1}")
    found = np.zeros((len(rows), labels), dtype=np.bool_)
    found[np.repeat(np.arange(len(rows)), lengths), columns] = True
    return found


def share(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``part / whole``, and 0 where there is nothing (scikit-learn's ``zero_division=0``)."""
    return np.divide(part, whole, out=np.zeros(np.broadcast(part, whole).shape), where=whole > 0)


@dataclass(frozen=True)
class LabelCounts:
    """Per label: texts that have it and were given it (hits), were given it, have it. Shape ``(labels,)`` each."""

    hits: NDArray[np.float64]
    predicted: NDArray[np.float64]
    support: NDArray[np.float64]

    @classmethod
    def of(cls, targets: NDArray[np.bool_], predictions: NDArray[np.bool_]) -> LabelCounts:
        """Count two matrices of shape ``(texts, labels)``."""
        counts = (np.count_nonzero(m, axis=0) for m in (targets & predictions, predictions, targets))
        return cls(*(count.astype(np.float64) for count in counts))

    def summed(self) -> LabelCounts:
        """Add up all labels, for micro averages."""
        return LabelCounts(*(np.atleast_1d(c.sum()) for c in (self.hits, self.predicted, self.support)))

    @property
    def precision(self) -> NDArray[np.float64]:
        """Hits / predicted."""
        return share(self.hits, self.predicted)

    @property
    def recall(self) -> NDArray[np.float64]:
        """Hits / support."""
        return share(self.hits, self.support)

    @property
    def f1(self) -> NDArray[np.float64]:
        """2 hits / (predicted + support)."""
        return share(2 * self.hits, self.predicted + self.support)


def descending(scores: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Sort each row from high to low.

    Args:
        scores: shape ``(rows, items)``.

    Returns:
        The order, and whether each sorted item is the last of its equals: only there can a threshold cut.
    """
    order = np.argsort(-scores, axis=1)  # need not be stable: equals are cut together
    ordered = np.take_along_axis(scores, order, axis=1)
    last = np.ones(scores.shape, dtype=np.bool_)
    last[:, :-1] = ordered[:, :-1] != ordered[:, 1:]
    return order, last


def average_precision(targets: NDArray[np.bool_], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the average precision of each label, shape ``(labels,)``; NaN for a label that no text has.

    AP = sum over cuts k of (R_k - R_(k-1)) P_k, without interpolation, where equal scores fall on the same side of a
    cut (scikit-learn's ``average_precision_score``).

    Args:
        targets: shape ``(texts, labels)``.
        scores: shape ``(texts, labels)``; any increasing function of the probability.
    """
    wanted = np.ascontiguousarray(targets.T)
    order, last = descending(np.ascontiguousarray(scores.T))
    hit = np.take_along_axis(wanted, order, axis=1)
    texts = hit.shape[1]
    # An item counts at the cut behind the last of its equals.
    cut = np.where(last, np.arange(texts), texts - 1)
    cut = np.minimum.accumulate(cut[:, ::-1], axis=1)[:, ::-1]
    precision = np.take_along_axis(np.cumsum(hit, axis=1), cut, axis=1) / (cut + 1)
    support = hit.sum(axis=1)
    total = np.where(hit, precision, 0.0).sum(axis=1)
    return np.asarray(np.divide(total, support, out=np.full(len(support), np.nan), where=support > 0))


def mean_average_precision(per_label: NDArray[np.float64]) -> float:
    """Return the mean over the labels that some text has; 0 when there is none."""
    known = per_label[~np.isnan(per_label)]
    return float(known.mean()) if known.size else 0.0
