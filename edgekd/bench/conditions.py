"""The machine while it measures: read between blocks by the process that waits, never while something is timed.

A moment says what happened since the moment before it, because the system counts from its start.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from edgekd.bench.probe import Probe
from edgekd.bench.throttle import throttled_between
from edgekd.measurements import Moment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edgekd.bench.probe import RawMoment, Ticks

EVERY_S = 1.0


def moment_between(started: float, before: RawMoment | None, now: RawMoment, cpus: Sequence[int]) -> Moment:
    """Return the record of a moment: sensors of now, and what happened since the moment before.

    Args:
        started: when the measurement began, on the clock of the moments.
        before: the moment before; None leaves out everything that is a difference.
        now: this moment.
        cpus: processors that measuring processes are pinned to.
    """
    steal = busy = waited = swapped = None
    if before is not None:
        steal = _share(before, now, [cpu for cpu in now.cpus if not cpus or cpu in cpus], _stolen)
        busy = _share(before, now, [cpu for cpu in now.cpus if cpu not in cpus], _busy) if cpus else None
        seconds = now.at_s - before.at_s
        both = now.waited_s.keys() & before.waited_s.keys()
        if both and seconds > 0:
            waited = max(0.0, sum(now.waited_s[pid] - before.waited_s[pid] for pid in both) / seconds)
        if now.swapped_in_bytes is not None and before.swapped_in_bytes is not None:
            swapped = max(0, now.swapped_in_bytes - before.swapped_in_bytes)
    return Moment(
        at_s=now.at_s - started,
        load_average=now.load_average,
        steal_share=steal,
        busy_share=busy,
        waited_share=waited,
        clock_hz=now.clock_hz,
        spin_s=now.spin_s,
        temperature_c=now.temperature_c,
        swapped_in_bytes=swapped,
        throttled=throttled_between(before.throttle if before else None, now.throttle),
    )


def _stolen(before: Ticks, now: Ticks) -> int:
    return now.steal - before.steal


def _busy(before: Ticks, now: Ticks) -> int:
    return (now.total - before.total) - (now.idle - before.idle) - _stolen(before, now)


def _share(before: RawMoment, now: RawMoment, cpus: Sequence[int], part: Callable[[Ticks, Ticks], int]) -> float | None:
    """Return a part of the time of some processors; None when no tick has passed, or there are none."""
    known = [cpu for cpu in cpus if cpu in before.cpus]
    total = sum(now.cpus[cpu].total - before.cpus[cpu].total for cpu in known)
    if total <= 0:
        return None
    found = sum(part(before.cpus[cpu], now.cpus[cpu]) for cpu in known)
    return min(1.0, max(0.0, found / total))  # the idle counter may go back by a tick (proc_stat(5))


class Sampler:
    """Keeps the moments of a measurement.

    Args:
        cpus: processors that measuring processes are pinned to; empty when they are not pinned.
        probe: of the machine.
        clock: seconds, monotonic; the probe's.
        every_s: least time before :meth:`tick` keeps another moment.
    """

    def __init__(
        self,
        cpus: Sequence[int] = (),
        *,
        probe: Probe | None = None,
        clock: Callable[[], float] = monotonic,
        every_s: float = EVERY_S,
    ) -> None:
        self.moments: list[Moment] = []
        self._probe = probe or Probe(cpus, clock=clock)
        self._clock = clock
        self._every_s = every_s
        self._started = clock()
        self._before: RawMoment | None = None

    def read(self, pids: Sequence[int] = ()) -> Moment:
        """Return the machine now, with what happened since it was read before.

        Args:
            pids: of the measuring processes.
        """
        now = self._probe.read(pids)
        moment = moment_between(self._started, self._before, now, self._probe.cpus)
        self._before = now
        return moment

    def begin(self, pids: Sequence[int] = ()) -> None:
        """Keep a first moment: what happened before, for instance while models were loaded, does not count."""
        self._before = None
        self.keep(pids)

    def keep(self, pids: Sequence[int] = ()) -> None:
        """Keep a moment."""
        self.moments.append(self.read(pids))

    def tick(self, pids: Sequence[int] = ()) -> None:
        """Keep a moment when the last one is long enough ago. Call it between blocks."""
        if self._before is None or self._clock() - self._before.at_s >= self._every_s:
            self.keep(pids)
