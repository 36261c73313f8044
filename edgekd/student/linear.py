"""``linear``: one weight per token, hashed n-gram and label; or a linear head on the frozen teacher."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from edgekd.student.base import STUDENTS, classifier_of, task_fields, task_loss, token_fields
from edgekd.student.ngrams import hashed_ids, hashed_ngrams, ids_to_hash
from edgekd.student.sizes import check_fields, shape_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from edgekd.config import StudentConfig
    from edgekd.teacher.load import Teacher


class LinearConfig(PreTrainedConfig):
    """Sizes of a ``linear`` student."""

    model_type = "edgekd-linear"

    vocab_size: int = 30522
    ngrams: int = 2
    buckets: int = 131_072
    hashed_vocab: int | None = None
    """Tokens of the vocabulary whose ids n-grams hash; its own if not given."""
    dropout: float = 0.1
    pad_token_id: int | None = 0


class LinearForSequenceClassification(PreTrainedModel):
    """Logistic regression on counts of tokens and hashed n-grams, with one matrix.

    ``logits = bias + (sum of the rows of all features) / sqrt(number of tokens)``

    The features of a text are its tokens (row = token id) and its n-grams of 2 to ``ngrams`` tokens (row = vocabulary
    size + bucket), each as often as it occurs. The tokens that are counted are the unmasked ones, special tokens
    included. So ``row / sqrt(tokens)`` is exactly what a feature adds to each logit. The square root keeps logits of
    short and long texts in one range; it is the length of the count vector when no token occurs twice.

    With hashed n-grams this is the linear model of fastText (Joulin et al. 2016, arXiv 1607.01759) without its
    low-rank factor.
    """

    config_class = LinearConfig
    hashed_ids: torch.Tensor | None
    base_model_prefix = "linear"
    main_input_name = "input_ids"

    def __init__(self, config: LinearConfig) -> None:
        super().__init__(config)
        rows = config.vocab_size + (config.buckets if config.ngrams > 1 else 0)
        self.weights = nn.Embedding(rows, config.num_labels)
        self.register_buffer("hashed_ids", hashed_ids(config.vocab_size, config.hashed_vocab))
        self.bias = nn.Parameter(torch.zeros(config.num_labels))
        self.dropout = nn.Dropout(config.dropout)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """Return the one matrix, whose first ``vocab_size`` rows belong to tokens."""
        return self.weights

    def _init_weights(self, module: nn.Module) -> None:
        # The problem is convex, so a start at 0 favours nothing.
        if isinstance(module, nn.Embedding):
            nn.init.zeros_(module.weight)

    def features(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the row of each feature, and whether it counts: 0.0 or 1.0; both ``(batch, features)``.

        First come the ``sequence`` tokens, then for each n the ``sequence - n + 1`` n-grams, by their first token.
        """
        config = self.config
        counts = attention_mask.to(self.bias.dtype)
        grams = hashed_ngrams(ids_to_hash(input_ids, self.hashed_ids), counts, config.ngrams, config.buckets)
        if not grams:
            return input_ids, counts
        rows = torch.cat([input_ids, *(bucket + config.vocab_size for bucket, _ in grams)], dim=1)
        return rows, torch.cat([counts, *(mask for _, mask in grams)], dim=1)

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        labels: torch.Tensor | None = None,
        **_: object,
    ) -> SequenceClassifierOutput:
        """Return logits of shape ``(batch, num_labels)``; ids and mask are ``(batch, sequence)``."""
        rows, counts = self.features(input_ids, attention_mask)
        tokens = attention_mask.to(counts.dtype).sum(dim=1, keepdim=True).clamp_min(1)
        counts = self.dropout(counts) / tokens.sqrt()
        logits = torch.matmul(counts.unsqueeze(1), self.weights(rows)).squeeze(1) + self.bias
        return SequenceClassifierOutput(loss=task_loss(logits, labels, self.config), logits=logits)


@STUDENTS.register("linear")
def build_linear(config: StudentConfig, teacher: Teacher, tokenizer: PreTrainedTokenizerFast | None) -> PreTrainedModel:
    """Build a ``linear`` on tokens with all weights 0, or one on the teacher's sentence vector."""
    if config.features == "teacher":
        check_fields(config)
        return head_on_teacher(teacher.model, config.dropout)
    shape = shape_of(config)
    return LinearForSequenceClassification(
        LinearConfig(
            ngrams=shape["ngrams"],
            buckets=shape["buckets"],
            dropout=config.dropout,
            **token_fields(teacher, tokenizer),
            **task_fields(teacher.model),
        )
    )


def head_on_teacher(teacher: PreTrainedModel, dropout: float) -> PreTrainedModel:
    """Return a copy of the teacher of which only a new last layer learns.

    The rest is frozen and without dropout, so the features of a text never change; ``dropout`` remains right before
    the classifier. It is as large and as slow as the teacher: a lower bound for what a linear model can read from it.

    Raises:
        ConfigError: when the teacher has no linear classifier.
    """
    student = copy.deepcopy(teacher)
    student.requires_grad_(False)
    for name, module in student.named_modules():
        if isinstance(module, nn.Dropout):
            module.p = dropout if name in ("dropout", "classifier.dropout") else 0.0
    _, classifier = classifier_of(student)
    nn.init.zeros_(classifier.weight)
    nn.init.zeros_(classifier.bias)
    classifier.requires_grad_(True)
    return student
