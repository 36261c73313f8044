"""The task: what a target value is. Loss, activation, metrics and agreement follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class TaskKind(str, Enum):
    """What kind of target a text has."""

    SINGLE_LABEL = "single-label"
    MULTI_LABEL = "multi-label"
    REGRESSION = "regression"


@dataclass(frozen=True)
class Task:
    """A task and, where it has labels, their names in the order of the logits."""

    kind: TaskKind
    labels: tuple[str, ...]

    @property
    def num_outputs(self) -> int:
        """Number of logits: one per label, or one value for regression."""
        return 1 if self.kind is TaskKind.REGRESSION else len(self.labels)
