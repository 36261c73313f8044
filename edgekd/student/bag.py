"""``bag``: a weighted mean of token embeddings, then a small MLP; perhaps with hashed n-grams of tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from edgekd.student.base import STUDENTS, task_fields, task_loss, token_fields
from edgekd.student.embeddings import check_factor, fitted_shape, init_small_weights, start_embeddings, widening
from edgekd.student.ngrams import hashed_ids, hashed_ngrams, ids_to_hash

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from edgekd.config import StudentConfig
    from edgekd.teacher.load import Teacher


class BagConfig(PreTrainedConfig):
    """Sizes of a ``bag`` student."""

    model_type = "edgekd-bag"

    vocab_size: int = 30522
    embedding_dim: int = 128
    factor_dim: int | None = None
    hidden_dim: int = 128
    ngrams: int = 1
    buckets: int = 16_384
    hashed_vocab: int | None = None
    """Tokens of the vocabulary whose ids n-grams hash; its own if not given."""
    dropout: float = 0.1
    pad_token_id: int | None = 0


class BagForSequenceClassification(PreTrainedModel):
    """Each token has a vector and a learned weight in (0, 1); the text is the weighted mean.

    With all weights equal this is fastText's bag of words (Joulin et al. 2016, arXiv 1607.01759) with one hidden layer.
    With ``ngrams`` above 1 the mean of the vectors of all hashed n-grams is added. Their table starts at 0, so the
    student starts as the one without them.
    """

    config_class = BagConfig
    hashed_ids: torch.Tensor | None
    base_model_prefix = "bag"
    main_input_name = "input_ids"
    token_tables = ("token_weight",)  # tables with a row a token, besides the input embeddings

    def __init__(self, config: BagConfig) -> None:
        super().__init__(config)
        self.embeddings = nn.Embedding(config.vocab_size, config.factor_dim or config.embedding_dim)
        self.widen = widening(config.factor_dim, config.embedding_dim)
        self.token_weight = nn.Embedding(config.vocab_size, 1)
        self.ngram_embeddings = nn.Embedding(config.buckets, config.embedding_dim) if config.ngrams > 1 else None
        self.register_buffer("hashed_ids", hashed_ids(config.vocab_size, config.hashed_vocab))
        self.dropout = nn.Dropout(config.dropout)
        self.hidden = nn.Linear(config.embedding_dim, config.hidden_dim)
        self.classifier = nn.Linear(config.hidden_dim, config.num_labels)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """Return the token embeddings."""
        return self.embeddings

    def _init_weights(self, module: nn.Module) -> None:
        init_small_weights(module)
        if isinstance(module, nn.Embedding) and module is not self.embeddings:
            nn.init.zeros_(module.weight)

    def _ngram_mean(self, table: nn.Embedding, input_ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the mean vector of the text's n-grams, 0 when it has none: ``(batch, 1, embedding_dim)``."""
        ids = ids_to_hash(input_ids, self.hashed_ids)
        grams = hashed_ngrams(ids, mask, self.config.ngrams, self.config.buckets)
        rows = torch.cat([bucket for bucket, _ in grams], dim=1)
        counts = torch.cat([counted for _, counted in grams], dim=2)
        return torch.matmul(counts, table(rows)) / counts.sum(dim=2, keepdim=True).clamp_min(1)

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        labels: torch.Tensor | None = None,
        **_: object,
    ) -> SequenceClassifierOutput:
        """Return logits of shape ``(batch, num_labels)``; ids and mask are ``(batch, sequence)``."""
        mask = attention_mask.unsqueeze(1).to(self.classifier.weight.dtype)
        weight = torch.sigmoid(self.token_weight(input_ids).transpose(1, 2)) * mask
        total = weight.sum(dim=2, keepdim=True).clamp_min(1e-6)
        # Widened after the mean, which is the same because both are linear, and once instead of once a token.
        mean = self.widen(torch.matmul(weight, self.embeddings(input_ids)) / total)
        if self.ngram_embeddings is not None:
            mean = mean + self._ngram_mean(self.ngram_embeddings, input_ids, mask)
        mean = mean.squeeze(1)
        hidden = torch.relu(self.hidden(self.dropout(mean)))
        logits = self.classifier(self.dropout(hidden))
        return SequenceClassifierOutput(loss=task_loss(logits, labels, self.config), logits=logits)


@STUDENTS.register("bag")
def build_bag(config: StudentConfig, teacher: Teacher, tokenizer: PreTrainedTokenizerFast | None) -> PreTrainedModel:
    """Build a ``bag`` whose token vectors come from the teacher."""
    shape = fitted_shape(config, teacher)
    check_factor(config, shape["embedding_dim"])
    student = BagForSequenceClassification(
        BagConfig(
            embedding_dim=shape["embedding_dim"],
            factor_dim=config.factor_dim,
            hidden_dim=shape["hidden_dim"],
            ngrams=shape["ngrams"],
            buckets=shape["buckets"],
            dropout=config.dropout,
            **token_fields(teacher, tokenizer),
            **task_fields(teacher.model),
        )
    )
    start_embeddings(student.embeddings, config, teacher, tokenizer)
    return student
