"""Scores that follow from sums over texts, so that thousands of bootstrap resamples are one matrix product.

Accuracy, F1, Pearson, MAE and RMSE of any resample follow from how often each text was drawn, times a few numbers a
text. Resampling texts with replacement is Efron's bootstrap (1979); arms that share the draws are paired by text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekd.analysis.bootstrap import RESAMPLES
from edgekd.analysis.multilabel import indicator, share
from edgekd.errors import ConfigError
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from edgekd.data.types import Target
    from edgekd.tasks import Task

METRICS = {
    TaskKind.SINGLE_LABEL: ("accuracy", "macro_f1"),
    TaskKind.MULTI_LABEL: ("macro_f1", "micro_f1", "subset_accuracy"),
    TaskKind.REGRESSION: ("pearson", "mae", "rmse"),
}
CELLS = 4_000_000  # numbers in memory at once while drawing


@dataclass(frozen=True)
class TextSums:
    """A score as a function of sums over texts.

    ``columns`` has the shape ``(texts, k)``; ``score`` takes sums of rows, ``(resamples, k)``, and the number of texts.
    """

    columns: NDArray[Any]
    score: Callable[[NDArray[np.float64], int], NDArray[np.float64]]

    def value(self) -> float:
        """Return the score of all texts."""
        return float(self.score(self.columns.sum(axis=0, dtype=np.float64)[None], len(self.columns))[0])


def text_sums(
    task: Task, targets: Sequence[Target], predictions: Sequence[Target], metric: str | None = None
) -> TextSums:
    """Return a metric of predictions in a form that can be resampled; the task's main one if not given.

    Raises:
        ConfigError: for a metric that the task does not have or that is no function of sums (a ranking).
        ValueError: when there is nothing to score or the lengths differ.
    """
    if len(targets) != len(predictions) or not len(targets):
        raise ValueError(f"{len(targets)} targets and {len(predictions)} predictions cannot be scored")
    metric = metric or task.main_metric
    if metric not in METRICS[task.kind]:
        raise ConfigError(
            f"No interval of '{metric}' for a {task.kind.value} task. Available: {', '.join(METRICS[task.kind])}."
        )
    if task.kind is TaskKind.REGRESSION:
        return _regression(metric, np.asarray(targets, np.float64), np.asarray(predictions, np.float64))
    if task.kind is TaskKind.SINGLE_LABEL:
        known, given = np.asarray(targets, np.int64), np.asarray(predictions, np.int64)
        if metric == "accuracy":
            return TextSums((known == given)[:, None].astype(np.float32), _mean)
        labels = np.arange(task.num_outputs)
        return _f1(known[:, None] == labels, given[:, None] == labels, _f1_of_occurring)
    truth, chosen = (indicator(rows, task.num_outputs) for rows in (targets, predictions))  # type: ignore[arg-type]
    if metric == "subset_accuracy":
        return TextSums((truth == chosen).all(axis=1)[:, None].astype(np.float32), _mean)
    return _f1(truth, chosen, _macro_f1 if metric == "macro_f1" else _micro_f1)


def _mean(sums: NDArray[np.float64], texts: int) -> NDArray[np.float64]:
    return sums[:, 0] / texts


def _f1(
    truth: NDArray[np.bool_],
    chosen: NDArray[np.bool_],
    score: Callable[[NDArray[np.float64], int], NDArray[np.float64]],
) -> TextSums:
    """Hits of each label, then predicted + support of each label; whole numbers, exact in float32 up to 2^24."""
    either = truth.astype(np.float32) + chosen.astype(np.float32)
    return TextSums(np.hstack([(truth & chosen).astype(np.float32), either]), score)


def _halves(sums: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    labels = sums.shape[1] // 2
    return sums[:, :labels], sums[:, labels:]


def _macro_f1(sums: NDArray[np.float64], _texts: int) -> NDArray[np.float64]:
    hits, either = _halves(sums)
    return np.asarray(share(2 * hits, either).mean(axis=1))


def _f1_of_occurring(sums: NDArray[np.float64], _texts: int) -> NDArray[np.float64]:
    """Single-label: a label that is neither a target nor a prediction is left out."""
    hits, either = _halves(sums)
    return np.asarray(share(2 * hits, either).sum(axis=1) / (either > 0).sum(axis=1))


def _micro_f1(sums: NDArray[np.float64], _texts: int) -> NDArray[np.float64]:
    hits, either = _halves(sums)
    return share(2 * hits.sum(axis=1), either.sum(axis=1))


def _regression(metric: str, truth: NDArray[np.float64], given: NDArray[np.float64]) -> TextSums:
    if metric == "mae":
        return TextSums(np.abs(given - truth)[:, None], _mean)
    if metric == "rmse":
        return TextSums(np.square(given - truth)[:, None], lambda sums, texts: np.sqrt(_mean(sums, texts)))
    x, y = (_standardized(values) for values in (truth, given))
    return TextSums(np.stack([x, y, x * x, y * y, x * y], axis=1), _pearson)


def _standardized(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Centre and scale, which no correlation notices, so that moments lose no digits; all 0 when constant."""
    if np.ptp(values) == 0:
        return np.zeros(len(values))
    centred = values - values.mean()
    return np.asarray(centred / np.abs(centred).max())


def _pearson(sums: NDArray[np.float64], texts: int) -> NDArray[np.float64]:
    """Pearson from moments; 0 where a resample is constant."""
    x, y, xx, yy, xy = (sums / texts).T
    spread = [np.where(square - mean**2 > 1e-12 * square, square - mean**2, 0.0) for mean, square in ((x, xx), (y, yy))]
    below = np.sqrt(spread[0] * spread[1])
    found = np.divide(xy - x * y, below, out=np.zeros(len(x)), where=below > 0)
    return np.asarray(np.clip(found, -1.0, 1.0))


def draws(texts: int, *, resamples: int = RESAMPLES, seed: int = 0) -> Iterator[NDArray[np.int64]]:
    """Yield how often each text is drawn in some resamples, shape ``(rows, texts)``; ``resamples`` rows in all.

    The same number of texts and seed give the same draws.
    """
    rng = np.random.default_rng(seed)
    most = max(1, CELLS // texts)
    for first in range(0, resamples, most):
        rows = min(most, resamples - first)
        index = rng.integers(texts, size=(rows, texts)) + texts * np.arange(rows)[:, None]
        yield np.bincount(index.ravel(), minlength=rows * texts).reshape(rows, texts)


def resampled(arms: Sequence[TextSums], *, resamples: int = RESAMPLES, seed: int = 0) -> NDArray[np.float64]:
    """Return the score of every arm in every resample, shape ``(resamples, arms)``; all arms share the draws."""
    texts = len(arms[0].columns)
    parts = []
    for counts in draws(texts, resamples=resamples, seed=seed):
        # float32 of small whole numbers is exact, and twice as fast; products keep the type of the columns.
        weights = {dtype: counts.astype(dtype) for dtype in {arm.columns.dtype for arm in arms}}
        sums = [(weights[arm.columns.dtype] @ arm.columns).astype(np.float64) for arm in arms]
        parts.append(np.stack([arm.score(s, texts) for arm, s in zip(arms, sums, strict=True)], axis=1))
    return np.concatenate(parts)
