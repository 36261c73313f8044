"""Energy of an inference above what the machine uses anyway, measured by the machine itself, or absent."""

from __future__ import annotations

from time import sleep
from typing import TYPE_CHECKING

from edgekd.bench.power import Meter, find_meter
from edgekd.measurements import Energy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edgekd.bench.child import Child
    from edgekd.bench.collect import Measured
    from edgekd.bench.phase import PhaseContext

ROUNDS = 3  # two are needed for an interval
IDLE_S = 2.0
LOAD_S = 5.0
LIMIT_S = 600.0  # for an answer, besides the time that it was asked to take


class EnergyPhase:
    """Measures each variant in turns: the machine idle, then the same machine while the variant answers texts.

    Idle is read right before each load, because it moves with the temperature. All measuring processes are alive then,
    and wait.

    Args:
        load_s: seconds of calls.
        idle_s: seconds without.
        rounds: of all variants.
        find: finds the meter, or says why there is none.
        pause: sleeps.
    """

    title = "Energy"
    needs_time = True

    def __init__(
        self,
        *,
        load_s: float = LOAD_S,
        idle_s: float = IDLE_S,
        rounds: int = ROUNDS,
        find: Callable[[], tuple[Meter | None, str]] = find_meter,
        pause: Callable[[float], None] = sleep,
    ) -> None:
        self.load_s = load_s
        self.idle_s = idle_s
        self.rounds = rounds
        self._find = find
        self._pause = pause

    def run(self, children: Sequence[Child], measured: Sequence[Measured], context: PhaseContext) -> None:
        """Measure, or note why not."""
        meter, reason = self._find()
        if meter is None:
            context.progress.say(f"Energy is not measured: {reason}.")
            for m in measured:
                m.notes.append(f"energy not measured: {reason}")
            return
        texts = [context.texts[index] for index in context.plan.timed]
        sides = list(zip(children, measured, strict=True))
        records: dict[int, list[Energy]] = {id(m): [] for m in measured}
        context.progress.start("Energy, variants in turns", self.rounds * len(sides))
        for number in range(self.rounds):
            for position, (child, m) in enumerate(sides if number % 2 == 0 else sides[::-1]):
                records[id(m)] += self._measure(meter, child, texts)
                context.progress.update(number * len(sides) + position + 1, m.variant.name)
        context.progress.finish()
        for m in measured:
            m.extra["energy"] = records[id(m)]
            if not records[id(m)]:
                m.notes.append("energy not measured: the meter stopped answering")

    def _measure(self, meter: Meter, child: Child, texts: Sequence[str]) -> list[Energy]:
        """Return a record for each source that could be read both idle and under load."""
        meter.start()
        self._pause(self.idle_s)
        idle = meter.stop()
        meter.start()
        request = {"do": "edgekd.bench.calls:for_seconds", "texts": texts, "seconds": self.load_s}
        calls = child.ask(request, LIMIT_S + self.load_s)["calls"]
        load = meter.stop()
        return [
            Energy(
                source=source,
                idle_w=idle.joules[source] / idle.seconds,
                joules=joules,
                seconds=load.seconds,
                calls=calls,
            )
            for source, joules in load.joules.items()
            if source in idle.joules
        ]
