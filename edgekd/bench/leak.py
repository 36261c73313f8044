"""Leak check: does the memory of a measuring process grow while it answers thousands of texts?"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from edgekd.measurements import HeapPoint

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edgekd.bench.child import Child
    from edgekd.bench.collect import Measured
    from edgekd.bench.phase import PhaseContext

CALLS = 10_000
POINTS = 100
TEXTS = 500  # a session that remembers words knows all of them after a twentieth of the calls
SECONDS = 300.0  # of a variant; a large model on a slow board gets fewer calls
LIMIT_S = 600.0  # of one part; a hundredth of the calls


class LeakCheck:
    """Reads the resident set a hundred times during 10,000 calls, or what five minutes allow.

    :mod:`edgekd.analysis.heap` judges.

    The texts are up to 500 of those that are timed, over and over, so that what a session learns from new words is over
    before growth counts.

    Args:
        calls: of each variant.
        points: readings.
        seconds: after which a variant is left at the next reading.
        clock: seconds, monotonic.
    """

    title = "Leak check"
    needs_time = True  # 10,000 calls under an emulator take hours

    def __init__(
        self,
        calls: int = CALLS,
        points: int = POINTS,
        seconds: float = SECONDS,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.calls = calls
        self.points = points
        self.seconds = seconds
        self._clock = clock

    def run(self, children: Sequence[Child], measured: Sequence[Measured], context: PhaseContext) -> None:
        """Measure one variant after the other; nothing is timed."""
        texts = [context.texts[index] for index in context.plan.timed[:TEXTS]]
        for child, m in zip(children, measured, strict=True):
            context.progress.start(f"Leak check of {m.variant.name}, {self.calls:,} calls", self.points)
            m.extra["heap"] = self._points(child, texts, context)
            context.progress.finish()

    def _points(self, child: Child, texts: Sequence[str], context: PhaseContext) -> list[HeapPoint]:
        found: list[HeapPoint] = []
        done, end = 0, self._clock() + self.seconds
        for number in range(1, self.points + 1):
            calls = self.calls * number // self.points - done
            part = [texts[(done + call) % len(texts)] for call in range(min(calls, len(texts)))]
            answer = child.ask({"do": "edgekd.bench.calls:some", "texts": part, "calls": calls}, LIMIT_S)
            done += calls
            found.append(HeapPoint(calls=done, rss_bytes=answer["rss_bytes"]))
            context.progress.update(number)
            if self._clock() >= end:
                break
        return found
