"""Rounds of self-training: a student learns from its own sure answers to the transfer texts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from edgekd.analysis.scores import choose, fit_calibration, selection_score
from edgekd.batches import predict_logits
from edgekd.data.confident import select_confident
from edgekd.student.objective import LabelObjective
from edgekd.training import train

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import PreTrainedModel

    from edgekd.config import SelfTrainingConfig
    from edgekd.goals import Schedule
    from edgekd.progress import Progress
    from edgekd.student.lesson import Lesson


@dataclass(frozen=True)
class Round:
    """One round of self-training."""

    texts: int  # transfer texts the student was sure of
    validation_before: float
    validation_after: float
    kept: bool


def self_train(
    model: PreTrainedModel,
    lesson: Lesson,
    config: SelfTrainingConfig,
    schedule: Schedule,
    *,
    work: Path,
    progress: Progress,
) -> list[dict[str, Any]]:
    """Train ``model`` on in rounds (Yarowsky 1995; Lee 2013, pseudo-labels); return what each did.

    In each round the student labels the transfer texts, keeps those whose calibrated probability is high enough, as
    many of each label, and learns from them and the true labels. A round that does not raise the validation score is
    undone and ends the rounds.
    """
    pad = lesson.tokenizer.pad_token_id or 0
    task = lesson.data.task
    validation = lesson.validation()
    rounds: list[Round] = []
    for number in range(1, config.rounds + 1):
        known = {name: value.detach().clone() for name, value in model.state_dict().items()}
        on_validation = predict_logits(model, validation.input_ids, pad_token_id=pad)
        before = selection_score(task, lesson.data.validation.targets, on_validation)
        calibration = fit_calibration(task, lesson.data.validation.targets, on_validation)
        said = predict_logits(model, lesson.transfer_ids, pad_token_id=pad)
        sure = select_confident(
            said / calibration.temperature,
            min_confidence=config.min_confidence,
            class_balance=config.class_balance,
            seed=schedule.seed + number,
        )
        rows = [int(row) for row in sure.rows]
        if not rows:
            progress.say(f"  self-training ends: no text reaches a probability of {config.min_confidence:g}")
            break
        outcome = train(
            model,
            lesson.with_choices(rows, choose(task, said[rows], calibration)),
            validation,
            objective=LabelObjective(task.kind),
            schedule=schedule,
            work=work / f"round-{number}",
            description=f"Self-training {lesson.config.label}, round {number} of {config.rounds}",
            progress=progress,
        )
        kept = outcome.best_validation_score > before
        rounds.append(Round(len(rows), before, outcome.best_validation_score, kept))
        if not kept:
            model.load_state_dict(known)
            break
    return [asdict(item) for item in rounds]
