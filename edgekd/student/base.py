"""What all students share: the registry of kinds, what they take from the teacher, the loss of their task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody uses
from torch import nn

from edgekd.errors import ConfigError
from edgekd.registry import Registry
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

    from edgekd.config import StudentConfig
    from edgekd.data.types import Target
    from edgekd.tasks import Task
    from edgekd.teacher.load import Teacher


class StudentBuilder(Protocol):
    """Build an untrained student of one kind from its configuration and the teacher."""

    def __call__(
        self, config: StudentConfig, teacher: Teacher, tokenizer: PreTrainedTokenizerFast | None
    ) -> PreTrainedModel:
        """Return the student; its labels are the teacher's, its vocabulary too without an own ``tokenizer``."""


STUDENTS: Registry[StudentBuilder] = Registry("student")


def task_loss(logits: torch.Tensor, labels: torch.Tensor | None, config: PreTrainedConfig) -> torch.Tensor | None:
    """Return the plain loss of the task that ``config.problem_type`` names, or None without labels.

    Args:
        logits: shape ``(batch, num_labels)``.
        labels: single-label (also when no type is set): int ``(batch,)``, -100 = none; multi-label: 0/1
            ``(batch, num_labels)``; regression: ``(batch,)`` in the units of the data.
        config: of the model.
    """
    if labels is None:
        return None
    if config.problem_type == "multi_label_classification":
        return F.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype))
    if config.problem_type == "regression":
        return F.mse_loss(logits.squeeze(-1), labels.to(logits.dtype))
    return F.cross_entropy(logits, labels)


def task_fields(teacher: PreTrainedModel) -> dict[str, Any]:
    """Return the configuration fields about the task, which every student takes from its teacher."""
    return {
        "id2label": dict(teacher.config.id2label),
        "label2id": dict(teacher.config.label2id),
        "problem_type": teacher.config.problem_type,
    }


def token_fields(teacher: Teacher, tokenizer: PreTrainedTokenizerFast | None) -> dict[str, Any]:
    """Return the configuration fields about the tokens: of the own tokenizer, or else the teacher's."""
    if tokenizer is None:
        return {
            "vocab_size": teacher.model.get_input_embeddings().weight.shape[0],
            "pad_token_id": teacher.model.config.pad_token_id,
        }
    return {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}


def classifier_of(model: PreTrainedModel) -> tuple[str, nn.Linear]:
    """Return the last layer with one output per label, and its dotted name.

    Raises:
        ConfigError: when the model has none.
    """
    found = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and module.out_features == model.config.num_labels
    ]
    if not found:
        raise ConfigError(f"A model of type '{model.config.model_type}' has no linear classifier to train.")
    return found[-1]


@torch.no_grad()
def start_at_priors(model: PreTrainedModel, task: Task, targets: Sequence[Target], start: int = 0) -> None:
    """Let a fresh classifier start with what is known without reading a text: how frequent each label is.

    The bias becomes the log-odds of each label (multi-label), the log-probability of each class, or the mean value
    (regression). Without it a model with many rare labels first learns to answer "none" to every text, by making all
    texts alike, and may not recover (as in Lin et al. 2017, arXiv 1708.02002, section 4.1). A classifier whose bias is
    not zero has learnt already and is left alone, as is a model without a linear classifier.

    Args:
        model: teacher or student.
        task: decides what a target is.
        targets: of the training texts.
        start: first output of the task, in a student with several heads.
    """
    own = getattr(model, "bias", None)  # of a `linear` student
    try:
        bias = own if isinstance(own, nn.Parameter) else classifier_of(model)[1].bias
    except ConfigError:
        return
    stop = start + task.num_outputs
    if bias is None or bias[start:stop].abs().max() > 0:
        return
    if task.kind is TaskKind.REGRESSION:
        bias[start] = float(np.mean(np.asarray(targets, dtype=np.float64)))
        return
    counts = np.zeros(task.num_outputs)
    for target in targets:
        counts[list(target) if isinstance(target, tuple) else [int(target)]] += 1
    shares = (counts + 1) / (len(targets) + 2)
    values = np.log(shares)
    if task.kind is TaskKind.MULTI_LABEL:
        values -= np.log1p(-shares)
    bias[start:stop] = torch.from_numpy(values).to(bias)


def count_parameters(model: PreTrainedModel) -> int:
    """Return the number of parameters."""
    return sum(parameter.numel() for parameter in model.parameters())
