"""``bilstm`` and ``bigru``: recurrent layers in both directions, maximum over time.

The maximum over the states is the pooling of InferSent (Conneau et al. 2017, arXiv 1705.02364).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from edgekd.student.base import STUDENTS, task_fields, task_loss, token_fields
from edgekd.student.embeddings import check_factor, fitted_shape, init_small_weights, start_embeddings, widening

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from edgekd.config import StudentConfig
    from edgekd.teacher.load import Teacher

_CELLS: dict[str, Any] = {"lstm": nn.LSTM, "gru": nn.GRU}
# torch stores the gates of an LSTM as input, forget, cell, output and those of a GRU as reset, update, new;
# ONNX wants input, output, forget, cell and update, reset, new.
_ONNX_GATES = {"lstm": (0, 3, 1, 2), "gru": (1, 0, 2)}


class BiLstmConfig(PreTrainedConfig):
    """Sizes of a ``bilstm`` student."""

    model_type = "edgekd-bilstm"
    cell = "lstm"

    vocab_size: int = 30522
    embedding_dim: int = 128
    factor_dim: int | None = None
    hidden_dim: int | list[int] = 128  # units of a direction: of every layer, or of each
    layers: int = 1
    dropout: float = 0.1
    pad_token_id: int | None = 0

    @property
    def hidden_dims(self) -> list[int]:
        """How many units each direction of each layer has."""
        return self.hidden_dim if isinstance(self.hidden_dim, list) else [self.hidden_dim] * self.layers


class BiGruConfig(BiLstmConfig):
    """Sizes of a ``bigru`` student."""

    model_type = "edgekd-bigru"
    cell = "gru"


class BidirectionalLayer(nn.Module):
    """One recurrent layer that reads each text in both directions.

    A text must start at the first position. The backward direction would start in the padding; it reads each text
    reversed within its own length instead, so no state ever sees padding and nothing needs to be packed. An ONNX
    graph gets one ``LSTM`` or ``GRU`` operator for both directions, whose input ``sequence_lens`` does the same.
    """

    def __init__(self, cell: str, input_dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.cell = cell
        self.hidden_dim = hidden_dim
        self.onward = _CELLS[cell](input_dim, hidden_dim)
        self.backward_ = _CELLS[cell](input_dim, hidden_dim)
        self.onnx_weights: tuple[torch.Tensor, ...] = ()

    def forward(self, vectors: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Return the states of both directions; those beyond a text's end mean nothing.

        Args:
            vectors: shape ``(sequence, batch, input_dim)``.
            lengths: shape ``(batch,)``, int64, at least 1.

        Returns:
            Shape ``(sequence, batch, 2 * hidden_dim)``.
        """
        if torch.compiler.is_exporting():
            return self._onnx(vectors, lengths)
        position = torch.arange(vectors.shape[0], device=vectors.device).unsqueeze(1)
        turned = torch.where(position < lengths, lengths - 1 - position, position).unsqueeze(2)
        onward, _ = self.onward(vectors)
        backward, _ = self.backward_(vectors.gather(0, turned.expand_as(vectors)))
        return torch.cat([onward, backward.gather(0, turned.expand_as(backward))], dim=2)

    def train(self, mode: bool = True) -> BidirectionalLayer:
        """Switch between training and evaluation.

        The weights in ONNX's layout are made here, because they must be constants before an export begins: reordered
        within the graph they could neither be quantized nor would the graph be lean.
        """
        super().train(mode)
        self.onnx_weights = () if mode else self._reordered()
        return self

    @torch.no_grad()
    def _reordered(self) -> tuple[torch.Tensor, ...]:
        """Return weights of input ``(2, gates * hidden, input)`` and state, and biases ``(2, 2 * gates * hidden)``."""

        def gates(weight: torch.Tensor) -> torch.Tensor:
            parts = weight.detach().chunk(len(_ONNX_GATES[self.cell]))
            return torch.cat([parts[gate] for gate in _ONNX_GATES[self.cell]])

        both = (self.onward, self.backward_)
        return (
            torch.stack([gates(part.weight_ih_l0) for part in both]),
            torch.stack([gates(part.weight_hh_l0) for part in both]),
            torch.stack([torch.cat([gates(part.bias_ih_l0), gates(part.bias_hh_l0)]) for part in both]),
        )

    def _onnx(self, vectors: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        attributes: dict[str, Any] = {"direction": "bidirectional", "hidden_size": self.hidden_dim}
        if self.cell == "gru":
            attributes["linear_before_reset"] = 1  # torch multiplies by the reset gate after the matrix
        sequence, batch, _ = vectors.shape
        states = torch.onnx.ops.symbolic(
            self.cell.upper(),
            (vectors, *self.onnx_weights, lengths.to(torch.int32)),
            attributes,
            dtype=vectors.dtype,
            shape=(sequence, 2, batch, self.hidden_dim),
        )
        return states.transpose(1, 2).flatten(2)


class _RecurrentForSequenceClassification(PreTrainedModel):
    base_model_prefix = "recurrent"
    main_input_name = "input_ids"

    def __init__(self, config: BiLstmConfig) -> None:
        super().__init__(config)
        self.embeddings = nn.Embedding(config.vocab_size, config.factor_dim or config.embedding_dim)
        self.widen = widening(config.factor_dim, config.embedding_dim)
        units = config.hidden_dims
        inputs = [config.embedding_dim, *(2 * count for count in units[:-1])]
        self.layers = nn.ModuleList(
            BidirectionalLayer(config.cell, read, count) for read, count in zip(inputs, units, strict=True)
        )
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Linear(2 * units[-1], config.num_labels)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """Return the token embeddings."""
        return self.embeddings

    def _init_weights(self, module: nn.Module) -> None:
        init_small_weights(module)
        if isinstance(module, nn.LSTM | nn.GRU):
            nn.init.xavier_uniform_(module.weight_ih_l0)
            for gate in module.weight_hh_l0.chunk(len(_ONNX_GATES[self.config.cell])):
                nn.init.orthogonal_(gate)
            nn.init.zeros_(module.bias_ih_l0)
            nn.init.zeros_(module.bias_hh_l0)
            if isinstance(module, nn.LSTM):  # remember at first (Jozefowicz et al. 2015)
                nn.init.ones_(module.bias_ih_l0.chunk(4)[1])

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        labels: torch.Tensor | None = None,
        **_: object,
    ) -> SequenceClassifierOutput:
        """Return logits of shape ``(batch, num_labels)``; ids and mask are ``(batch, sequence)``."""
        input_ids, lengths = to_the_front(input_ids, attention_mask)
        states = self.dropout(self.widen(self.embeddings(input_ids.t())))
        for layer in self.layers:
            states = layer(states, lengths)
        position = torch.arange(input_ids.shape[1], device=input_ids.device).unsqueeze(1)
        # States are in (-1, 1), so 2 less never is the maximum.
        beyond = (position >= lengths).unsqueeze(2).to(states.dtype) * 2
        logits = self.classifier(self.dropout((states - beyond).amax(dim=0)))
        return SequenceClassifierOutput(loss=task_loss(logits, labels, self.config), logits=logits)


