"""A diagnosis that came from elsewhere, as JSON: from a board, or from a file."""

from __future__ import annotations

import json

from pydantic import TypeAdapter, ValidationError

from edgekd.doctor.diagnosis import SCHEMA_VERSION, Diagnosis
from edgekd.errors import InvalidArtifact


def read_diagnosis(text: str, source: str) -> Diagnosis:
    """Read and validate what ``python -m edgekd.doctor --json`` printed.

    Args:
        text: the JSON.
        source: where it came from, for messages.

    Raises:
        InvalidArtifact: when it is no diagnosis, or one of another version of edgekd.
    """
    try:
        raw = json.loads(text)
    except ValueError as error:
        raise InvalidArtifact(
            f"'{source}' is no diagnosis: {error}.", hint="Make one with 'edgekd devices doctor --json'."
        ) from error
    version = raw.get("schema_version") if isinstance(raw, dict) else None
    if version != SCHEMA_VERSION:
        raise InvalidArtifact(
            f"'{source}' is no diagnosis of schema {SCHEMA_VERSION} (found: {version}).",
            hint="Make one with 'edgekd devices doctor --json' of this version of edgekd.",
        )
    try:
        return TypeAdapter(Diagnosis).validate_python(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidArtifact(f"'{source}' is no diagnosis: {where}: {first['msg']}.") from error
