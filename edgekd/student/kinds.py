"""The kinds of students: registration with edgekd and with the Auto classes of transformers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from transformers import AutoConfig, AutoModelForSequenceClassification

from edgekd.errors import ConfigError

# Importing a module registers its builder.
from edgekd.student import transformer  # noqa: F401
from edgekd.student.bag import BagConfig, BagForSequenceClassification
from edgekd.student.base import STUDENTS
from edgekd.student.cnn import CnnConfig, CnnForSequenceClassification
from edgekd.student.linear import LinearConfig, LinearForSequenceClassification
from edgekd.student.recurrent import (
    BiGruConfig,
    BiGruForSequenceClassification,
    BiLstmConfig,
    BiLstmForSequenceClassification,
)
from edgekd.student.sizes import check_fields

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from edgekd.config import StudentConfig
    from edgekd.teacher.load import Teacher

for _config, _model in (
    (LinearConfig, LinearForSequenceClassification),
    (BagConfig, BagForSequenceClassification),
    (CnnConfig, CnnForSequenceClassification),
    (BiLstmConfig, BiLstmForSequenceClassification),
    (BiGruConfig, BiGruForSequenceClassification),
):
    AutoConfig.register(_config.model_type, _config)
    AutoModelForSequenceClassification.register(_config, _model)


def build_student(
    config: StudentConfig, teacher: Teacher, tokenizer: PreTrainedTokenizerFast | None = None
) -> PreTrainedModel:
    """Build an untrained student, on the CPU.

    Args:
        config: its kind and shape.
        teacher: whose labels it has, and from which its start is taken.
        tokenizer: the student's own one, as :func:`edgekd.student.vocabulary.student_tokenizer` made it; the
            teacher's if not given.

    Raises:
        ConfigError: for an unknown kind, an option that the kind does not have, or a shape that cannot be built.
    """
    check_fields(config)
    if config.vocabulary is not None and tokenizer is None:
        raise ConfigError(f"Student '{config.label}' has an own vocabulary, but was given no tokenizer.")
    own = tokenizer if config.vocabulary is not None else None
    torch.manual_seed(config.seed)
    student: PreTrainedModel = STUDENTS.get(config.kind)(config, teacher, own).to("cpu")
    return student
