"""``bag``: a weighted mean of token embeddings, then a small MLP."""

from __future__ import annotations

import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from edgekd.student.base import classification_loss


class BagConfig(PreTrainedConfig):
    """Sizes of a ``bag`` student."""

    model_type = "edgekd-bag"

    vocab_size: int = 30522
    embedding_dim: int = 128
    hidden_dim: int = 128
    dropout: float = 0.1
    pad_token_id: int | None = 0


class BagForSequenceClassification(PreTrainedModel):
    """Each token has a vector and a learned weight in (0, 1); the text is the weighted mean.

    With all weights equal this is fastText's bag of words (Joulin et al. 2016, arXiv 1607.01759) with one hidden layer.
    """

    config_class = BagConfig
    base_model_prefix = "bag"
    main_input_name = "input_ids"

    def __init__(self, config: BagConfig) -> None:
        super().__init__(config)
        self.embeddings = nn.Embedding(config.vocab_size, config.embedding_dim)
        self.token_weight = nn.Embedding(config.vocab_size, 1)
        self.dropout = nn.Dropout(config.dropout)
        self.hidden = nn.Linear(config.embedding_dim, config.hidden_dim)
        self.classifier = nn.Linear(config.hidden_dim, config.num_labels)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """Return the token embeddings."""
        return self.embeddings

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.0 if module.embedding_dim == 1 else 0.1)

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        labels: torch.Tensor | None = None,
        **_: object,
    ) -> SequenceClassifierOutput:
        """Return logits of shape ``(batch, num_labels)``; ids and mask are ``(batch, sequence)``."""
        weight = torch.sigmoid(self.token_weight(input_ids).squeeze(-1)) * attention_mask
        total = weight.sum(dim=1, keepdim=True).clamp_min(1e-6)
        mean = torch.matmul((weight / total).unsqueeze(1), self.embeddings(input_ids)).squeeze(1)
        hidden = torch.relu(self.hidden(self.dropout(mean)))
        logits = self.classifier(self.dropout(hidden))
        return SequenceClassifierOutput(loss=classification_loss(logits, labels), logits=logits)
