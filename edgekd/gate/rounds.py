"""Sides take turns on the same text, in random order.

In scope: whose turn it is and when to stop. Out of scope: how a call is timed, processes, statistics, verdicts.
"""

from __future__ import annotations

import gc
from dataclasses import dataclass, field
from time import perf_counter_ns
from typing import TYPE_CHECKING

from edgekd.bench.loop import NS_PER_S, measure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from random import Random

    from edgekd.bench.session import Session

CALLS_PER_ROUND = 10


@dataclass
class Columns:
    """Calls of one process, column by column. ``seconds[side][i]`` belongs to text ``text_index[i]``.

    A plain class: the measuring process imports no pydantic, so that its memory is the product's.
    """

    text_index: list[int] = field(default_factory=list)
    round: list[int] = field(default_factory=list)
    first_side: list[int] = field(default_factory=list)  # which side ran the text first
    seconds: list[list[float]] = field(default_factory=list)


@dataclass(frozen=True)
class Stop:
    """When a process has measured enough: after ``seconds`` and ``min_rounds``, or at a hard limit."""

    seconds: float
    min_rounds: int
    max_rounds: int
    max_seconds: float

    def reached(self, rounds: int, elapsed_s: float) -> bool:
        """Tell whether to stop."""
        if rounds >= self.max_rounds or elapsed_s >= self.max_seconds:
            return True
        return rounds >= self.min_rounds and elapsed_s >= self.seconds


def passes(sessions: Sequence[Session], texts: int, rng: Random) -> Iterator[list[int]]:
    """Yield rounds of text indexes without end; each pass is shuffled, with caches as after warm-up.

    A remainder shorter than a round is left out; it is another one in the next pass.
    """
    size = min(CALLS_PER_ROUND, texts)
    order = list(range(texts))
    while True:
        rng.shuffle(order)
        for session in sessions:
            # NOTE: a session may remember words. Without this a text would be measured with its own words
            # known.
            begin_pass = getattr(session, "begin_pass", None)
            if begin_pass is not None:
                begin_pass()
        for start in range(0, texts - size + 1, size):
            yield order[start : start + size]


def _turns(calls: int, sides: int, rng: Random) -> list[int]:
    """Return which side goes first in each call of a round: each one equally often, in random order."""
    turns = [call % sides for call in range(calls)]
    rng.shuffle(turns)
    return turns


def measure_rounds(
    sessions: Sequence[Session],
    texts: Sequence[str],
    stop: Stop,
    rng: Random,
    clock: Callable[[], int] = perf_counter_ns,
) -> Columns:
    """Time every session on the same texts, text in to label out, one text at a time.

    Args:
        sessions: one or two loaded and warm sides.
        texts: the real mix of lengths.
        stop: how long to go on.
        rng: decides the order of texts and of turns.
        clock: nanoseconds; an argument so that tests can script it.
    """
    sides = len(sessions)
    columns = Columns(seconds=[[] for _ in sessions])
    gc.collect()
    gc.disable()
    try:
        started = clock()
        for number, indexes in enumerate(passes(sessions, len(texts), rng)):
            if stop.reached(number, (clock() - started) / NS_PER_S):
                break
            for index, first in zip(indexes, _turns(len(indexes), sides, rng), strict=True):
                for turn in range(sides):
                    side = (first + turn) % sides
                    call = measure(sessions[side], texts, [index], number, clock)
                    columns.seconds[side].append(round(call.total_s[0], 9))
                columns.text_index.append(index)
                columns.round.append(number)
                columns.first_side.append(first)
    finally:
        gc.enable()
    return columns
