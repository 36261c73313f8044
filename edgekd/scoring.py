"""Score a trained model on every labelled split but the training texts: calibration first, then the task's metrics."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from edgekd.analysis.scores import fit_calibration, score
from edgekd.batches import predict_logits
from edgekd.score_text import score_text
from edgekd.teacher.load import encode

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from edgekd.data.types import TextData
    from edgekd.tasks import Calibration, Task

EVALUATE_PREFIX = "evaluate."


@dataclass(frozen=True)
class Scored:
    """What is known of a trained model."""

    calibration: Calibration  # fitted on validation
    scores: dict[str, dict[str, Any]]  # "validation", "test" and "evaluate.NAME"
    logits: dict[str, np.ndarray[Any, Any]]  # (texts, outputs) by the same names

    def as_dict(self) -> dict[str, Any]:
        """Return calibration and scores as plain JSON types; further data are nested below ``evaluate``."""
        further = {
            name.removeprefix(EVALUATE_PREFIX): value
            for name, value in self.scores.items()
            if name.startswith(EVALUATE_PREFIX)
        }
        own = {name: value for name, value in self.scores.items() if not name.startswith(EVALUATE_PREFIX)}
        return {"calibration": asdict(self.calibration), **own, "evaluate": further}


def score_model(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, data: TextData, *, max_length: int
) -> Scored:
    """Return calibration, scores and logits of a model."""
    splits = {"validation": data.validation, "test": data.test}
    splits |= {f"{EVALUATE_PREFIX}{name}": examples for name, examples in data.evaluate.items()}
    logits = {
        name: logits_of(model, tokenizer, examples.texts, max_length=max_length) for name, examples in splits.items()
    }
    calibration = fit_calibration(data.task, data.validation.targets, logits["validation"])
    scores = {name: score(data.task, split.targets, logits[name], calibration) for name, split in splits.items()}
    return Scored(calibration, scores, logits)


def logits_of(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, texts: list[str], *, max_length: int
) -> np.ndarray[Any, Any]:
    """Return logits ``(texts, outputs)`` in the order of the texts."""
    logits: np.ndarray[Any, Any] = predict_logits(
        model, encode(tokenizer, texts, max_length), pad_token_id=tokenizer.pad_token_id or 0
    )
    return logits


def in_words(task: Task, scores: dict[str, Any]) -> str:
    """Return the main score for a progress line."""
    return f"test {task.main_metric.replace('_', ' ')} {score_text(task.main_metric, scores[task.main_metric])}"
