"""What a new process does in the scenario *cold*. Imports as little as the measuring process itself."""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from edgekd.bench.affinity import pin
from edgekd.bench.loop import NS_PER_S

if TYPE_CHECKING:
    from edgekd.bench.worker import Worker


def first_answer(worker: Worker, request: dict[str, Any]) -> dict[str, Any]:
    """Import, load and answer a first text in a process that has done nothing yet."""
    from edgekd.bench.worker import open_session

    pin(request["affinity"])
    t0 = perf_counter_ns()
    worker.session = open_session(request["variant"], request["threads"], spinning=request["spinning"])
    t1 = perf_counter_ns()
    worker.session.load()
    t2 = perf_counter_ns()
    worker.session.run([request["text"]])[0].argmax()
    t3 = perf_counter_ns()
    parts = {"import_s": t1 - t0, "load_s": t2 - t1, "first_answer_s": t3 - t2}
    return {name: taken / NS_PER_S for name, taken in parts.items()}
