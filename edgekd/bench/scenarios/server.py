"""Scenario *server*: texts arrive at random, and those that find the process busy wait.

Arrivals are a Poisson process, as in the Server scenario of MLPerf Inference (Reddi et al. 2020, arXiv 1911.02549): a
large number of users who know nothing of each other. Moments of arrival are fixed before the first text is answered.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from edgekd.bench.scenarios.turns import LIMIT_S
from edgekd.measurements import ServerPoint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.bench.child import Child
    from edgekd.bench.collect import Measured
    from edgekd.bench.phase import PhaseContext

LOAD_SHARES = (0.1, 0.3, 0.5, 0.7, 0.9)
ROUNDS = 4  # of a rate, variants in turns
CAPACITY_S = 1.0  # of calls without a pause, from which the rates follow
RATE_S = 10.0  # of all rounds of a rate, unless that is too few or too many texts
LEAST_TEXTS, MOST_TEXTS = 160, 2000  # of a rate: enough for p95; not more than a file should hold
LONGEST_S = 60.0  # of a rate at which texts are rare


class Server:
    """Measures the latency under load at several rates.

    Args:
        rates_per_s: texts a second, for all variants; none: 10 to 90 % of what each variant can answer.
    """

    title = "Server: latency under load"
    needs_time = True

    def __init__(self, rates_per_s: Sequence[float] = ()) -> None:
        self.rates_per_s = rates_per_s

    def run(self, children: Sequence[Child], measured: Sequence[Measured], context: PhaseContext) -> None:
        """Measure all variants in turns, each rate in four rounds."""
        timed = [context.texts[index] for index in context.plan.timed]
        most = _capacities(children, timed)
        points: list[tuple[int, float, float | None]] = []
        for position in range(len(measured)):
            points += [(position, rate, None) for rate in self.rates_per_s]
            points += [(position, share * most[position], share) for share in LOAD_SHARES if not self.rates_per_s]
        found = {point: _Found() for point in points}
        rng = Random(context.plan.seed)  # noqa: S311 - not cryptography
        context.progress.start(self.title, ROUNDS * len(points))
        for turn in range(ROUNDS):
            rng.shuffle(points)
            for done, point in enumerate(points, start=turn * len(points) + 1):
                position, rate, _ = point
                arrivals = arrivals_s(rate, texts_of_round(rate), seed=f"{context.plan.seed}-{turn}")
                offset = turn * len(arrivals)
                request = {
                    "do": "edgekd.bench.scenarios.steps:server",
                    "texts": [timed[(offset + i) % len(timed)] for i in range(len(arrivals))],
                    "arrival_s": arrivals,
                    "warm": context.plan.warm_up[:1],
                }
                reply = children[position].ask(request, LIMIT_S + arrivals[-1])
                found[point].add(arrivals, reply["waited_s"], reply["total_s"])
                context.progress.update(done, measured[position].variant.name)
        context.progress.finish()
        for position, m in enumerate(measured):
            mine = sorted((point for point in found if point[0] == position), key=lambda point: point[1])
            m.extra["server"] = [found[point].record(point[1], point[2]) for point in mine]


def _capacities(children: Sequence[Child], texts: Sequence[str]) -> list[float]:
    """Return how many texts a second each process answers that is never idle, from four slices in turns."""
    request = {"do": "edgekd.bench.scenarios.steps:sustained", "texts": texts, "seconds": CAPACITY_S / ROUNDS}
    replies = [[child.ask(request, LIMIT_S) for child in children] for _ in range(ROUNDS)]
    return [sum(r["calls"] for r in mine) / sum(r["seconds"] for r in mine) for mine in zip(*replies, strict=True)]


class _Found:
    """What the rounds of a rate measured."""

    def __init__(self) -> None:
        self.rounds: list[int] = []
        self.columns: tuple[list[float], list[float], list[float]] = ([], [], [])

    def add(self, *columns: list[float]) -> None:
        self.rounds.append(len(columns[0]))
        for mine, more in zip(self.columns, columns, strict=True):
            mine.extend(more)

    def record(self, rate_per_s: float, load_share: float | None) -> ServerPoint:
        arrival, waited, total = self.columns
        return ServerPoint(
            rate_per_s=rate_per_s,
            load_share=load_share,
            rounds=self.rounds,
            arrival_s=arrival,
            waited_s=waited,
            total_s=total,
        )


def texts_of_round(rate_per_s: float) -> int:
    """Return how many texts arrive in a round."""
    wanted = min(max(LEAST_TEXTS, rate_per_s * RATE_S), MOST_TEXTS)
    return max(1, round(min(wanted, rate_per_s * LONGEST_S) / ROUNDS))


def arrivals_s(rate_per_s: float, count: int, *, seed: str) -> list[float]:
    """Return moments of arrival: the gaps are exponential with mean ``1 / rate``.

    The same seed gives the same gaps but for their scale, so that all rates and variants meet the same bursts.
    """
    rng = Random(seed)  # noqa: S311 - not cryptography
    moments, now = [], 0.0
    for _ in range(count):
        now += rng.expovariate(1.0) / rate_per_s
        moments.append(round(now, 9))
    return moments