def to_the_front(input_ids: torch.Tensor, attention_mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Move the unmasked tokens of each text to its front, in their order, and return also how many they are.

    A masked token is then as good as not there, wherever it stands. A text without any is taken to have one.
    """
    position = torch.arange(input_ids.shape[1], device=input_ids.device)
    order = torch.argsort(position + (1 - attention_mask) * input_ids.shape[1], dim=1)
    return input_ids.gather(1, order), attention_mask.sum(dim=1).clamp_min(1)


class BiLstmForSequenceClassification(_RecurrentForSequenceClassification):
    """Embeddings, bidirectional LSTM layers (Hochreiter, Schmidhuber 1997), maximum over time, linear classifier."""

    config_class = BiLstmConfig


class BiGruForSequenceClassification(_RecurrentForSequenceClassification):
    """Embeddings, bidirectional GRU layers (Cho et al. 2014, arXiv 1406.1078), maximum over time, linear classifier."""

    config_class = BiGruConfig


def _build(
    model: type[_RecurrentForSequenceClassification],
    config: StudentConfig,
    teacher: Teacher,
    tokenizer: PreTrainedTokenizerFast | None,
) -> PreTrainedModel:
    shape = fitted_shape(config, teacher)
    check_factor(config, shape["embedding_dim"])
    student = model(
        model.config_class(
            embedding_dim=shape["embedding_dim"],
            factor_dim=config.factor_dim,
            hidden_dim=shape["hidden_dim"],
            layers=shape["layers"],
            dropout=config.dropout,
            **token_fields(teacher, tokenizer),
            **task_fields(teacher.model),
        )
    )
    start_embeddings(student.embeddings, config, teacher, tokenizer)
    return student


@STUDENTS.register("bilstm")
def build_bilstm(config: StudentConfig, teacher: Teacher, tokenizer: PreTrainedTokenizerFast | None) -> PreTrainedModel:
    """Build a ``bilstm`` whose token vectors come from the teacher."""
    return _build(BiLstmForSequenceClassification, config, teacher, tokenizer)


@STUDENTS.register("bigru")
def build_bigru(config: StudentConfig, teacher: Teacher, tokenizer: PreTrainedTokenizerFast | None) -> PreTrainedModel:
    """Build a ``bigru`` whose token vectors come from the teacher."""
    return _build(BiGruForSequenceClassification, config, teacher, tokenizer)
