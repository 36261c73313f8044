"""What the stored answers of a result say about its quality, for every task. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekd.analysis import scores as task_scores
from edgekd.analysis.agreement import agreement
from edgekd.analysis.bootstrap import RESAMPLES
from edgekd.analysis.estimators import Estimate, share_difference, wilson
from edgekd.analysis.paired_quality import score_interval
from edgekd.analysis.quality import ClassQuality
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edgekd.data.types import Target
    from edgekd.proof import Proof
    from edgekd.results import Quality, Values
    from edgekd.tasks import Task

# Scores that get an interval besides the main one; each costs a bootstrap.
MORE_INTERVALS = {
    TaskKind.SINGLE_LABEL: (),
    TaskKind.MULTI_LABEL: ("micro_f1",),
    TaskKind.REGRESSION: ("rmse", "mae"),
}


@dataclass(frozen=True)
class Judged:
    """Scores of a result and their intervals; empty or ``None`` where nothing can be said."""

    main: Estimate | None = None
    scores: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, Estimate] = field(default_factory=dict)
    fidelity: dict[str, float] = field(default_factory=dict)
    agreement: Estimate | None = None
    per_class: tuple[ClassQuality, ...] = ()


def judge(quality: Quality, *, resamples: int = RESAMPLES, seed: int = 0) -> Judged:
    """Score the answers of a result against the true values and against the teacher's answers.

    Without stored logits (a result of the first schema) only what follows from the labels is known.
    """
    task, targets, predictions = quality.as_task, quality.targets, quality.predictions
    close = _fidelity(quality)
    alike = None
    if quality.teacher_predictions and task.kind is not TaskKind.REGRESSION:
        found = agreement(task, predictions, quality.teacher_predictions, resamples=resamples)
        alike = Estimate(found.value, found.low, found.high, found.n)
    if not targets:
        return Judged(fidelity=close, agreement=alike)
    known = _scores(quality)
    classes = known.pop("classes", [])
    return Judged(
        main=score_estimate(task, targets, predictions, resamples=resamples, seed=seed),
        scores={name: float(value) for name, value in known.items() if isinstance(value, int | float)},
        intervals={
            name: score_estimate(task, targets, predictions, name, resamples=resamples, seed=seed)
            for name in MORE_INTERVALS[task.kind]
        },
        fidelity=close,
        agreement=alike,
        per_class=tuple(
            ClassQuality(*(row[name] for name in ("label", "precision", "recall", "f1", "support"))) for row in classes
        ),
    )


def score_estimate(
    task: Task,
    targets: Sequence[Target],
    predictions: Sequence[Target],
    metric: str | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """Return a score with its 95 % interval: Wilson's for accuracy, else a bootstrap over texts.

    Args:
        task: what the targets are.
        targets: one a text.
        predictions: one a text.
        metric: see :data:`edgekd.analysis.sums.METRICS`; the main one if not given.
        resamples: of the bootstrap.
        seed: of the bootstrap.
    """
    if (metric or task.main_metric) == "accuracy":
        return wilson(sum(a == b for a, b in zip(predictions, targets, strict=True)), len(targets))
    found = score_interval(task, targets, predictions, metric, resamples=resamples, seed=seed)
    return Estimate(found.value, found.low, found.high, found.n)


def gain(proof: Proof | None, main: Estimate | None) -> Estimate | None:
    """Return what the teacher gained, with its interval; None when no control was trained.

    A proof without an interval is that of a first-schema result: accuracies of one seed. Its gain is the result's own
    accuracy minus the control's, with Newcombe's interval for two separate shares.
    """
    if proof is None:
        return None
    if proof.total is not None:
        return Estimate(proof.total.value, proof.total.low, proof.total.high, proof.count)
    if not proof.control or main is None or proof.metric != "accuracy":
        return None
    texts = proof.count or main.n
    return share_difference(main, wilson(round(proof.control[0] * texts), texts))


def _scores(quality: Quality) -> dict[str, Any]:
    task = quality.as_task
    logits = _logits(task, quality.logits, quality.predictions)
    if logits is None:
        return task_scores.classification_scores(
            quality.targets,  # type: ignore[arg-type]
            quality.predictions,  # type: ignore[arg-type]
            quality.labels,
        )
    return task_scores.score(task, quality.targets, logits, quality.calibration)


def _fidelity(quality: Quality) -> dict[str, float]:
    task, theirs = quality.as_task, quality.teacher_predictions
    mine = _logits(task, quality.logits, quality.predictions)
    teacher = _logits(task, quality.teacher_logits, theirs) if theirs else None
    if mine is None or teacher is None:
        return {}
    return task_scores.fidelity(task, mine, teacher, quality.calibration, quality.teacher_calibration)


def _logits(task: Task, stored: Sequence[Sequence[float]] | None, predictions: Values) -> NDArray[np.float64] | None:
    """Return the logits; those of a regression are its predictions."""
    if stored is not None:
        return np.asarray(stored, dtype=np.float64).reshape(-1, task.num_outputs)
    if task.kind is TaskKind.REGRESSION:
        return np.asarray(predictions, dtype=np.float64)[:, None]
    return None
