"""The feature losses of one student while it trains: both models run, learned projections, the weighted sum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from edgekd.student.feature_losses import (
    attention_loss,
    contrastive_loss,
    cosine_loss,
    hidden_loss,
    relation_loss,
    rkd_loss,
)
from edgekd.student.feature_plan import FeatureLoss, compare_layers, prepare
from edgekd.student.loss_rules import LAYER_LOSSES
from edgekd.student.sentence_vectors import SentenceVectors
from edgekd.student.taps import Features, Wanted, record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor
    from transformers import PreTrainedModel

    from edgekd.config import FeatureLossConfig


class FeatureLosses(nn.Module):
    """The weighted sum of a student's feature losses. Its parameters are the learned projections.

    Losses between layers are means over the student's layers. `hidden` has one projection for all of them (TinyBERT).

    Args:
        configs: the losses, at least one.
        student: the student; hooks are put on it only while a batch is recorded.
        teacher: the teacher; neither trained nor saved with this module, and always run without gradients.
        sample: a collated batch, needed for `mapping: auto`.

    Raises:
        ConfigError: when a model does not have what a loss compares, or heads do not fit.
        ValueError: when the sample for `auto` is missing.
    """

    def __init__(
        self,
        configs: Sequence[FeatureLossConfig],
        student: PreTrainedModel,
        teacher: PreTrainedModel,
        sample: Mapping[str, Tensor] | None,
    ) -> None:
        super().__init__()
        # In a tuple, so that neither model becomes a submodule whose weights would be trained and saved here too.
        self._models = (student, teacher.eval())
        automatic = any(c.mapping == "auto" and c.kind in LAYER_LOSSES for c in configs)
        mapped = compare_layers(student, teacher, sample) if automatic else ([], [])
        self.losses = [prepare(config, student, teacher, mapped) for config in configs]
        self.projections = nn.ModuleDict(
            {str(i): nn.Linear(*loss.projected) for i, loss in enumerate(self.losses) if loss.projected}
        )
        self._wanted = tuple(self._to_record(side) for side in (0, 1))
        self._sentences = SentenceVectors(teacher)

    def _to_record(self, side: int) -> Wanted:
        """Return what is read of the student (side 0) or teacher (1)."""

        def layers(*kinds: str) -> frozenset[int]:
            return frozenset(pair[side] for loss in self.losses if loss.config.kind in kinds for pair in loss.pairs)

        sentence = any(not loss.pairs for loss in self.losses)
        return Wanted(layers("hidden"), layers("attention", "relations"), sentence)

    def describe(self) -> list[str]:
        """Return one line a loss, with its layer mapping."""
        return [loss.describe() for loss in self.losses]

    def forward(self, model: nn.Module, inputs: Mapping[str, Tensor]) -> tuple[Tensor, Any]:
        """Run student and teacher on a batch; return the weighted sum and the student's outputs.

        Args:
            model: the student, perhaps wrapped for mixed precision or several processes.
            inputs: ``input_ids`` and ``attention_mask``, each ``(batch, tokens)``.
        """
        student, _ = self._models
        ids = inputs["input_ids"]
        with record(student, self._wanted[0]) as ours:
            outputs = model(**inputs)
        theirs = self._run_teacher(inputs)
        # In full precision: differences of close vectors and softmaxes over products lose too much in bf16.
        with torch.autocast(ids.device.type, enabled=False):
            total = torch.zeros((), device=ids.device)
            for index, loss in enumerate(self.losses):
                value = self._one(str(index), loss, ours, theirs, inputs["attention_mask"])
                total = total + loss.config.weight * value
        return total, outputs

    def _run_teacher(self, inputs: Mapping[str, Tensor]) -> Features:
        """Return what the losses need of the teacher; it runs only for texts and layers that are not known yet."""
        _, teacher = self._models
        wanted, device = self._wanted[1], inputs["input_ids"].device
        if next(teacher.parameters()).device != device:
            teacher.to(device)
        teacher.eval()
        if not (wanted.hidden or wanted.attention):
            return Features(sentence=self._sentences(inputs["input_ids"], inputs["attention_mask"]))
        with torch.no_grad(), record(teacher, wanted, "teacher") as features:
            teacher(**inputs)
        return features

    def _one(self, name: str, loss: FeatureLoss, ours: Features, theirs: Features, mask: Tensor) -> Tensor:
        """Return one loss without its weight."""
        project = self.projections[name] if name in self.projections else nn.Identity()
        kind, heads = loss.config.kind, loss.heads
        if not loss.pairs:
            assert ours.sentence is not None
            assert theirs.sentence is not None
            student, teacher = ours.sentence.float(), theirs.sentence.float()
            if kind == "cosine":
                return cosine_loss(project(student), teacher)
            if kind == "contrastive":
                return contrastive_loss(project(student), teacher, loss.config.temperature)
            return rkd_loss(student, teacher)
        values = []
        for s, t in loss.pairs:
            if kind == "hidden":
                values.append(hidden_loss(project(ours.hidden[s].float()), theirs.hidden[t].float(), mask))
                continue
            mine = tuple(part[s].float() for part in (ours.query, ours.key, ours.value))
            its = tuple(part[t].float() for part in (theirs.query, theirs.key, theirs.value))
            if kind == "attention":
                values.append(attention_loss((mine[0], mine[1]), (its[0], its[1]), mask, heads))
            else:
                related = [relation_loss(a, b, mask, heads) for a, b in zip(mine, its, strict=True)]
                values.append(torch.stack(related).sum())
        return torch.stack(values).mean()
