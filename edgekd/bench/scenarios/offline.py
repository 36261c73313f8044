"""Scenario *offline*: all texts are there, and as many as possible are answered in a second, so many at once."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from edgekd.bench.scenarios.turns import LIMIT_S, mean_call_s
from edgekd.measurements import OfflinePoint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.bench.child import Child
    from edgekd.bench.collect import Measured
    from edgekd.bench.phase import PhaseContext

BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64)
JOB_TEXTS = (256, 128, 64)  # the largest that the slowest variant answers in a second, one by one
JOB_S = 1.0
LEAST_S = 0.2  # of a repetition: quick variants answer the same texts several times
REPETITIONS = 6  # the fewest whose extremes enclose the true median with 95 % confidence


class Offline:
    """Measures throughput over batch sizes, the texts in the order of arrival and sorted by length.

    Every repetition measures every batch size of every variant once, in a new order.

    Args:
        batch_sizes: texts of a call; a bundle of a fixed batch has only that one.
    """

    title = "Offline: throughput over batch sizes"
    needs_time = True

    def __init__(self, batch_sizes: Sequence[int] = BATCH_SIZES) -> None:
        self.batch_sizes = batch_sizes

    def run(self, children: Sequence[Child], measured: Sequence[Measured], context: PhaseContext) -> None:
        """Measure all variants in turns."""
        texts = _job(measured, context)
        turns = [
            (position, size, by_length)
            for position, m in enumerate(measured)
            for size in self._sizes(m.variant.batch, len(texts))
            for by_length in ((False, True) if size > 1 else (False,))
        ]
        passes = [max(1, round(LEAST_S / (mean_call_s(m) * len(texts)))) for m in measured]
        found: dict[tuple[int, int, bool], tuple[list[int], list[float]]] = {turn: ([], []) for turn in turns}
        rng = Random(context.plan.seed)  # noqa: S311 - not cryptography
        context.progress.start(self.title, REPETITIONS * len(turns))
        for repetition in range(REPETITIONS):
            rng.shuffle(turns)
            for done, turn in enumerate(turns, start=repetition * len(turns) + 1):
                position, size, by_length = turn
                reply = children[position].ask(
                    {
                        "do": "edgekd.bench.scenarios.steps:offline",
                        "texts": sorted(texts, key=len) if by_length else texts,
                        "batch_size": size,
                        "passes": passes[position],
                        "warm": [context.plan.warm_up[i % len(context.plan.warm_up)] for i in range(size)],
                    },
                    LIMIT_S,
                )
                found[turn][0].append(reply["texts"])
                found[turn][1].append(reply["seconds"])
                context.progress.update(done, measured[position].variant.name)
        context.progress.finish()
        for position, m in enumerate(measured):
            mine = sorted(turn for turn in found if turn[0] == position)
            m.extra["offline"] = [
                OfflinePoint(batch_size=turn[1], by_length=turn[2], texts=found[turn][0], seconds=found[turn][1])
                for turn in mine
            ]

    def _sizes(self, fixed: int | None, texts: int) -> list[int]:
        return [fixed] if fixed is not None else [size for size in self.batch_sizes if size <= texts]


def _job(measured: Sequence[Measured], context: PhaseContext) -> list[str]:
    """Return the texts to answer: the same for all variants, in the order of the plan, which is random."""
    timed = [context.texts[index] for index in context.plan.timed]
    slowest = max(map(mean_call_s, measured))
    count = next((count for count in JOB_TEXTS if count * slowest <= JOB_S), JOB_TEXTS[-1])
    return [timed[i % len(timed)] for i in range(count)]
