"""Did the teacher help? Gains between the arms of a student, with intervals over texts and seeds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from edgekd.analysis.bootstrap import RESAMPLES
from edgekd.analysis.gain_words import words
from edgekd.analysis.paired_quality import score_change
from edgekd.analysis.seeds import t_quantile
from edgekd.analysis.sums import resampled, text_sums
from edgekd.proof import Gain, Helped, Proof
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edgekd.analysis.sums import TextSums
    from edgekd.data.types import Target
    from edgekd.tasks import Task


MANY_DEGREES = 1000  # from here on Student's t is as good as normal


def prove(
    task: Task,
    targets: Sequence[Target],
    student: Sequence[Sequence[Target]],
    control: Sequence[Sequence[Target]] = (),
    transfer_control: Sequence[Sequence[Target]] = (),
    *,
    seeds: Sequence[int],
    resamples: int = RESAMPLES,
) -> Proof:
    """Compare the arms of a student on the test texts; seeds are pairs.

    Args:
        task: what the targets are; its main metric is compared.
        targets: of the test texts.
        student: predictions of the distilled students, one list for each seed (see ``choose``).
        control: of the same students without the teacher; empty when they were not trained.
        transfer_control: of those with the teacher's most likely labels; empty when they were not trained.
        seeds: of the arms, in order.
        resamples: of the bootstrap over texts, for scores other than accuracy.

    Raises:
        ValueError: when an arm has another number of seeds or texts.
    """
    arms = {"student": student, "control": control, "transfer_control": transfer_control}
    wrong = {name: len(arm) for name, arm in arms.items() if len(arm) != len(seeds) and (arm or name == "student")}
    if wrong or not seeds:
        raise ValueError(f"{len(seeds)} seeds do not fit the arms {wrong}")
    sums = {name: [text_sums(task, targets, one) for one in arm] for name, arm in arms.items()}

    def gain(better: str, worse: str) -> Gain | None:
        if not sums[better] or not sums[worse]:
            return None
        if len(seeds) == 1:
            change = score_change(task, targets, arms[worse][0], arms[better][0], resamples=resamples)
            return Gain(value=change.value, low=change.low, high=change.high)
        return seeds_gain(task, sums[worse], sums[better], resamples=resamples)

    proof = Proof(
        metric=task.main_metric,
        count=len(targets),
        seeds=list(seeds),
        **{name: [one.value() for one in arm] for name, arm in sums.items()},
        total=gain("student", "control"),
        more_data=gain("transfer_control", "control"),
        softer_targets=gain("student", "transfer_control"),
    )
    judged = proof.model_copy(update={"verdict": helped(proof.total)})
    return judged.model_copy(update={"words": words(judged)})


def helped(gain: Gain | None) -> Helped:
    """Return what an interval says: helped above 0, hurt below 0, otherwise cannot tell."""
    if gain is None or gain.low <= 0 <= gain.high:
        return Helped.UNSURE
    return Helped.YES if gain.low > 0 else Helped.NO


def seeds_gain(
    task: Task, before: Sequence[TextSums], after: Sequence[TextSums], *, resamples: int = RESAMPLES
) -> Gain:
    """Return the mean gain over at least two seeds with a 95 % interval over texts and seeds.

    Two things are random: which texts were tested and which seeds were trained. Their variances add up,
    v = se^2 + s^2/S, with se the standard error over texts of the gain averaged over seeds and s the standard deviation
    of the S gains.
    The interval is -+ t sqrt(v), with the degrees of freedom of Satterthwaite (1946), v^2 / ((s^2/S)^2 / (S - 1)),
    because only s comes from a few values. In simulations it covered 92 to 99 %.
    """
    gains = np.array([new.value() - old.value() for old, new in zip(before, after, strict=True)])
    number = len(gains)
    over_texts = _text_error(task, before, after, resamples)
    over_seeds = float(gains.std(ddof=1)) / math.sqrt(number)
    total = over_texts**2 + over_seeds**2
    degrees = MANY_DEGREES
    if over_seeds > 0:
        degrees = int(min(MANY_DEGREES, total**2 / (over_seeds**4 / (number - 1))))
    half = t_quantile(max(1, degrees)) * math.sqrt(total)
    value = float(gains.mean())
    return Gain(value=value, low=value - half, high=value + half)


def _text_error(task: Task, before: Sequence[TextSums], after: Sequence[TextSums], resamples: int) -> float:
    """Return the standard error over texts of the gain averaged over seeds.

    Accuracy is a mean over texts, so its error follows from the texts' differences d, with one text more that gains
    and one that loses: se^2 = (mean d^2 - (mean d)^2) / (n + 2). For one seed that is Bonett & Price's interval (2012).
    Other scores: standard deviation over bootstrap resamples.
    """
    number = len(before)
    if task.kind is TaskKind.SINGLE_LABEL:
        difference: NDArray[np.float64] = np.zeros(len(before[0].columns) + 2)
        difference[-2:] = 1.0, -1.0
        for old, new in zip(before, after, strict=True):
            difference[:-2] += (new.columns - old.columns)[:, 0] / number
        return float(difference.std()) / math.sqrt(len(difference))
    spread = resampled([*before, *after], resamples=resamples)
    return float((spread[:, number:].mean(axis=1) - spread[:, :number].mean(axis=1)).std(ddof=1))
