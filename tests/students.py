"""Every form of every student, small, and a teacher for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.toys import make_classifier

SHAPES: dict[str, dict[str, Any]] = {
    "linear": {"kind": "linear", "ngrams": 3, "buckets": 4096},
    "linear of tokens": {"kind": "linear", "ngrams": 1},
    "linear on the teacher": {"kind": "linear", "features": "teacher"},
    "bag": {"kind": "bag", "embedding_dim": 8},
    "bag with n-grams": {"kind": "bag", "embedding_dim": 8, "ngrams": 3, "buckets": 32, "factor_dim": 4},
    "cnn": {"kind": "cnn", "embedding_dim": 8, "hidden_dim": 6},
    "cnn factorised": {"kind": "cnn", "embedding_dim": 8, "hidden_dim": 6, "widths": [1, 5], "factor_dim": 4},
    "bilstm": {"kind": "bilstm", "embedding_dim": 8, "hidden_dim": 6},
    "bilstm of two layers": {"kind": "bilstm", "embedding_dim": 8, "hidden_dim": 6, "layers": 2, "factor_dim": 4},
    "bigru": {"kind": "bigru", "embedding_dim": 8, "hidden_dim": 6, "embeddings": "random"},
    "bigru of two layers": {"kind": "bigru", "embedding_dim": 8, "hidden_dim": 6, "layers": 2},
    "cut transformer": {"kind": "transformer", "layers": 1},
    "cut transformer made narrower": {"kind": "transformer", "layers": 2, "hidden_dim": 16},
    "transformer from scratch": {"kind": "transformer", "from_scratch": True, "layers": 2, "hidden_dim": 16},
    "transformer factorised": {"kind": "transformer", "from_scratch": True, "layers": 1, "hidden_dim": 16,
                               "factor_dim": 8},
}  # fmt: skip


def make_teacher(
    folder: Path,
    *,
    labels: tuple[str, ...] = ("bad", "good", "so-so"),
    problem_type: str = "single_label_classification",
    family: str = "bert",
) -> Any:
    """Return a tiny random teacher of three layers, width 32 and two heads."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from edgekd.teacher.load import Teacher

    make_classifier(folder, labels=labels, family=family, layers=3)
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    model.config.problem_type = problem_type
    return Teacher(model.eval(), AutoTokenizer.from_pretrained(folder), 64)


def write_student(folder: Path, name: str, *, seed: int = 1) -> Path:
    """Write one of ``SHAPES``, untrained and shaken so that its answers differ, as a model folder with a tokenizer."""
    import torch

    import edgekd.student.kinds  # noqa: F401 - registers our models with the Auto classes
    from edgekd.config import StudentConfig
    from edgekd.student.kinds import build_student

    teacher = make_teacher(folder / "teacher")
    model = build_student(StudentConfig(**SHAPES[name]), teacher)
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    model.save_pretrained(folder)
    teacher.tokenizer.save_pretrained(folder)
    return folder
