"""When to look at the samples: few first, more only while a rule is undecided.

Every look adds fresh processes and about doubles the samples. There are at most six, which is what the 99 %
of :mod:`edgekd.analysis.paired` allows for.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

from edgekd.gate.rounds import CALLS_PER_ROUND, Stop

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edgekd.gate.records import ProcessSamples

# Processes added by each look, and the share of the time budget that is used up by its end.
LOOKS = ((4, 1 / 16), (2, 1 / 8), (2, 1 / 4), (4, 1 / 2), (4, 3 / 4), (4, 1.0))
MAX_CALLS = 20_000  # per side; more makes the file large and the interval hardly narrower

# Calls per side before a percentile is judged. MLPerf's floors for one absolute percentile are 64, 130 and
# 662; a change of a few percent needs more of the tail.
MIN_CALLS = {0.50: 200, 0.90: 300, 0.95: 400, 0.99: 1000}


@dataclass(frozen=True)
class Look:
    """One process to run: its number, from 0, and when it has measured enough."""

    process: int
    stop: Stop


def gather(
    run: Callable[[Look], ProcessSamples],
    decided: Callable[[Sequence[ProcessSamples]], bool],
    *,
    min_calls: int,
    max_seconds: float,
    clock: Callable[[], float] = monotonic,
) -> list[ProcessSamples]:
    """Run processes until all rules are decided or the time is up.

    The first look is always completed as far as the hard limit allows, so that there is something to judge.

    Args:
        run: measures in one fresh process.
        decided: tells from all samples so far whether more would change nothing.
        min_calls: calls per side that the first look collects.
        max_seconds: wall-clock limit for everything, process starts included.
        clock: seconds; an argument so that tests can script it.
    """
    started = clock()
    samples: list[ProcessSamples] = []
    for count, share in LOOKS:
        for left in range(count, 0, -1):
            elapsed = clock() - started
            if elapsed >= max_seconds and samples:
                return samples
            calls = sum(len(s.text_index) for s in samples)
            stop = Stop(
                seconds=max(0.0, (share * max_seconds - elapsed) / left),
                min_rounds=max(1, -(-(min_calls - calls) // (CALLS_PER_ROUND * left))),
                max_rounds=max(1, (MAX_CALLS - calls) // (CALLS_PER_ROUND * left)),
                max_seconds=max(0.1, (max_seconds - elapsed) / (left if len(samples) < LOOKS[0][0] else 1)),
            )
            samples.append(run(Look(len(samples), stop)))
        if decided(samples) or sum(len(s.text_index) for s in samples) >= MAX_CALLS:
            break
    return samples
