"""A trained model on its way to a board: where it lies, what is known of it, how it came to be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from edgekd.proof import Proof
    from edgekd.provenance import LineageStep


@dataclass(frozen=True)
class ExportedModel:
    """A trained model, or one after some steps of compression."""

    name: str  # of the model that it is a form of: "teacher", "cnn"
    kind: str
    role: str  # "teacher" or "student"
    folder: Path  # Hugging Face folder
    weights_hash: str
    tokenizer_hash: str
    metrics: dict[str, Any]  # calibration, parameters, and scores on "validation", "test" and "evaluate"
    lineage: list[LineageStep]  # ends with this model
    proof: Proof | None
    form: str = ""  # the folder of the compressed form, "" as it was trained
