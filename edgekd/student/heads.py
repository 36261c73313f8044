"""One student for several tasks: one head per data set, side by side in the rows of one classifier.

While it is trained the student has the outputs of all heads; each head is then published as an ordinary student that
has only its own rows, so that everything after training knows a single task.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from edgekd.batches import EncodedTexts, FlatTokens
from edgekd.student.base import classifier_of
from edgekd.teacher.load import PROBLEM_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from transformers import PreTrainedModel

    from edgekd.goals import Objective
    from edgekd.tasks import Task


@dataclass(frozen=True)
class Head:
    """The rows of the classifier that belong to one task."""

    task: Task
    start: int
    stop: int

    def of(self, logits: Any) -> Any:
        """Return this head's part of ``(texts, outputs of all heads)``."""
        return logits[:, self.start : self.stop]


def layout(tasks: Sequence[Task]) -> list[Head]:
    """Return the heads of tasks, one after the other."""
    heads, start = [], 0
    for task in tasks:
        heads.append(Head(task, start, start + task.num_outputs))
        start += task.num_outputs
    return heads


def widen(model: PreTrainedModel, heads: Sequence[Head]) -> None:
    """Give a student that was built for the first task the rows of the other tasks too.

    Raises:
        ConfigError: when the student has no linear classifier.
    """
    name, classifier = classifier_of(model)
    wide = nn.Linear(classifier.in_features, heads[-1].stop)
    nn.init.xavier_uniform_(wide.weight)
    nn.init.zeros_(wide.bias)
    with torch.no_grad():
        wide.weight[: heads[0].stop] = classifier.weight
        wide.bias[: heads[0].stop] = classifier.bias
    model.set_submodule(name, wide)
    model.config.num_labels = heads[-1].stop
    model.num_labels = heads[-1].stop


def only(model: PreTrainedModel, head: Head) -> PreTrainedModel:
    """Return a copy of the student that answers one task."""
    single = copy.deepcopy(model)
    name, classifier = classifier_of(single)
    narrow = nn.Linear(classifier.in_features, head.stop - head.start)
    with torch.no_grad():
        narrow.weight.copy_(classifier.weight[head.start : head.stop])
        narrow.bias.copy_(classifier.bias[head.start : head.stop])
    single.set_submodule(name, narrow)
    single.config.id2label = dict(enumerate(head.task.labels))
    single.config.label2id = {label: index for index, label in enumerate(head.task.labels)}
    single.config.problem_type = PROBLEM_TYPES[head.task.kind]
    single.num_labels = head.task.num_outputs
    return single


class HeadTexts(EncodedTexts):
    """The texts of several tasks in one list; a batch says which head each text belongs to.

    In a batch ``labels`` and ``teacher_logits`` are lists with one tensor a head, for the rows of that head in order,
    and ``head`` is int64 ``(rows,)``.
    """

    def __init__(self, parts: Sequence[EncodedTexts]) -> None:
        self.parts = list(parts)
        self.input_ids = FlatTokens([part.input_ids[row] for part in self.parts for row in range(len(part))])
        self.head = np.concatenate([np.full(len(part), number) for number, part in enumerate(self.parts)])
        self.row = np.concatenate([np.arange(len(part)) for part in self.parts])

    def __len__(self) -> int:
        return len(self.row)

    def batch(self, rows: Any, pad_token_id: int) -> dict[str, Any]:
        """Return one batch."""
        index = np.asarray(rows, dtype=np.int64)
        ids, mask = self.input_ids.padded(index, pad_token_id)
        heads = self.head[index]
        found: dict[str, Any] = {
            "input_ids": torch.from_numpy(ids),
            "attention_mask": torch.from_numpy(mask),
            "head": torch.from_numpy(heads),
            "labels": [],
        }
        if self.parts[0].teacher_logits is not None:
            found["teacher_logits"] = []
        for number, part in enumerate(self.parts):
            own = self.row[index[heads == number]]
            found["labels"].append(torch.from_numpy(part.labels[own]))
            if part.teacher_logits is not None:
                found["teacher_logits"].append(torch.from_numpy(part.teacher_logits[own]))
        return found


class HeadsObjective(nn.Module):
    """The losses of several heads, averaged over the texts of a batch.

    Args:
        heads: where each head's outputs are.
        objectives: one a head; each sees the texts and outputs of its head only.
    """

    def __init__(self, heads: Sequence[Head], objectives: Sequence[Objective]) -> None:
        super().__init__()
        self.heads = list(heads)
        self.objectives = list(objectives)

    def forward(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        *,
        labels: list[torch.Tensor],
        teacher_logits: list[torch.Tensor] | None = None,
        progress: float = 0.0,
        features_only: bool = False,
    ) -> tuple[torch.Tensor, Any]:
        """Run the student once and return the mean loss of the batch and its outputs."""
        inputs = dict(inputs)
        of_head = inputs.pop("head")
        outputs = model(**inputs)
        losses = []
        for number, (head, objective) in enumerate(zip(self.heads, self.objectives, strict=True)):
            rows = of_head == number
            count = int(rows.sum())
            if count == 0:
                continue
            answer = _Answer(head.of(outputs.logits[rows]), training=model.training)
            loss, _ = objective(
                answer,
                {},
                labels=labels[number],
                teacher_logits=teacher_logits[number] if teacher_logits is not None else None,
                progress=progress,
                features_only=features_only,
            )
            losses.append(loss * count / len(of_head))
        return torch.stack(losses).sum(), outputs

    def describe(self) -> list[str]:
        """Return the losses in words."""
        return [
            f"{head.task.kind.value} ({', '.join(head.task.labels[:3])}...): {line}"
            for head, objective in zip(self.heads, self.objectives, strict=True)
            for line in objective.describe()
        ]


class _Answer:
    """Stands for a student that has answered already: the outputs of one head."""

    def __init__(self, logits: torch.Tensor, *, training: bool) -> None:
        self.logits, self.training = logits, training

    def __call__(self, **_: Any) -> SimpleNamespace:
        return SimpleNamespace(logits=self.logits)

    def parameters(self) -> Iterator[nn.Parameter]:
        return iter(())
