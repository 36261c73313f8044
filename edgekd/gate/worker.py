"""The measuring process: one JSON request on stdin, one JSON answer on stdout.

Runs as ``python -m edgekd.gate.worker``. Whatever libraries print goes to stderr.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from random import Random
from time import perf_counter
from typing import TYPE_CHECKING

from edgekd.errors import EdgekdError
from edgekd.gate.protocol import ProbeRequest, RoundsRequest, read_request
from edgekd.gate.records import Probe, ProcessSamples
from edgekd.gate.rounds import Stop, measure_rounds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.bench.session import Session
    from edgekd.gate.protocol import Request

WARM_UP_CALLS = 30


def _open(bundle: str, threads: int) -> Session:
    from edgekd.bundle import load_bundle
    from edgekd.runtime import OnnxSession

    # The parent has verified the hashes.
    return OnnxSession(load_bundle(Path(bundle), verify=False), threads=threads)


def _warm_up(session: Session, texts: Sequence[str]) -> None:
    repeated = [texts[call % len(texts)] for call in range(max(WARM_UP_CALLS, len(texts)))]
    session.warm_up(repeated)


def measure(request: RoundsRequest) -> ProcessSamples:
    """Load all sides, ``first`` before the other, and time them in turns."""
    count = len(request.bundles)
    sessions: dict[int, Session] = {}
    for turn in range(count):
        side = (request.first + turn) % count
        sessions[side] = _open(request.bundles[side], request.threads)
        sessions[side].load()
    ordered = [sessions[side] for side in range(count)]
    for session in ordered:
        _warm_up(session, request.warm_up)
    stop = Stop(request.seconds, request.min_rounds, request.max_rounds, request.max_seconds)
    samples = measure_rounds(ordered, request.texts, stop, Random(request.seed))  # noqa: S311 - not cryptography
    return samples.model_copy(update={"created_first": request.first})


def probe(request: ProbeRequest) -> Probe:
    """Load one side alone and label every text, one at a time, as the product would."""
    session = _open(request.bundle, request.threads)
    started = perf_counter()
    session.load()
    load_time_s = perf_counter() - started
    predictions = [int(session.run([text])[0].argmax()) for text in request.texts]
    return Probe(predictions=predictions, load_time_s=load_time_s, peak_rss_bytes=_peak_rss_bytes())


def _peak_rss_bytes() -> int:
    """Return the highest resident set size this process ever had."""
    from edgekd.bench.memory import peak_rss_bytes

    return peak_rss_bytes()


def _pin(cpus: Sequence[int]) -> None:
    if cpus and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cpus)


def answer(request: Request) -> str:
    """Carry out a request and return the answer as JSON."""
    _pin(request.affinity)
    record = measure(request) if isinstance(request, RoundsRequest) else probe(request)
    return record.model_dump_json()


def main() -> None:
    """Serve one request."""
    # The answer gets a private copy of stdout; the number 1 that libraries print to becomes stderr.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as reply:
        os.dup2(2, 1)
        try:
            reply.write(answer(read_request(sys.stdin.buffer.read())))
        except EdgekdError as error:
            sys.stderr.write(f"{error.message}\n")
            raise SystemExit(error.exit_code) from error


if __name__ == "__main__":
    main()
