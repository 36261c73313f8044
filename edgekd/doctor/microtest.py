"""Some seconds of measuring: which int8 flavour is fast here, memory, the tokenizer, a second thread.

Everything is measured in turns within short rounds, and what is reported are ratios: the clock of a machine moves more
within seconds than the flavours differ.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime as ort

from edgekd.doctor.diagnosis import MicroTest, Speed
from edgekd.doctor.order import median, median_interval
from edgekd.doctor.products import PRODUCTS, chain, extreme_product, flavours_for, some_input
from edgekd.doctor.words import sentences, wordpiece

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from edgekd.doctor.products import Flavour

# Rows (tokens) and width of products in students: the head of a bag, a cnn, a layer of a transformer.
SIZES = ((1, 128), (24, 128), (24, 384))
TURN_S = 0.002  # how long one flavour runs at a time
LEAST_ROUNDS = 6  # gives an interval of the median
MOST_ROUNDS = 400
THREADS_SIZE = (64, 384)
COPY_BYTES = 64 << 20  # more than the caches of small machines
COPY_SHARE = 16  # at most this part of the free memory, twice
# Parts of the time.
PRODUCT_SHARE, THREAD_SHARE, COPY_SHARE_S, TOKENIZER_SHARE = 0.7, 0.1, 0.1, 0.1


@dataclass(frozen=True)
class Runner:
    """Something to time: ``call`` does it once."""

    name: str
    call: Callable[[], Any]


def micro_test(seconds: float, isa: list[str], *, threads: int, free_bytes: int | None, has_time: bool) -> MicroTest:
    """Measure for about so long.

    Args:
        seconds: in all.
        isa: flags of the processor.
        threads: processors that may be used.
        free_bytes: memory that is free, if it is known.
        has_time: False under an emulator: everything runs once and nothing is timed.
    """
    started = perf_counter()
    budget = seconds * PRODUCT_SHARE / len(SIZES)
    speeds = [speed for rows, width in SIZES for speed in _products(rows, width, isa, budget if has_time else None)]
    saturates = _saturates()
    if not has_time:
        return MicroTest(0.0, speeds, saturates)
    return MicroTest(
        two_threads=_two_threads(seconds * THREAD_SHARE) if threads > 1 else None,
        copy_bytes_per_s=_copy(seconds * COPY_SHARE_S, free_bytes),
        tokenizer_s=_tokenizer(seconds * TOKENIZER_SHARE),
        seconds=perf_counter() - started,
        speeds=speeds,
        saturates=saturates,
    )


def open_graph(data: bytes, threads: int = 1) -> Any:
    """Open a model on so many threads."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def rounds_of(
    runners: Sequence[Runner], seconds: float, clock: Callable[[], float] = perf_counter
) -> list[list[float]]:
    """Time everything in turns, in random order within a round, until the time is over.

    Args:
        runners: what is timed.
        seconds: for all of it.
        clock: in seconds.

    Returns:
        For each runner the seconds of a call in each round.
    """
    calls = [_calls_for(runner, clock) for runner in runners]
    times: list[list[float]] = [[] for _ in runners]
    order = list(range(len(runners)))
    shuffle = random.Random(0).shuffle  # noqa: S311 - an order, no secret
    end = clock() + seconds
    while len(times[0]) < LEAST_ROUNDS or (clock() < end and len(times[0]) < MOST_ROUNDS):
        shuffle(order)
        for index in order:
            call = runners[index].call
            call()  # the others have emptied the caches
            begin = clock()
            for _ in range(calls[index]):
                call()
            times[index].append((clock() - begin) / calls[index])
    return times


def _calls_for(runner: Runner, clock: Callable[[], float]) -> int:
    """Return how many calls fill a turn."""
    runner.call()
    begin = clock()
    runner.call()
    return max(1, min(1000, round(TURN_S / max(clock() - begin, 1e-7))))


def _products(rows: int, width: int, isa: list[str], seconds: float | None) -> list[Speed]:
    flavours = flavours_for(isa)
    given = some_input(rows, width)
    sessions = [open_graph(chain(flavour, rows, width)) for flavour in flavours]
    answers = [session.run(None, {"x": given})[0] for session in sessions]
    errors = [_error(answer, answers[0]) for answer in answers]
    if seconds is None:
        return [_speed(one, rows, width, None, None, error) for one, error in zip(flavours, errors, strict=True)]
    runners = [
        Runner(flavour.name, lambda session=session: session.run(None, {"x": given}))  # type: ignore[misc]
        for flavour, session in zip(flavours, sessions, strict=True)
    ]
    times = rounds_of(runners, seconds)
    return [
        _speed(flavour, rows, width, own, times[0], error)
        for flavour, own, error in zip(flavours, times, errors, strict=True)
    ]


def _speed(
    flavour: Flavour, rows: int, width: int, own: list[float] | None, fp32: list[float] | None, error: float
) -> Speed:
    if own is None or fp32 is None:
        return Speed(flavour.name, rows, width, None, None, None, None, error)
    ratios = [mine / base for mine, base in zip(own, fp32, strict=True)]
    low, high = median_interval(ratios)
    return Speed(flavour.name, rows, width, min(own) / PRODUCTS, median(ratios), low, high, error)


def _error(answer: NDArray[np.float32], fp32: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.mean((answer - fp32) ** 2) / np.mean(fp32**2)))


def _saturates() -> bool:
    """Tell whether large sums of uint8 times int8 come out wrong with the runtime's own choice of kernels."""
    data, given, wanted = extreme_product()
    return not bool((open_graph(data).run(None, {"x": given})[0] == wanted).all())


def _two_threads(seconds: float) -> float:
    rows, width = THREADS_SIZE
    data = chain(flavours_for([])[0], rows, width)
    given = some_input(rows, width)
    one, two = open_graph(data), open_graph(data, threads=2)
    runners = [
        Runner("one", lambda: one.run(None, {"x": given})),
        Runner("two", lambda: two.run(None, {"x": given})),
    ]
    alone, both = rounds_of(runners, seconds)
    return median([second / first for first, second in zip(alone, both, strict=True)])


def _copy(seconds: float, free_bytes: int | None) -> float:
    """Return how fast one core copies memory, each byte counted once: the best, as such tests report it."""
    size = COPY_BYTES if free_bytes is None else max(1 << 20, min(COPY_BYTES, free_bytes // COPY_SHARE))
    source = np.ones(size, np.uint8)
    target = np.empty_like(source)
    np.copyto(target, source)  # the pages are there now
    best, end = float("inf"), perf_counter() + seconds
    while perf_counter() < end or best == float("inf"):
        begin = perf_counter()
        np.copyto(target, source)
        best = min(best, perf_counter() - begin)
    return size / best


def _tokenizer(seconds: float) -> float | None:
    """Return the seconds that a WordPiece tokenizer takes for a sentence of 20 words; None without the package."""
    tokenizer = wordpiece()
    if tokenizer is None:
        return None
    texts = sentences()
    times: list[float] = []
    end = perf_counter() + seconds
    while not times or perf_counter() < end:
        begin = perf_counter()
        for text in texts:
            tokenizer.encode(text)
        times.append((perf_counter() - begin) / len(texts))
    return median(times)
