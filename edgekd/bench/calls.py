"""Many calls without timing each: what the leak check and the measurement of energy ask a measuring process for."""

from __future__ import annotations

import gc
from itertools import cycle, islice
from time import perf_counter
from typing import TYPE_CHECKING, Any

from edgekd.bench.memory import rss_bytes

if TYPE_CHECKING:
    from edgekd.bench.worker import Worker


def some(worker: Worker, request: dict[str, Any]) -> dict[str, Any]:
    """Answer ``calls`` texts one by one and say how much memory is resident then, garbage collected."""
    run = worker.session.run
    for text in islice(cycle(request["texts"]), request["calls"]):
        run([text])
    gc.collect()
    return {"rss_bytes": rss_bytes()}


def for_seconds(worker: Worker, request: dict[str, Any]) -> dict[str, Any]:
    """Answer texts one by one until ``seconds`` are over; the last one is finished."""
    run, calls = worker.session.run, 0
    end = perf_counter() + request["seconds"]
    for text in cycle(request["texts"]):
        run([text])
        calls += 1
        if perf_counter() >= end:
            break
    return {"calls": calls}
