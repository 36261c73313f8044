"""``transformer``: some layers of the teacher, perhaps narrower, or new ones of any size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from transformers import (
    BertConfig,
    BertForSequenceClassification,
    ElectraConfig,
    ElectraForSequenceClassification,
)

from edgekd.errors import ConfigError
from edgekd.student.base import STUDENTS, task_fields, token_fields
from edgekd.student.cut import choose_layers, cut_layers, layer_count
from edgekd.student.embeddings import check_factor, start_embeddings
from edgekd.student.projection import project
from edgekd.student.sizes import check_fields, form_of, shape_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from edgekd.config import StudentConfig
    from edgekd.teacher.load import Teacher


@STUDENTS.register("transformer")
def build_transformer(
    config: StudentConfig, teacher: Teacher, tokenizer: PreTrainedTokenizerFast | None
) -> PreTrainedModel:
    """Build a transformer from layers of the teacher, or from scratch.

    Raises:
        ConfigError: for a shape that cannot be built.
    """
    if form_of(config) == "from scratch":
        return _from_scratch(config, teacher, tokenizer)
    check_fields(config)
    if config.projection is not None and config.hidden_dim is None:
        raise ConfigError(
            f"Student '{config.label}' has a projection, but no hidden_dim to project to.",
            hint="Give a hidden_dim that is smaller than the teacher's, or leave projection out.",
        )
    layers = choose_layers(config.layers, layer_count(teacher.model))
    student = cut_layers(teacher.model, layers)
    return student if config.hidden_dim is None else project(student, teacher, layers, config)


def _from_scratch(
    config: StudentConfig, teacher: Teacher, tokenizer: PreTrainedTokenizerFast | None
) -> PreTrainedModel:
    """Build a BERT with new layers; with narrower token vectors an ELECTRA, which is a BERT that widens them."""
    shape = shape_of(config)
    hidden, heads, layers = shape["hidden_dim"], shape["heads"], shape["layers"]
    if not isinstance(layers, int) or layers < 1:
        raise ConfigError(
            f"Student '{config.label}': layers: {layers} must be a number of at least 1 for a transformer from "
            "scratch; a list chooses layers of the teacher.",
        )
    if config.heads is None and config.hidden_dim is not None:
        heads = next(number for number in (hidden // 32, hidden // 16, 4, 2, 1) if number and hidden % number == 0)
    if hidden % heads:
        possible = [number for number in range(1, min(hidden, 32) + 1) if hidden % number == 0]
        raise ConfigError(
            f"Student '{config.label}': heads: {heads} does not divide hidden_dim {hidden}. "
            f"Allowed: {', '.join(map(str, possible))}."
        )
    ffn = config.ffn_dim or (4 * hidden if config.hidden_dim is not None else shape["ffn_dim"])
    if config.factor_dim and config.embedding_dim and config.embedding_dim != hidden:
        raise ConfigError(
            f"Student '{config.label}': a transformer widens factor_dim {config.factor_dim} to hidden_dim {hidden}, so "
            f"embedding_dim {config.embedding_dim} has no place.",
            hint="Leave embedding_dim out.",
        )
    width = config.factor_dim or config.embedding_dim or hidden
    common = {
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": ffn,
        "hidden_dropout_prob": config.dropout,
        "attention_probs_dropout_prob": config.dropout,
        "classifier_dropout": config.dropout,
        "max_position_embeddings": teacher.max_length,
        "type_vocab_size": 1,
        **token_fields(teacher, tokenizer),
        **task_fields(teacher.model),
    }
    student: PreTrainedModel
    if width == hidden:
        student = BertForSequenceClassification(BertConfig(**common))
    else:
        check_factor(config.model_copy(update={"factor_dim": width}), hidden)
        student = ElectraForSequenceClassification(ElectraConfig(embedding_size=width, **common))
    # The deviation that the family gives to positions too, so that neither drowns the other.
    std = student.config.initializer_range
    start_embeddings(student.get_input_embeddings(), config, teacher, tokenizer, std=std)
    return student
