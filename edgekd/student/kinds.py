"""The kinds of students: registration with edgekd and with the Auto classes of transformers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoConfig, AutoModelForSequenceClassification

from edgekd.student.bag import BagConfig, BagForSequenceClassification
from edgekd.student.base import STUDENTS, check_fields, pca_embeddings
from edgekd.student.cnn import CnnConfig, CnnForSequenceClassification
from edgekd.student.cut import choose_layers, cut_layers, layer_count

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from edgekd.config import StudentConfig

for _config, _model in ((BagConfig, BagForSequenceClassification), (CnnConfig, CnnForSequenceClassification)):
    AutoConfig.register(_config.model_type, _config)
    AutoModelForSequenceClassification.register(_config, _model)


def _label_fields(teacher: PreTrainedModel) -> dict[str, Any]:
    return {
        "id2label": dict(teacher.config.id2label),
        "label2id": dict(teacher.config.label2id),
        "pad_token_id": teacher.config.pad_token_id,
    }


def _with_teacher_embeddings(student: PreTrainedModel, teacher: PreTrainedModel) -> PreTrainedModel:
    table = student.get_input_embeddings().weight
    with torch.no_grad():
        table.copy_(pca_embeddings(teacher.get_input_embeddings().weight.detach(), table.shape[1]))
    return student


@STUDENTS.register("bag")
def build_bag(config: StudentConfig, teacher: PreTrainedModel) -> PreTrainedModel:
    """Build a ``bag`` whose embeddings are a PCA of the teacher's."""
    check_fields(config, ("embedding_dim", "hidden_dim"))
    student = BagForSequenceClassification(
        BagConfig(
            vocab_size=teacher.get_input_embeddings().weight.shape[0],
            embedding_dim=config.embedding_dim or min(128, teacher.get_input_embeddings().weight.shape[1]),
            hidden_dim=config.hidden_dim or 128,
            dropout=config.dropout,
            **_label_fields(teacher),
        )
    )
    return _with_teacher_embeddings(student, teacher)


@STUDENTS.register("cnn")
def build_cnn(config: StudentConfig, teacher: PreTrainedModel) -> PreTrainedModel:
    """Build a ``cnn`` whose embeddings are a PCA of the teacher's."""
    check_fields(config, ("embedding_dim", "hidden_dim", "widths"))
    student = CnnForSequenceClassification(
        CnnConfig(
            vocab_size=teacher.get_input_embeddings().weight.shape[0],
            embedding_dim=config.embedding_dim or min(128, teacher.get_input_embeddings().weight.shape[1]),
            filters=config.hidden_dim or 96,
            widths=config.widths or [2, 3, 4],
            dropout=config.dropout,
            **_label_fields(teacher),
        )
    )
    return _with_teacher_embeddings(student, teacher)


@STUDENTS.register("transformer")
def build_transformer(config: StudentConfig, teacher: PreTrainedModel) -> PreTrainedModel:
    """Build a transformer from layers of the teacher."""
    check_fields(config, ("layers",))
    return cut_layers(teacher, choose_layers(config.layers, layer_count(teacher)))


def build_student(config: StudentConfig, teacher: PreTrainedModel) -> PreTrainedModel:
    """Build an untrained student.

    Raises:
        ConfigError: for an unknown kind or an option that the kind does not have.
    """
    torch.manual_seed(config.seed)
    return STUDENTS.get(config.kind)(config, teacher)
