"""The measuring process: one JSON request on stdin, one JSON answer on stdout.

Runs as ``python -m edgekd.gate.worker``. Whatever libraries print goes to stderr. Imports no pydantic, so
that the memory it reports is that of a small program around the model.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from random import Random
from time import perf_counter
from typing import TYPE_CHECKING, Any

from edgekd.bench.affinity import pin
from edgekd.bench.memory import peak_rss_bytes
from edgekd.bench.worker import open_session
from edgekd.errors import EdgekdError
from edgekd.gate.protocol import RoundsRequest, read_request
from edgekd.gate.rounds import Stop, measure_rounds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.bench.session import Session
    from edgekd.gate.protocol import LabelRequest, Request

WARM_UP_CALLS = 50


def _warm_up(session: Session, texts: Sequence[str]) -> None:
    session.warm_up([texts[call % len(texts)] for call in range(max(WARM_UP_CALLS, len(texts)))])


def measure(request: RoundsRequest) -> dict[str, Any]:
    """Load all sides, ``first`` before the other, and time them in turns."""
    count = len(request.models)
    sessions: dict[int, Session] = {}
    for turn in range(count):
        side = (request.first + turn) % count
        sessions[side] = open_session(request.models[side], request.threads)
        sessions[side].load()
    ordered = [sessions[side] for side in range(count)]
    for session in ordered:
        _warm_up(session, request.warm_up)
    stop = Stop(request.seconds, request.min_rounds, request.max_rounds, request.max_seconds)
    columns = measure_rounds(ordered, request.texts, stop, Random(request.seed))  # noqa: S311
    return {"created_first": request.first, **asdict(columns)}


def label(request: LabelRequest) -> dict[str, Any]:
    """Load one side alone and return its logits for every text, how long loading took and the largest memory."""
    session = open_session(request.model, request.threads)
    started = perf_counter()
    session.load()
    load_time_s = perf_counter() - started
    logits = [session.run([text])[0].tolist() for text in request.texts]
    return {"logits": logits, "load_time_s": load_time_s, "peak_rss_bytes": peak_rss_bytes()}


def answer(request: Request) -> dict[str, Any]:
    """Carry out a request."""
    pin(request.affinity)
    return measure(request) if isinstance(request, RoundsRequest) else label(request)


def main() -> None:
    """Serve one request."""
    # The answer gets a private copy of stdout; the number 1 that libraries print to becomes stderr.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as reply:
        os.dup2(2, 1)
        try:
            reply.write(json.dumps(answer(read_request(sys.stdin.buffer.read()))))
        except EdgekdError as error:
            sys.stderr.write(f"{error.message}\n")
            raise SystemExit(error.exit_code) from error


if __name__ == "__main__":
    main()
