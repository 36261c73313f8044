"""What a measuring process does in a scenario; each function answers a request of :mod:`edgekd.bench.worker`.

Nothing is imported here that a measuring process does not need anyway.
"""

from __future__ import annotations

import gc
from array import array
from contextlib import contextmanager
from time import perf_counter_ns, sleep
from typing import TYPE_CHECKING, Any

from edgekd.analysis.estimators import percentile
from edgekd.bench.loop import NS_PER_S, measure
from edgekd.bench.scenarios.words import texts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from edgekd.bench.session import Session
    from edgekd.bench.worker import Worker

WARM_NS = 5_000_000  # of untimed calls before anything is timed, at least one: other variants had the caches before
WATCH_NS = 500_000  # before an arrival the clock is watched, because a sleeping process wakes up late


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Keep the garbage collector out."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _warm(session: Session, texts: Sequence[str]) -> None:
    end = perf_counter_ns() + WARM_NS
    while True:
        session.run(texts)
        if perf_counter_ns() >= end:
            return


def _begin_pass(session: Session) -> None:
    """Return to the warm state: no word is known because it was measured before."""
    begin_pass = getattr(session, "begin_pass", None)
    if begin_pass is not None:
        begin_pass()


def offline(worker: Worker, request: dict[str, Any]) -> dict[str, Any]:
    """Answer all texts, ``batch_size`` at once, ``passes`` times over."""
    texts, size = request["texts"], request["batch_size"]
    _warm(worker.session, request["warm"])
    batches = [texts[start : start + size] for start in range(0, len(texts), size)]
    with _undisturbed():
        taken = sum(_answer_all(worker.session, batches) for _ in range(request["passes"]))
    return {"texts": len(texts) * request["passes"], "seconds": taken / NS_PER_S}


def _answer_all(session: Session, batches: Sequence[Sequence[str]]) -> int:
    """Return the nanoseconds from the first text to the last label."""
    _begin_pass(session)
    t0 = perf_counter_ns()
    for batch in batches:
        session.run(batch).argmax(axis=1)
    return perf_counter_ns() - t0


def server(worker: Worker, request: dict[str, Any]) -> dict[str, Any]:
    """Answer texts that arrive at given moments, in the order of arrival."""
    _warm(worker.session, request["warm"])
    _begin_pass(worker.session)
    with _undisturbed():
        waited, total = serve_arrivals(worker.session, request["texts"], request["arrival_s"])
    return {"waited_s": waited, "total_s": total}


def serve_arrivals(
    session: Session,
    texts: Sequence[str],
    arrival_s: Sequence[float],
    clock: Callable[[], int] = perf_counter_ns,
    pause: Callable[[float], None] = sleep,
) -> tuple[list[float], list[float]]:
    """Answer each text as soon as it has arrived and those before it are answered.

    The moments of arrival are fixed beforehand and do not wait for answers, so a slow answer delays all that
    arrive meanwhile, and each of them says so: no "coordinated omission" (Gil Tene, How NOT to Measure Latency).

    Args:
        session: loaded and warm.
        texts: what arrives.
        arrival_s: when, ascending, from the start.
        clock: whole nanoseconds, monotonic.
        pause: sleeps for seconds; the last 0.5 ms before an arrival the clock is watched instead.

    Returns:
        Seconds from arrival to the start of the work, and from arrival to the answer.
    """
    waited: list[float] = []
    total: list[float] = []
    start = clock()
    for text, arrival in zip(texts, arrival_s, strict=True):
        due = start + round(arrival * NS_PER_S)
        early = due - clock()
        if early > WATCH_NS:
            pause((early - WATCH_NS) / NS_PER_S)
        begun = clock()
        while begun < due:
            begun = clock()
        session.run([text])[0].argmax()
        total.append((clock() - due) / NS_PER_S)
        waited.append((begun - due) / NS_PER_S)
    return waited, total


def sustained(worker: Worker, request: dict[str, Any]) -> dict[str, Any]:
    """Answer texts one by one without a pause for some seconds; every slice begins with the same texts."""
    with _undisturbed():
        return load_slice(worker.session, request["texts"], request["seconds"])


def load_slice(
    session: Session, texts: Sequence[str], seconds: float, clock: Callable[[], int] = perf_counter_ns
) -> dict[str, Any]:
    """Answer texts over and over until so many seconds have passed.

    Returns:
        ``seconds`` that it took, ``calls``, ``p50_s`` and ``p95_s``: minutes of single calls would be too many to keep.
    """
    found = array("q")
    start = done = clock()
    end = start + round(seconds * NS_PER_S)
    while done < end:
        _begin_pass(session)
        for text in texts:
            t0 = clock()
            session.run([text])[0].argmax()
            done = clock()
            found.append(done - t0)
            if done >= end:
                break
    return {
        "seconds": (done - start) / NS_PER_S,
        "calls": len(found),
        "p50_s": percentile(found, 0.5) / NS_PER_S,
        "p95_s": percentile(found, 0.95) / NS_PER_S,
    }


def make_texts(worker: Worker, request: dict[str, Any]) -> dict[str, Any]:
    """Make texts of exactly so many tokens of this variant's tokenizer; a length that it cannot have gets none."""
    session = worker.session
    made = texts_of(
        lambda text: session.encode([text]).tokens,
        request["texts"],
        request["lengths"],
        count=request["count"],
        seed=request["seed"],
    )
    return {"texts": [made[length] for length in request["lengths"]]}


def length(worker: Worker, request: dict[str, Any]) -> dict[str, Any]:
    """Time texts of one length, one by one, with the loop that times everything else."""
    texts: list[str] = request["texts"]
    _warm(worker.session, texts[:1])
    _begin_pass(worker.session)
    with _undisturbed():
        timings = measure(worker.session, texts, range(len(texts)), 0)
    return {name: getattr(timings, name) for name in ("tokens", "total_s", "tokenize_s", "infer_s")}
