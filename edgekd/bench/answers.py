"""Step of a measuring process: the token ids of texts. Imports nothing that a small process would notice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgekd.bench.worker import Worker

STEP = "edgekd.bench.answers:token_ids"


def token_ids(worker: Worker, request: dict[str, Any]) -> dict[str, Any]:
    """Return the ids of ``request["texts"]``, one list a text."""
    rows = [worker.session.encode([text]).feed["input_ids"][0] for text in request["texts"]]
    return {"ids": [row.tolist() for row in rows]}
