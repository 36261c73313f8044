"""What a feature loss compares: layers, heads, widths; decided once, before training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from edgekd import units
from edgekd.errors import ConfigError
from edgekd.student.layer_mapping import cka_mapping, rule_mapping
from edgekd.student.loss_rules import LAYER_LOSSES
from edgekd.student.taps import Wanted, find_classifier, find_layers, find_query_key_value, record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor, nn
    from transformers import PreTrainedModel

    from edgekd.config import FeatureLossConfig


@dataclass(frozen=True)
class FeatureLoss:
    """One feature loss, ready to be computed."""

    config: FeatureLossConfig
    pairs: tuple[tuple[int, int], ...] = ()  # (student layer, teacher layer)
    similarities: tuple[float, ...] = ()  # CKA of each pair, when the mapping is `auto`
    heads: int = 0  # attention or relation heads
    projected: tuple[int, int] | None = None  # widths of a learned projection

    def describe(self) -> str:
        """Return one line for people."""
        parts = [f"{self.config.kind} (weight {self.config.weight:g})"]
        if self.pairs:
            notes = [f" (CKA {units.number(value)})" for value in self.similarities] or [""] * len(self.pairs)
            named = (f"{s} <- {t}{note}" for (s, t), note in zip(self.pairs, notes, strict=True))
            parts.append(f"student layer <- teacher layer: {', '.join(named)}")
        else:
            parts.append("sentence vectors")
        if self.heads:
            parts.append(f"{self.heads} {'attention' if self.config.kind == 'attention' else 'relation'} heads")
        if self.projected:
            parts.append(f"learned projection {self.projected[0]} -> {self.projected[1]}")
        return "; ".join(parts)


def compare_layers(
    student: PreTrainedModel, teacher: PreTrainedModel, sample: Mapping[str, Tensor] | None
) -> tuple[list[int], list[float]]:
    """Return the `auto` mapping from the outputs of all layers of both models for the sample's real tokens."""
    if sample is None:
        raise ValueError("mapping 'auto' needs a sample batch")
    outputs = []
    for model, who in ((student, "student"), (teacher, "teacher")):
        device, was_training = next(model.parameters()).device, model.training
        inputs = {name: sample[name].to(device) for name in ("input_ids", "attention_mask")}
        wanted = Wanted(hidden=frozenset(range(len(find_layers(model, who)))))
        with torch.no_grad(), record(model.eval(), wanted, who) as features:
            model(**inputs)
        model.train(was_training)
        real = inputs["attention_mask"].bool()
        outputs.append([features.hidden[i][real].float().cpu() for i in sorted(features.hidden)])
    return cka_mapping(*outputs)


def prepare(
    config: FeatureLossConfig,
    student: PreTrainedModel,
    teacher: PreTrainedModel,
    mapped: tuple[list[int], list[float]],
) -> FeatureLoss:
    """Decide layers, heads and projection of one loss.

    Raises:
        ConfigError: when the models do not fit together.
    """
    if config.kind not in LAYER_LOSSES:
        widths = (find_classifier(student, "student").in_features, find_classifier(teacher, "teacher").in_features)
        needed = config.kind != "rkd" and widths[0] != widths[1]
        return FeatureLoss(config, projected=widths if needed else None)
    layers = (find_layers(student, "student"), find_layers(teacher, "teacher"))
    mapping, similarities = mapped
    if config.mapping != "auto":
        mapping, similarities = rule_mapping(config.mapping, len(layers[0]), len(layers[1])), []
    pairs = tuple(enumerate(mapping))
    if config.kind == "hidden":
        widths = (student.config.hidden_size, teacher.config.hidden_size)
        return FeatureLoss(config, pairs, tuple(similarities), projected=widths if widths[0] != widths[1] else None)
    heads = _attention_heads(student, teacher) if config.kind == "attention" else _relation_heads(config, student)
    for index, (model_layers, who) in enumerate(zip(layers, ("student", "teacher"), strict=True)):
        for used in {pair[index] for pair in pairs}:
            _check_widths(find_query_key_value(model_layers[used], who), heads, who)
    return FeatureLoss(config, pairs, tuple(similarities), heads=heads)


def _attention_heads(student: PreTrainedModel, teacher: PreTrainedModel) -> int:
    heads = (int(student.config.num_attention_heads), int(teacher.config.num_attention_heads))
    if heads[0] != heads[1]:
        raise ConfigError(
            f"Feature loss 'attention' compares heads, but the student has {heads[0]} and the teacher {heads[1]}.",
            hint="Use 'relations', which works across numbers of heads, or give the student as many heads.",
        )
    return heads[0]


def _relation_heads(config: FeatureLossConfig, student: PreTrainedModel) -> int:
    return config.heads or int(student.config.num_attention_heads)


def _check_widths(maps: Sequence[nn.Linear], heads: int, who: str) -> None:
    for linear in maps:
        if linear.out_features % heads:
            raise ConfigError(
                f"heads: {heads} does not divide {linear.out_features}, a width of the {who}'s queries, keys, values.",
                hint="Give 'relations' a number of heads that divides the widths of both models.",
            )
