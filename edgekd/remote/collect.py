"""Results that came from a board, checked like any foreign file before they get their place."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekd.artifacts import read_json, write_json_atomic
from edgekd.errors import InvalidArtifact
from edgekd.results import RESULT_SUFFIX, BenchResult, Evidence, load_result, save_result

if TYPE_CHECKING:
    from edgekd.bench.variants import Variant
    from edgekd.remote.order import Prepared

RECORD_FILE = "edgekd-board.json"  # beside collected results: which measurement they are of
FROM_BOARDS = {Evidence.DEVICE, Evidence.EMULATED}


def accept(content: bytes, variant: Variant, prepared: Prepared, board: str) -> BenchResult:
    """Return a result that a board sent.

    Args:
        content: of the file.
        variant: that it must be of.
        prepared: what the board was sent.
        board: its name, for messages.

    Raises:
        InvalidArtifact: when it is damaged, or of something else than what was sent.
    """
    with tempfile.TemporaryDirectory(prefix="edgekd-") as work:
        path = Path(work) / f"from-board{RESULT_SUFFIX}"
        path.write_bytes(content)
        try:
            result = load_result(path)
        except InvalidArtifact as error:
            raise InvalidArtifact(f"{board}: the result of '{variant.name}' is damaged: {error.message}") from error
    wanted: dict[str, Any] = {
        "variant": variant.name,
        "artifact_hash": variant.artifact_hash,
        "data_hash": prepared.data_hash,
        "target": prepared.profile.name,
    }
    for name, value in wanted.items():
        if getattr(result, name) != value:
            raise InvalidArtifact(
                f"{board}: the result of '{variant.name}' is of another measurement ({name} differs)."
            )
    if result.evidence not in FROM_BOARDS:
        raise InvalidArtifact(f"{board}: the result of '{variant.name}' was not measured on the board.")
    known_here = {
        "artifact": str(variant.path),
        "data_name": prepared.data_name,
        "board": board,
        "lineage": list(variant.lineage),
        "parity": variant.parity,
    }
    return result.model_copy(update=known_here)


def keep(results: list[BenchResult], prepared: Prepared, out: Path, *, complete: bool) -> None:
    """Write results and, last, where they are complete, which measurement they are of."""
    for result in results:
        save_result(result, out / f"{result.variant}{RESULT_SUFFIX}")
    if complete:
        write_json_atomic(out / RECORD_FILE, {"key": prepared.key, "session": results[0].session})


def collected(prepared: Prepared, out: Path) -> list[BenchResult] | None:
    """Return the results of this very measurement where they were collected before."""
    try:
        record = read_json(out / RECORD_FILE)
        if not isinstance(record, dict) or record.get("key") != prepared.key:
            return None
        results = [load_result(out / f"{variant.name}{RESULT_SUFFIX}") for variant in prepared.variants]
    except InvalidArtifact:
        return None
    return results if all(result.session == record.get("session") for result in results) else None
