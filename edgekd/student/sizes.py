"""Named sizes, and which fields of a student's configuration its kind has. Plain tables, no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgekd.errors import ConfigError
from edgekd.student.names import check_kind

if TYPE_CHECKING:
    from edgekd.config import StudentConfig

SIZE_NAMES = ("nano", "micro", "tiny", "small")

# What a size sets. Without a size a student has the fields of `small`, except a transformer, which is then cut from
# the teacher. FFN widths are four times the hidden size, as in BERT (Devlin et al. 2018, arXiv 1810.04805).
SIZES: dict[str, dict[str, dict[str, Any]]] = {
    "linear": {
        "nano": {"ngrams": 1, "buckets": 16},  # no n-gram is hashed, so the buckets are not made
        "micro": {"ngrams": 2, "buckets": 8_192},
        "tiny": {"ngrams": 2, "buckets": 32_768},
        "small": {"ngrams": 2, "buckets": 131_072},
    },
    "bag": {
        "nano": {"embedding_dim": 16, "hidden_dim": 16},
        "micro": {"embedding_dim": 32, "hidden_dim": 32},
        "tiny": {"embedding_dim": 64, "hidden_dim": 64},
        "small": {"embedding_dim": 128, "hidden_dim": 128},
    },
    "cnn": {
        "nano": {"embedding_dim": 16, "hidden_dim": 16, "widths": [2, 3]},
        "micro": {"embedding_dim": 32, "hidden_dim": 32, "widths": [2, 3, 4]},
        "tiny": {"embedding_dim": 64, "hidden_dim": 64, "widths": [2, 3, 4]},
        "small": {"embedding_dim": 128, "hidden_dim": 96, "widths": [2, 3, 4]},
    },
    "bigru": {
        "nano": {"embedding_dim": 16, "hidden_dim": 16, "layers": 1},
        "micro": {"embedding_dim": 32, "hidden_dim": 32, "layers": 1},
        "tiny": {"embedding_dim": 64, "hidden_dim": 64, "layers": 1},
        "small": {"embedding_dim": 128, "hidden_dim": 128, "layers": 1},
    },
    "transformer": {
        "nano": {"layers": 1, "hidden_dim": 64, "heads": 2, "ffn_dim": 256},
        "micro": {"layers": 2, "hidden_dim": 96, "heads": 3, "ffn_dim": 384},
        "tiny": {"layers": 2, "hidden_dim": 128, "heads": 4, "ffn_dim": 512},
        "small": {"layers": 4, "hidden_dim": 256, "heads": 8, "ffn_dim": 1024},
    },
}
SIZES["bilstm"] = SIZES["bigru"]

_WORDS = ("embedding_dim", "embeddings", "factor_dim")
_OWN = ("size", "vocabulary")
# The forms of each kind, and the fields that each form has besides those of training.
FORMS: dict[str, dict[str, tuple[str, ...]]] = {
    "linear": {
        "on tokens": (*_OWN, "features", "ngrams", "buckets"),
        "on the teacher's sentence vector": ("features",),
    },
    "bag": {"": (*_OWN, *_WORDS, "hidden_dim", "ngrams", "buckets")},
    "cnn": {"": (*_OWN, *_WORDS, "hidden_dim", "widths")},
    "bigru": {"": (*_OWN, *_WORDS, "hidden_dim", "layers")},
    "bilstm": {"": (*_OWN, *_WORDS, "hidden_dim", "layers")},
    "transformer": {
        "cut from the teacher": ("layers", "hidden_dim", "projection", "from_scratch"),
        "from scratch": (*_OWN, *_WORDS, "layers", "hidden_dim", "heads", "ffn_dim", "from_scratch"),
    },
}
# Every field that some form lacks.
SHAPE_FIELDS = tuple(dict.fromkeys(name for forms in FORMS.values() for names in forms.values() for name in names))
BAG_BUCKETS = 16_384


def form_of(config: StudentConfig) -> str:
    """Return which form of its kind a configuration asks for.

    Raises:
        ConfigError: for an unknown kind.
    """
    check_kind(config.kind)
    if config.kind == "linear":
        return "on the teacher's sentence vector" if config.features == "teacher" else "on tokens"
    if config.kind == "transformer":
        scratch = config.from_scratch if config.from_scratch is not None else config.size is not None
        return "from scratch" if scratch else "cut from the teacher"
    return ""


def check_fields(config: StudentConfig) -> None:
    """Reject fields that this form of the student does not have.

    Raises:
        ConfigError: naming the fields and what the form allows.
    """
    form = form_of(config)
    allowed = FORMS[config.kind][form]
    wrong = [name for name in SHAPE_FIELDS if name not in allowed and getattr(config, name) is not None]
    if wrong:
        hint = None
        if form == "cut from the teacher":
            hint = "A cut transformer keeps the teacher's tokens and heads; from_scratch: true makes a new one."
        raise ConfigError(
            f"Student '{config.label}' of kind '{config.kind}'{' ' + form if form else ''} has no option "
            f"{', '.join(wrong)}. Allowed: {', '.join(allowed)}.",
            hint=hint,
        )


def shape_of(config: StudentConfig) -> dict[str, Any]:
    """Return the fields that decide the student's shape: those of its size, with the explicit ones over them.

    Not for a transformer cut from the teacher, whose shape is the teacher's.

    Raises:
        ConfigError: for a field that the student does not have.
    """
    check_fields(config)
    shape = dict(SIZES[config.kind][config.size or "small"])
    shape |= {name: value for name in SHAPE_FIELDS if (value := getattr(config, name)) is not None}
    if config.kind == "bag":
        shape.setdefault("ngrams", 1)
        shape.setdefault("buckets", BAG_BUCKETS)
    if config.buckets is not None and shape["ngrams"] == 1:
        raise ConfigError(
            f"Student '{config.label}' has buckets, but no n-grams to put into them: ngrams is 1.",
            hint="Set ngrams to 2, 3 or 4, or leave buckets out.",
        )
    if config.kind in ("bilstm", "bigru") and not (isinstance(shape["layers"], int) and 1 <= shape["layers"] <= 8):
        raise ConfigError(
            f"Student '{config.label}' of kind '{config.kind}': layers: {shape['layers']} must be one number from 1 "
            "to 8."
        )
    return shape
