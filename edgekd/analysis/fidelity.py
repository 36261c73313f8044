"""How closely a student follows its teacher (fidelity: Stanton et al. 2021, arXiv 2106.05945)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgekd.analysis.probabilities import as_logits, decisions, log_softmax, sigmoid, softplus
from edgekd.analysis.regression import pearson
from edgekd.tasks import Calibration, TaskKind

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from edgekd.tasks import Task


def fidelity(
    task: Task,
    logits: NDArray[Any],
    teacher_logits: NDArray[Any],
    calibration: Calibration | None = None,
    teacher_calibration: Calibration | None = None,
) -> dict[str, float]:
    """Compare a student with its teacher on the same texts, each with its own calibration.

    Returns:
        Single-label: ``agreement``, the share of texts with the same label, and ``kl``. Multi-label: ``agreement``, the
        share of equal decisions (a label of a text each), ``subset_agreement``, the share of texts with exactly the
        same labels, and ``kl``. Regression: ``pearson`` and ``mae`` (units of the data).

        ``kl`` is KL(teacher || student) in nats, a mean over texts; for multi-label the sum over labels of that of two
        Bernoulli distributions.

    Raises:
        ValueError: when the numbers or shapes do not fit.
        InvalidArtifact: when a logit is not finite.
    """
    student, teacher = as_logits(task, logits), as_logits(task, teacher_logits)
    if len(student) != len(teacher) or not len(student):
        raise ValueError(f"{len(student)} rows of the student and {len(teacher)} of the teacher cannot be compared")
    if task.kind is TaskKind.REGRESSION:
        difference = float(np.abs(student - teacher).mean())
        return {"pearson": pearson(teacher[:, 0], student[:, 0]), "mae": difference}
    mine = student / (calibration or Calibration()).temperature
    theirs = teacher / (teacher_calibration or Calibration()).temperature
    if task.kind is TaskKind.SINGLE_LABEL:
        expected = log_softmax(theirs)
        kl = (np.exp(expected) * (expected - log_softmax(mine))).sum(axis=1)
        return {"agreement": float((student.argmax(axis=1) == teacher.argmax(axis=1)).mean()), "kl": _mean(kl)}
    chance = sigmoid(theirs)
    kl = (chance * (softplus(-mine) - softplus(-theirs)) + (1 - chance) * (softplus(mine) - softplus(theirs))).sum(1)
    same = decisions(task, student, calibration) == decisions(task, teacher, teacher_calibration)
    return {
        "agreement": float(same.mean()),
        "subset_agreement": float(same.all(axis=1).mean()),
        "kl": _mean(kl),
    }


def _mean(kl: NDArray[np.float64]) -> float:
    """Return the mean; rounding may leave it a little below its true minimum of 0."""
    return max(0.0, float(kl.mean()))
