"""When to look at the samples: few first, more only while a rule is undecided.

Between looks fresh processes are added, because what differs from process to process does not average out
within one. There are at most six looks, which is what the 99 % of :mod:`edgekd.analysis.paired` allows for.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

from edgekd.gate.rounds import CALLS_PER_ROUND, Stop

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edgekd.gate.records import ProcessSamples

LOOKS = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 3 / 4, 1.0)  # shares of the time limit
FIRST_PROCESSES = 6  # before the first look; even, so that each side was created first equally often
PROCESS_SHARE = 1 / 40  # of the time limit, that one process measures
MAX_PROCESS_CALLS = 1500  # per side: a fast model is better measured in more processes than longer in one
MAX_CALLS = 60_000  # per side and gate; more makes the file large and the interval hardly narrower

# Calls per side before a percentile is judged. MLPerf's floors for one absolute percentile are 64, 130 and
# 662; a change of a few percent needs more of the tail.
MIN_CALLS = {0.50: 200, 0.90: 300, 0.95: 400, 0.99: 1000}


@dataclass(frozen=True)
class Look:
    """One process to run: its number, from 0, and when it has measured enough."""

    process: int
    stop: Stop


def _stop(done: Sequence[ProcessSamples], elapsed_s: float, *, min_calls: int, max_seconds: float) -> Stop:
    """Say how long the next process measures: the first ones share the minimum of calls."""
    left = max(1, FIRST_PROCESSES - len(done))
    missing = min_calls - calls(done)
    fewest = max(1, -(-missing // (CALLS_PER_ROUND * left)))
    return Stop(
        seconds=max_seconds * PROCESS_SHARE,
        min_rounds=fewest,
        max_rounds=max(fewest, MAX_PROCESS_CALLS // CALLS_PER_ROUND),
        max_seconds=max(0.1, (max_seconds - elapsed_s) / left),
    )


def calls(samples: Sequence[ProcessSamples]) -> int:
    """Return the number of calls of each side."""
    return sum(len(process.text_index) for process in samples)


def gather(
    run: Callable[[Look], ProcessSamples],
    decided: Callable[[Sequence[ProcessSamples]], bool],
    *,
    min_calls: int,
    max_seconds: float,
    clock: Callable[[], float] = monotonic,
) -> list[ProcessSamples]:
    """Run processes until all rules are decided or the time is up.

    Args:
        run: measures in one fresh process.
        decided: tells from all samples so far whether more would change nothing.
        min_calls: calls per side before the first look, if the time allows.
        max_seconds: wall-clock limit for everything, process starts included; the process that is running
        when it
            is reached ends its round first.
        clock: seconds; an argument so that tests can script it.
    """
    started = clock()
    samples: list[ProcessSamples] = []
    for share in LOOKS:
        while True:
            stop = _stop(samples, clock() - started, min_calls=min_calls, max_seconds=max_seconds)
            samples.append(run(Look(len(samples), stop)))
            elapsed = clock() - started
            if elapsed >= max_seconds:
                return samples
            enough = elapsed >= share * max_seconds or calls(samples) >= MAX_CALLS
            if enough and len(samples) >= FIRST_PROCESSES and len(samples) % 2 == 0:
                break
        if decided(samples) or calls(samples) >= MAX_CALLS:
            break
    return samples
