"""Do two processors say the same? Tolerances and the verdict. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekd import units
from edgekd.analysis.probabilities import choose
from edgekd.emulation.record import Flip, Outcome
from edgekd.errors import InvalidArtifact
from edgekd.tasks import Calibration, Task, TaskKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.data.types import Target
    from edgekd.emulation.run import Answers

FP32_MAX_ABS_DIFF = 1e-4  # of a logit: other kernels add in another order, which is 1e-6 in practice
MAX_FLIP_SHARE = 0.02  # of the texts, below fp32: an activation that is rounded the other way moves a logit by 0.01
REGRESSION_SHARE = 0.02  # mean difference below fp32, in standard deviations of the values
WORST = 10
TEXT_CHARACTERS = 120


@dataclass(frozen=True)
class Limits:
    """What may differ.

    Attributes:
        max_abs_diff: of an fp32 logit.
        flip_share: of the texts of a graph that is not fp32.
    """

    max_abs_diff: float = FP32_MAX_ABS_DIFF
    flip_share: float = MAX_FLIP_SHARE


def compare(
    task: Task,
    calibration: Calibration,
    texts: Sequence[str],
    here: Answers,
    there: Answers,
    *,
    exact: bool,
    limits: Limits,
) -> dict[str, Any]:
    """Return the fields of a :class:`Comparison` that follow from the answers.

    A graph in fp32 must give the same logits within ``limits.max_abs_diff``; of another one labels count, because
    what is quantized at run time rounds a difference of 1e-7 to a whole step now and then. Token ids must be the same.

    Args:
        task: what the logits mean.
        calibration: of the bundle.
        texts: that were answered.
        here: on this machine.
        there: emulated.
        exact: fp32.
        limits: what may differ.
    """
    other_ids = sum(one != other for one, other in zip(here.ids, there.ids, strict=True))
    found: dict[str, Any] = {
        "texts": len(texts),
        "other_ids": other_ids,
        "python": there.about["python"],
        "libraries": there.about["libraries"],
        "instructions": there.about["instructions"],
    }
    if here.logits.shape != there.logits.shape:
        shapes = f"{here.logits.shape} here and {there.logits.shape} there"
        return {**found, "outcome": Outcome.DIFFERS, "reason": f"The logits have the shapes {shapes}."}
    if not np.isfinite(there.logits).all():
        reason = "Logits are not finite there" + ("." if np.isfinite(here.logits).all() else ", and not here either.")
        return {**found, "outcome": Outcome.DIFFERS, "reason": reason}
    try:
        before = choose(task, here.logits, calibration)
    except InvalidArtifact:
        return {**found, "outcome": Outcome.DIFFERS, "reason": "Logits are not finite here."}
    after = choose(task, there.logits, calibration)
    difference = np.abs(here.logits.astype(np.float64) - there.logits)
    flipped = _flipped(task, before, after)
    found |= {
        "max_abs_diff": float(difference.max()),
        "mean_abs_diff": float(difference.mean()),
        "flips": len(flipped),
        "allowed_flips": None if exact or task.kind is TaskKind.REGRESSION else int(limits.flip_share * len(texts)),
        "worst": _worst(task, flipped, texts, before, after, difference),
    }
    outcome, reason = _verdict(found, task, here.logits, exact=exact, limits=limits)
    return {**found, "outcome": outcome, "reason": reason}


def _verdict(
    found: dict[str, Any], task: Task, logits: np.ndarray[Any, Any], *, exact: bool, limits: Limits
) -> tuple[Outcome, str]:
    if found["other_ids"]:
        return Outcome.DIFFERS, f"The tokenizer gives other ids for {found['other_ids']} of {found['texts']} texts."
    largest, mean, flips = found["max_abs_diff"], found["mean_abs_diff"], found["flips"]
    if exact:
        same, rule = largest <= limits.max_abs_diff, f"{limits.max_abs_diff:g} is allowed for fp32"
        return _outcome(same), f"The largest difference of a logit is {units.tiny(largest)}; {rule}."
    if task.kind is TaskKind.REGRESSION:
        allowed = REGRESSION_SHARE * float(logits.std())
        told = f"Values differ by {units.tiny(mean)} on average; {units.tiny(allowed)} is allowed."
        return _outcome(mean <= allowed), told
    allowed = found["allowed_flips"]
    return _outcome(flips <= allowed), f"{flips} of {found['texts']} answers differ; {allowed} may."


def _outcome(same: bool) -> Outcome:
    return Outcome.SAME if same else Outcome.DIFFERS


def _flipped(task: Task, before: Sequence[Target], after: Sequence[Target]) -> list[int]:
    """Return the texts whose label, or set of labels, differs; a regression has none."""
    if task.kind is TaskKind.REGRESSION:
        return []
    return [index for index, (one, other) in enumerate(zip(before, after, strict=True)) if one != other]


def _worst(
    task: Task,
    flipped: list[int],
    texts: Sequence[str],
    before: Sequence[Target],
    after: Sequence[Target],
    difference: np.ndarray[Any, Any],
) -> list[Flip]:
    largest = difference.max(axis=1)
    first = sorted(flipped, key=lambda index: -largest[index])[:WORST]
    return [
        Flip(
            text=texts[index][:TEXT_CHARACTERS],
            here=_named(task, before[index]),
            there=_named(task, after[index]),
            max_abs_diff=float(largest[index]),
        )
        for index in first
    ]


def _named(task: Task, target: Target) -> str:
    chosen = target if isinstance(target, tuple) else (int(target),)
    return "|".join(task.labels[index] for index in chosen) or "none"
