"""What was tried and kept or dropped, and why; stored as ``decisions.json`` beside the results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from edgekd.artifacts import read_json, write_json_atomic
from edgekd.errors import InvalidArtifact
from edgekd.results import Record

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

DECISIONS_FILE = "decisions.json"


class Decision(Record):
    """One compression step or variant that was kept or dropped for a target."""

    variant: str
    target: str
    kept: bool
    reason: str  # a sentence: what was measured against what
    evidence: str  # see edgekd.results.Evidence


_DECISIONS = TypeAdapter(list[Decision])


def save_decisions(decisions: Sequence[Decision], folder: Path) -> None:
    """Write ``decisions.json`` into a folder."""
    write_json_atomic(folder / DECISIONS_FILE, [decision.model_dump(mode="json") for decision in decisions])


def load_decisions(folder: Path) -> list[Decision]:
    """Read the decisions of a folder; none when there is no file.

    Raises:
        InvalidArtifact: when the file is damaged.
    """
    path = folder / DECISIONS_FILE
    if not path.is_file():
        return []
    try:
        return _DECISIONS.validate_python(read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidArtifact(f"'{path}' is damaged: {where}: {first['msg']}.") from error
