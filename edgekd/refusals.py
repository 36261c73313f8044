"""Steps that have nothing to do on a model: the reason is kept as the output of the stage, so it is found out once."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from edgekd.artifacts import publish_folder, read_json, write_json_atomic
from edgekd.errors import NotApplicable
from edgekd.runfolder import recorded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

REFUSAL_FILE = "not-applicable.json"


@contextmanager
def remembered(target: Path, stage: str, inputs: Mapping[str, Any]) -> Iterator[None]:
    """Record ``target`` as a finished stage when the block ends, also when it ends with :class:`NotApplicable`."""
    try:
        with recorded(target, stage, inputs):
            yield
    except NotApplicable as error:
        with recorded(target, stage, inputs), publish_folder(target) as building:
            write_json_atomic(building / REFUSAL_FILE, {"reason": error.message, "hint": error.hint})
        raise


def raise_remembered(target: Path) -> None:
    """Raise what a finished stage ended with, if it was that it has nothing to do.

    Raises:
        NotApplicable: with the reason of then.
    """
    path = target / REFUSAL_FILE
    if path.is_file():
        found = read_json(path)
        raise NotApplicable(found["reason"], hint=found["hint"])
