"""What a training is for: the objective that it minimises, the score that decides, and how long it may take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from edgekd.analysis.scores import selection_score
from edgekd.batches import predict_logits

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import torch
    from transformers import PreTrainedModel

    from edgekd.data.types import Target
    from edgekd.tasks import Task

OnScore = Callable[[int, float], None]  # step, score on validation


class Validation(Protocol):
    """What decides which weights are the best."""

    def __call__(self, model: PreTrainedModel) -> float:
        """Return a score of the model; higher is better."""


@dataclass(frozen=True)
class ValidationTexts:
    """Labelled texts of one task.

    Args:
        input_ids: token ids of each text.
        columns: the outputs of the model that belong to the task; all if None.
    """

    task: Task
    input_ids: Sequence[Sequence[int]]
    targets: Sequence[Target]
    columns: slice | None = None

    def __call__(self, model: PreTrainedModel) -> float:
        """Return accuracy, mean average precision or Pearson's correlation, by task."""
        logits = predict_logits(model, self.input_ids, pad_token_id=model.config.pad_token_id or 0)
        return selection_score(self.task, self.targets, logits if self.columns is None else logits[:, self.columns])


class Objective(Protocol):
    """What is minimised; runs the student itself, because losses on inner representations listen while it runs."""

    def __call__(
        self,
        model: PreTrainedModel,
        inputs: dict[str, torch.Tensor],
        *,
        labels: torch.Tensor,
        teacher_logits: torch.Tensor | None,
        progress: float,
        features_only: bool,
    ) -> tuple[torch.Tensor, Any]:
        """Return the mean loss of a batch and the model's outputs; ``progress`` runs from 0 to 1."""

    def parameters(self) -> Iterator[torch.nn.Parameter]:
        """Return the objective's own parameters, which are trained too."""

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Return them by name."""

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> Any:
        """Take them over."""

    def describe(self) -> list[str]:
        """Return the loss in words."""


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train."""

    epochs: int
    learning_rate: float
    batch_size: int
    warmup_ratio: float
    weight_decay: float
    patience: int  # evaluations without improvement before stopping
    seed: int
    evaluations_per_epoch: int = 1
    average: float = 0.0  # decay a step of the mean weights; 0: none
    feature_epochs: int = 0  # of the epochs before, with the feature losses alone
