"""The students in words and numbers, for ``edgekd students``. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgekd.config import StudentConfig
from edgekd.student.cost import COSTS, LENGTH, Cost
from edgekd.student.names import STUDENT_KINDS
from edgekd.student.sizes import FORMS, SIZES

# all-MiniLM-L6-v2, the demo's teacher.
TEACHER = {"hidden_dim": 384, "ffn_dim": 1536}
TEACHER_NAME, TEACHER_LAYERS = "all-MiniLM-L6-v2", 6
TEACHER_VOCABULARY, TEACHER_POSITIONS, TEACHER_TOKEN_TYPES = 30_522, 512, 2

SUMMARIES = {
    "linear": "adds one weight per token and n-gram; explains itself exactly",
    "bag": "weighted mean of token vectors, then a small MLP; blind to word order",
    "cnn": "convolutions over a few neighbouring tokens, maximum over the text",
    "bigru": "reads the text in both directions with gated recurrent units",
    "bilstm": "reads the text in both directions with long short-term memory",
    "transformer": "attention layers: some of the teacher's, or new ones from scratch",
}

DETAILS = {
    "linear": (
        "logits = bias + (sum of the rows of all tokens and hashed n-grams) / sqrt(number of tokens). Every row is an "
        "exact contribution. It starts at 0 and wants a learning rate of about 0.01. With `features: teacher` it is "
        "a new linear head on the frozen teacher instead, as large and as slow as that."
    ),
    "bag": (
        "Each token has a vector and a learned weight; the mean goes through one hidden layer. `ngrams` above 1 adds "
        "the mean vector of hashed n-grams, in a table of `buckets` rows that starts at 0."
    ),
    "cnn": "`hidden_dim` filters for each of the `widths`, ReLU, maximum over the text, one matrix (Kim 2014).",
    "bigru": (
        "`layers` recurrent layers with `hidden_dim` units in each direction, maximum over the states. Three quarters "
        "of a bilstm's work."
    ),
    "bilstm": "`layers` recurrent layers with `hidden_dim` units in each direction, maximum over the states.",
    "transformer": (
        "Cut from the teacher it keeps its tokens, heads and classifier: half of the layers if `layers` is not given; "
        "`hidden_dim` with `projection` makes it narrower too. A `size` or `from_scratch: true` makes a new one, whose "
        "only start is the teacher's token vectors."
    ),
}


@dataclass(frozen=True)
class Row:
    """One student of the table."""

    kind: str
    size: str  # a named size, or how the teacher is cut
    shape: dict[str, Any]
    cost: Cost

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, bytes and MACs with their units in the names."""
        return {
            "kind": self.kind,
            "size": self.size,
            "shape": self.shape,
            "parameters": self.cost.parameters,
            f"macs_length_{LENGTH}": self.cost.macs,
            "fp32_bytes": self.cost.fp32_bytes,
            "int8_bytes": self.cost.int8_bytes,
            "summary": SUMMARIES[self.kind],
        }


def rows(vocab: int, labels: int, kinds: tuple[str, ...] = STUDENT_KINDS) -> list[Row]:
    """Return all named sizes of the kinds, and what is left of the demo's teacher when it is cut.

    Args:
        vocab: tokens in the vocabulary; a cut transformer always has its teacher's.
        labels: outputs.
        kinds: which ones.
    """
    table = [
        Row(kind, size, shape, COSTS[kind](shape, vocab=vocab, labels=labels))
        for kind in kinds
        for size, shape in SIZES[kind].items()
    ]
    if "transformer" in kinds:
        for layers in (1, 2, 3):
            shape = {"layers": layers, **TEACHER}
            cost = COSTS["transformer"](
                shape,
                vocab=TEACHER_VOCABULARY,
                labels=labels,
                positions=TEACHER_POSITIONS,
                token_types=TEACHER_TOKEN_TYPES,
            )
            table.append(Row("transformer", f"{layers} of {TEACHER_LAYERS} layers of {TEACHER_NAME}", shape, cost))
    return table


def options(kind: str) -> dict[str, str]:
    """Return the fields that shape a kind, with their explanation and, where forms differ, which one has them."""
    forms = FORMS[kind]
    described: dict[str, str] = {}
    for name in dict.fromkeys(name for names in forms.values() for name in names):
        owners = [form for form, names in forms.items() if name in names]
        only = f" Only {owners[0]}." if len(owners) < len(forms) else ""
        described[name] = (StudentConfig.model_fields[name].description or "") + only
    if kind != "transformer":
        described["dropout"] = StudentConfig.model_fields["dropout"].description or ""
    return described
