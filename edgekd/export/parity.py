"""Does a graph say the same as what it was made from? A gate: what fails is not published, and leaves evidence.

Texts are asked in three ways: validation texts one by one, which is what a board does; some of them padded in a
batch with much longer ones, which must not change an answer; and hostile texts.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekd import units
from edgekd.analysis.estimators import wilson
from edgekd.analysis.parity import compare_logits, flips, require_comparable, shown
from edgekd.errors import InvalidArtifact
from edgekd.export.answers import graph_logits
from edgekd.export.evidence import Compared, evidence_folder, remove_evidence, write_evidence
from edgekd.export.exam import Answers, Exam, spread_over_lengths
from edgekd.score_text import change_interval, change_text
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from pathlib import Path

    from edgekd.config import ExportConfig
    from edgekd.provenance import Parity
    from edgekd.tasks import Task

__all__ = [
    "Answers",
    "Exam",
    "Limits",
    "compare_logits",
    "evidence_folder",
    "graph_logits",
    "limits_for",
    "require_parity",
    "spread_over_lengths",
]


@dataclass(frozen=True)
class Limits:
    """What answers may differ by; None is no limit.

    Args:
        max_abs_diff: of a logit, where logits are at most 1; a share of the largest one where they are larger.
        max_label_flips: texts with another answer, but for those whose best logits are closer than ``max_abs_diff``.
        max_flip_share: the whole 95 % interval of the share of flips must not lie above it.
        max_score_drop: the whole 95 % interval of the change of the main score must not lie below minus this.
    """

    max_abs_diff: float | None = None
    max_label_flips: int | None = None
    max_flip_share: float | None = None
    max_score_drop: float | None = None


def limits_for(config: ExportConfig, precision: str, *, max_score_drop: float = 0.0) -> Limits:
    """Return the limits of a precision: "fp32", "fp16", "int8" or "int4".

    Args:
        config: of the recipe.
        precision: of the graph.
        max_score_drop: what is allowed elsewhere; a lossy graph within it does not fail here.
    """
    if precision == "fp32":
        return Limits(max_abs_diff=config.max_abs_diff, max_label_flips=config.max_label_flips)
    drop = getattr(config, f"{precision}_max_score_drop")
    return Limits(
        max_flip_share=getattr(config, f"{precision}_max_flip_share"), max_score_drop=max(drop, max_score_drop)
    )


def require_parity(
    exam: Exam, expected: Answers, graph: Path, limits: Limits, *, name: str, evidence: Path | None = None
) -> Parity:
    """Ask a graph, and return how its answers compare.

    Args:
        exam: the texts.
        expected: answers of what the graph was made from.
        graph: the file that its runtime opens, alone in its folder.
        limits: what is allowed.
        name: of what is exported, for messages.
        evidence: folder for what is found when the check fails, see :func:`evidence_folder`; removed when it passes.

    Raises:
        InvalidArtifact: when the graph does not run or its answers differ too much; ``evidence`` is written then.
    """
    compared: list[Compared] = []
    figures: dict[str, Any] = {"limits": asdict(limits)}
    try:
        actual = exam.answers_of(graph)
        compared = exam.compared(expected, actual)
        for part in compared:
            require_comparable(part.expected, part.actual)
        parity = _measured(exam, expected, actual)
        figures |= parity.model_dump(mode="json")
        reasons = _reasons(exam, expected, actual, parity, limits)
    except InvalidArtifact as error:
        reasons = [error.message]
    if not reasons:
        if evidence is not None:
            remove_evidence(evidence)
        return parity
    message = f"'{name}' failed its parity check: {' '.join(reasons)} Nothing was published."
    if evidence is None:
        raise InvalidArtifact(message)
    write_evidence(
        evidence,
        name=name,
        reasons=reasons,
        figures=figures,
        graph=graph.parent,
        compared=compared,
        task=exam.task,
        calibration=exam.calibration,
    )
    raise InvalidArtifact(
        f"{message} The evidence is in '{evidence}'.",
        hint=f"Look at '{evidence / 'README.txt'}' and worst.csv beside it. The limits are 'export' in the recipe.",
    )


def _measured(exam: Exam, expected: Answers, actual: Answers) -> Parity:
    """Return the figures of all three checks."""
    parity = compare_logits(
        expected.alone,
        actual.alone,
        task=exam.task,
        texts=exam.texts,
        targets=exam.targets,
        calibration=exam.calibration,
    )
    hostile = compare_logits(expected.hostile, actual.hostile, task=exam.task, calibration=exam.calibration)
    update: dict[str, Any] = {
        "hostile_texts": hostile.texts,
        "hostile_max_abs_diff": hostile.max_abs_diff,
        "hostile_flips": hostile.label_flips,
    }
    if actual.padded is not None:
        alone = actual.alone[[i for batch in exam.batches for i in batch]]
        padding = compare_logits(alone, actual.padded, task=exam.task, calibration=exam.calibration)
        update |= {"padding_max_abs_diff": padding.max_abs_diff, "padding_flips": padding.label_flips}
    return parity.model_copy(update=update)


def _reasons(exam: Exam, expected: Answers, actual: Answers, parity: Parity, limits: Limits) -> list[str]:
    """Return why a graph fails, a sentence each; nothing when it passes."""
    reasons: list[str] = []
    if limits.max_abs_diff is not None:
        scale = max(1.0, *(float(np.abs(logits).max()) for logits in (expected.alone, expected.hostile)))
        allowed = limits.max_abs_diff * scale
        reasons += _differences(exam, expected, actual, parity, allowed)
        if limits.max_label_flips is not None:
            clear = int(flips(expected.alone, actual.alone, exam.task, exam.calibration, tie=allowed).sum())
            if clear > limits.max_label_flips:
                reasons.append(
                    f"The labels of {clear} of {parity.texts} validation texts differ (allowed: "
                    f"{limits.max_label_flips})."
                )
    if limits.max_flip_share is not None:
        reasons += _changed_answers(expected, parity, exam.task, limits.max_flip_share)
    if limits.max_score_drop is not None and parity.score_change_interval is not None:
        low, high = parity.score_change_interval
        if high < -limits.max_score_drop:
            metric = exam.task.main_metric
            reasons.append(
                f"{metric} changes by {change_text(metric, parity.score_change or 0.0)} (95 % interval "
                f"{change_interval(metric, low, high)}; allowed: {change_text(metric, -limits.max_score_drop)})."
            )
    return reasons


def _differences(exam: Exam, expected: Answers, actual: Answers, parity: Parity, allowed: float) -> list[str]:
    """Return which of the three checks finds logits too far apart."""
    reasons = []
    if parity.max_abs_diff > allowed:
        reasons.append(
            f"On {parity.texts} validation texts logits differ by up to {units.tiny(parity.max_abs_diff)} (allowed: "
            f"{units.tiny(allowed)}), and {parity.label_flips} labels."
        )
    if parity.padding_max_abs_diff is not None and parity.padding_max_abs_diff > allowed:
        reasons.append(
            f"Padding changes logits by up to {units.tiny(parity.padding_max_abs_diff)} (allowed: "
            f"{units.tiny(allowed)}), and {parity.padding_flips} labels: a text is answered differently in a "
            "batch with longer ones."
        )
    apart = np.abs(expected.hostile - actual.hostile).max(axis=1)
    if apart.max() > allowed:
        worst = shown(exam.hostile[int(apart.argmax())], 40)
        reasons.append(
            f"On {parity.hostile_texts} hostile texts logits differ by up to {units.tiny(apart.max())} (allowed: "
            f"{units.tiny(allowed)}), most on '{worst}'."
        )
    return reasons


def _changed_answers(expected: Answers, parity: Parity, task: Task, allowed: float) -> list[str]:
    """Return whether clearly too many answers of a lossy graph differ."""
    if task.kind is TaskKind.REGRESSION:
        shift, spread = parity.mean_abs_diff, float(expected.alone.std())
        if shift > allowed * spread:
            return [
                f"Values differ by {units.short_number(shift)} on average; the model's have a standard deviation of "
                f"{units.short_number(spread)} (allowed: {allowed:g} of it)."
            ]
        return []
    share = wilson(parity.label_flips, parity.texts)
    if share.low > allowed:
        interval = units.percent_interval(share.low, share.high)
        return [
            f"{units.percent(share.value)} of the labels differ (95 % interval {interval}; allowed: "
            f"{units.percent(allowed)})."
        ]
    return []
