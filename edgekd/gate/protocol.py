"""What the gate asks of a measuring process. Plain classes: the child imports no pydantic."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

ModelFields = dict[str, Any]  # what edgekd.bench.worker.open_session takes


@dataclass(frozen=True)
class RoundsRequest:
    """Time one or two models in turns."""

    models: list[ModelFields]
    first: int  # side whose session is created first
    threads: int
    affinity: list[int]
    texts: list[str]
    warm_up: list[str]
    seconds: float  # see edgekd.gate.rounds.Stop
    min_rounds: int
    max_rounds: int
    max_seconds: float
    seed: int


@dataclass(frozen=True)
class LabelRequest:
    """Answer all texts with one model, one text at a time as the product would."""

    model: ModelFields
    threads: int
    affinity: list[int]
    texts: list[str]


Request = RoundsRequest | LabelRequest
_KINDS: dict[str, type[RoundsRequest] | type[LabelRequest]] = {"rounds": RoundsRequest, "label": LabelRequest}


def write_request(request: Request) -> bytes:
    """Return a request as JSON."""
    kind = "rounds" if isinstance(request, RoundsRequest) else "label"
    return json.dumps({"kind": kind, **asdict(request)}).encode()


def read_request(data: bytes) -> Request:
    """Read a request as the parent wrote it."""
    fields = json.loads(data)
    return _KINDS[fields.pop("kind")](**fields)
