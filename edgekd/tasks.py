"""The task: what a target value is. Loss, activation, metrics and agreement follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class TaskKind(str, Enum):
    """What kind of target a text has."""

    SINGLE_LABEL = "single-label"
    MULTI_LABEL = "multi-label"
    REGRESSION = "regression"


# The score that decides: shown first, compared, gated.
MAIN_METRIC = {
    TaskKind.SINGLE_LABEL: "accuracy",
    TaskKind.MULTI_LABEL: "macro_f1",
    TaskKind.REGRESSION: "pearson",
}


@dataclass(frozen=True)
class Calibration:
    """How logits become probabilities and choices; fitted on validation, stored in the bundle."""

    temperature: float = 1.0  # logits are divided by it before the softmax or sigmoid
    thresholds: tuple[float, ...] | None = None  # multi-label: a label is chosen from this probability on; 0.5 if None


@dataclass(frozen=True)
class Task:
    """A task and, where it has labels, their names in the order of the logits.

    A regression has one output, and ``labels`` holds the name of what is measured.
    """

    kind: TaskKind
    labels: tuple[str, ...]

    @property
    def main_metric(self) -> str:
        """The score that decides."""
        return MAIN_METRIC[self.kind]

    @property
    def num_outputs(self) -> int:
        """Number of logits: one per label, or one value for regression."""
        return 1 if self.kind is TaskKind.REGRESSION else len(self.labels)
