"""``cnn``: convolutions over token embeddings, maximum over time (Kim 2014, arXiv 1408.5882)."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from edgekd.errors import ConfigError
from edgekd.student.base import STUDENTS, task_fields, task_loss, token_fields
from edgekd.student.embeddings import check_factor, fitted_shape, init_small_weights, start_embeddings, widening

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from edgekd.config import StudentConfig
    from edgekd.teacher.load import Teacher


class CnnConfig(PreTrainedConfig):
    """Sizes of a ``cnn`` student."""

    model_type = "edgekd-cnn"

    vocab_size: int = 30522
    embedding_dim: int = 128
    factor_dim: int | None = None
    filters: int | list[int] = 96  # of every width, or of each
    widths: list[int] = field(default_factory=lambda: [2, 3, 4])
    dropout: float = 0.2
    pad_token_id: int | None = 0

    @property
    def filters_by_width(self) -> list[int]:
        """How many filters each of ``widths`` has."""
        return self.filters if isinstance(self.filters, list) else [self.filters] * len(self.widths)


class CnnForSequenceClassification(PreTrainedModel):
    """One convolution per filter width, ReLU, masked maximum over time, linear classifier."""

    config_class = CnnConfig
    base_model_prefix = "cnn"
    main_input_name = "input_ids"

    def __init__(self, config: CnnConfig) -> None:
        super().__init__(config)
        self.embeddings = nn.Embedding(config.vocab_size, config.factor_dim or config.embedding_dim)
        self.widen = widening(config.factor_dim, config.embedding_dim)
        self.pads = [nn.ConstantPad1d(((width - 1) // 2, width // 2), 0.0) for width in config.widths]
        self.convolutions = nn.ModuleList(
            nn.Conv1d(config.embedding_dim, filters, width)
            for filters, width in zip(config.filters_by_width, config.widths, strict=True)
        )
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Linear(sum(config.filters_by_width), config.num_labels)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """Return the token embeddings."""
        return self.embeddings

    def _init_weights(self, module: nn.Module) -> None:
        init_small_weights(module)

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        labels: torch.Tensor | None = None,
        **_: object,
    ) -> SequenceClassifierOutput:
        """Return logits of shape ``(batch, num_labels)``; ids and mask are ``(batch, sequence)``."""
        mask = attention_mask.unsqueeze(1).to(self.classifier.weight.dtype)
        # NOTE: padded positions are zeroed before the convolution and again after the ReLU. A text therefore sees
        # zeros beyond its ends whether it is alone or padded in a batch, and its logits do not depend on the batch.
        embedded = self.dropout(self.widen(self.embeddings(input_ids))).transpose(1, 2) * mask
        found = [
            torch.relu(convolution(pad(embedded)))
            for pad, convolution in zip(self.pads, self.convolutions, strict=True)
        ]
        # Widths are put side by side before the mask and the maximum, which are then one operator each.
        logits = self.classifier(self.dropout((torch.cat(found, dim=1) * mask).amax(dim=2)))
        return SequenceClassifierOutput(loss=task_loss(logits, labels, self.config), logits=logits)


@STUDENTS.register("cnn")
def build_cnn(config: StudentConfig, teacher: Teacher, tokenizer: PreTrainedTokenizerFast | None) -> PreTrainedModel:
    """Build a ``cnn`` whose token vectors come from the teacher.

    Raises:
        ConfigError: for widths that are none.
    """
    shape = fitted_shape(config, teacher)
    check_factor(config, shape["embedding_dim"])
    widths = shape["widths"]
    if not widths or not all(1 <= width <= 16 for width in widths) or len(set(widths)) != len(widths):
        raise ConfigError(f"Student '{config.label}': widths: {widths} must be distinct numbers from 1 to 16.")
    student = CnnForSequenceClassification(
        CnnConfig(
            embedding_dim=shape["embedding_dim"],
            factor_dim=config.factor_dim,
            filters=shape["hidden_dim"],
            widths=widths,
            dropout=config.dropout,
            **token_fields(teacher, tokenizer),
            **task_fields(teacher.model),
        )
    )
    start_embeddings(student.embeddings, config, teacher, tokenizer)
    return student
