"""Is a compressed model still one? Finds outputs that no score may excuse: NaN, a constant, an answer never given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgekd import units
from edgekd.analysis.calibration import one_hot
from edgekd.analysis.probabilities import as_logits, decisions
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edgekd.data.types import Target
    from edgekd.tasks import Calibration, Task

# An answer is missed when the reference gives it for so many texts, or for so many that are also such a share. One
# text alone may be one that was undecided before.
MANY_TEXTS, FEW_TEXTS, FEW_SHARE = 5, 2, 0.01
LEAST_VARIANCE = 0.01  # of a regression, as a share of the reference's
ROUNDING = 1e-6  # relative; what two sums in another order may differ by


def find_degenerate(
    task: Task,
    targets: Sequence[Target],
    logits: NDArray[Any],
    reference_logits: NDArray[Any],
    *,
    calibration: Calibration | None = None,
) -> list[str]:
    """Return what is wrong with a model, one sentence each; none when it still works.

    Found are outputs that are not finite; the same output for all texts; a class or label that the reference answers
    for at least 5 texts (or at least 2 that are at least 1 % of them) and this model never; and a regression whose
    values vary by less than 1 % of the reference's variance.

    Args:
        task: what a target is.
        targets: the true ones, for the sentences.
        logits: of the model, shape ``(texts, outputs)``.
        reference_logits: of the model that it was made from, on the same texts.
        calibration: thresholds from which a label is chosen, of a multi-label task.

    Raises:
        ValueError: when the shapes do not fit the task or each other.
        InvalidArtifact: when an output of the reference is not finite.
    """
    reference = as_logits(task, reference_logits)
    if np.shape(logits) != reference.shape or len(targets) != len(reference) or not len(reference):
        raise ValueError(f"logits {np.shape(logits)}, reference {reference.shape} and {len(targets)} targets differ")
    broken = int((~np.isfinite(logits)).any(axis=1).sum())
    if broken:
        return [f"outputs are not finite numbers for {broken} of {len(logits)} texts"]
    found = as_logits(task, logits)
    if _is_constant(found) and not _is_constant(reference):
        return [f"the output is the same for all {len(found)} texts"]
    if task.kind is TaskKind.REGRESSION:
        return _flat(found[:, 0], reference[:, 0])
    before, after = (_answers(task, values, calibration) for values in (reference, found))
    return _never(task, one_hot(task, targets).astype(bool), before, after)


def _is_constant(logits: NDArray[np.float64]) -> bool:
    """Tell whether all rows are equal but for rounding; one row alone is not."""
    return len(logits) > 1 and bool(np.ptp(logits, axis=0).max() <= ROUNDING * max(1.0, np.abs(logits).max()))


def _flat(values: NDArray[np.float64], reference: NDArray[np.float64]) -> list[str]:
    share = float(values.var() / reference.var()) if reference.var() > 0 else 1.0
    if share >= LEAST_VARIANCE:
        return []
    found, least = units.rough_percent(share), units.rough_percent(LEAST_VARIANCE)
    return [f"the values vary by {found} of the variance before (at least {least} is expected)"]


def _answers(task: Task, logits: NDArray[np.float64], calibration: Calibration | None) -> NDArray[np.bool_]:
    """Return which class or labels each text gets, shape ``(texts, labels)``."""
    if task.kind is TaskKind.MULTI_LABEL:
        return decisions(task, logits, calibration)
    return np.asarray(logits.argmax(axis=1)[:, None] == np.arange(task.num_outputs))


def _never(task: Task, wanted: NDArray[np.bool_], before: NDArray[np.bool_], after: NDArray[np.bool_]) -> list[str]:
    """Return a sentence for each answer that is no longer given; all arguments have the shape ``(texts, labels)``."""
    what = "class" if task.kind is TaskKind.SINGLE_LABEL else "label"
    texts = len(before)
    sentences = []
    for index, label in enumerate(task.labels):
        count = int(before[:, index].sum())
        missed = count >= MANY_TEXTS or (count >= FEW_TEXTS and count >= FEW_SHARE * texts)
        if missed and not after[:, index].any():
            sentences.append(
                f"the {what} '{label}' is never predicted any more (before: for {count} of {texts} texts; "
                f"it is true for {int(wanted[:, index].sum())})"
            )
    return sentences
