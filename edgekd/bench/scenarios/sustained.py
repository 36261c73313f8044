"""Scenario *sustained*: minutes of load without a pause, one variant after the other.

A board without a fan is fast for a minute. What it can keep up is another number, and this one measures it.
"""

from __future__ import annotations

from time import monotonic, sleep
from typing import TYPE_CHECKING

from edgekd import units
from edgekd.bench.conditions import Sampler
from edgekd.bench.scenarios.turns import LIMIT_S
from edgekd.measurements import SustainedSlice

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edgekd.bench.child import Child
    from edgekd.bench.collect import Measured
    from edgekd.bench.phase import PhaseContext

MINUTES = 5.0
SLICES = 60  # wished for
SHORTEST_S, LONGEST_S = 0.5, 5.0  # of a slice
COOL_DOWN_S = 120.0  # at most, before the next variant
COOL_ENOUGH_C = 2.0  # above the temperature before the first variant


class Sustained:
    """Measures percentiles in slices of some seconds, and the machine after each.

    Variants are not measured in turns, because each needs the load for itself. Where the machine tells its temperature,
    it may cool down in between, for two minutes at most.

    Args:
        minutes: of load for each variant.
        pause: sleeps.
        sampler: makes what reads the machine.
    """

    title = "Sustained load"
    needs_time = True

    def __init__(
        self,
        minutes: float = MINUTES,
        *,
        pause: Callable[[float], None] = sleep,
        sampler: Callable[[Sequence[int]], Sampler] = Sampler,
    ) -> None:
        self.minutes = minutes
        self._pause = pause
        self._sampler = sampler

    def run(self, children: Sequence[Child], measured: Sequence[Measured], context: PhaseContext) -> None:
        """Measure one variant after the other."""
        texts = [context.texts[index] for index in context.plan.timed]
        at_first = self._sampler(context.affinity).read().temperature_c
        for number, (child, m) in enumerate(zip(children, measured, strict=True)):
            if number:
                self._cool_down(at_first, context)
            m.extra["sustained"] = self._slices(child, m.variant.name, texts, context)

    def _slices(self, child: Child, name: str, texts: list[str], context: PhaseContext) -> list[SustainedSlice]:
        total_s = 60 * self.minutes
        slice_s = min(max(total_s / SLICES, SHORTEST_S), LONGEST_S)
        count = max(1, round(total_s / slice_s))
        sampler = self._sampler(context.affinity)
        sampler.read([child.pid])
        context.progress.start(f"{self.title}: {name}", count)
        started = monotonic()
        found = []
        for done in range(count):
            start_s = monotonic() - started
            request = {"do": "edgekd.bench.scenarios.steps:sustained", "texts": texts, "seconds": slice_s}
            reply = child.ask(request, LIMIT_S + slice_s)
            found.append(SustainedSlice(start_s=round(start_s, 3), **reply, moment=sampler.read([child.pid])))
            context.progress.update(done + 1)
        context.progress.finish()
        return found

    def _cool_down(self, at_first: float | None, context: PhaseContext) -> None:
        """Wait until the machine is as cool as before the first variant, where it tells."""
        sampler = self._sampler(context.affinity)
        waited = 0.0
        while at_first is not None and waited < COOL_DOWN_S:
            now = sampler.read().temperature_c
            if now is None or now <= at_first + COOL_ENOUGH_C:
                break
            if not waited:
                goal = units.temperature(at_first + COOL_ENOUGH_C)
                context.progress.say(f"Cooling down from {units.temperature(now)} to {goal}.")
            self._pause(1.0)
            waited += 1.0
