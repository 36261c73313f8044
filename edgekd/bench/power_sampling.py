"""From readings of power to energy: a thread of the waiting process reads, while the measuring process works."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from itertools import pairwise
from threading import Event, Thread
from time import monotonic
from typing import TYPE_CHECKING

from edgekd.environment import NO_TELEMETRY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


@dataclass(frozen=True)
class Used:
    """What was used in a stretch of time."""

    seconds: float
    joules: Mapping[str, float]  # by source; one that could not be read is left out


Reading = tuple[float, "Mapping[str, float]"]  # seconds, watts by source


def integrate(readings: Sequence[Reading], start_s: float, stop_s: float) -> dict[str, float]:
    """Return the joules of each source from ``start_s`` to ``stop_s``.

    Trapezoids between readings; before the first and after the last the power is taken as that reading's. A source with
    fewer than two readings is left out: one says nothing about the time around it.
    """
    joules = {}
    for source in sorted({name for _, watts in readings for name in watts}):
        points = [(at, watts[source]) for at, watts in readings if source in watts]
        if len(points) < 2:
            continue
        points = [(start_s, points[0][1]), *points, (stop_s, points[-1][1])]
        joules[source] = sum(
            (later - at) * (power + next_power) / 2 for (at, power), (later, next_power) in pairwise(points)
        )
    return joules


class PowerMeter:
    """Reads sensors of power again and again.

    Args:
        rails: what reads the watts of each source; None when a reading fails.
        every_s: between readings.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        rails: Mapping[str, Callable[[], float | None]],
        *,
        every_s: float,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._rails = rails
        self._every_s = every_s
        self._clock = clock
        self._readings: list[Reading] = []
        self._started_s = 0.0
        self._stopped = Event()
        self._thread: Thread | None = None

    def _read(self) -> None:
        watts = {source: value for source, read in self._rails.items() if (value := read()) is not None}
        self._readings.append((self._clock(), watts))

    def _read_on(self) -> None:
        while not self._stopped.wait(self._every_s):
            self._read()

    def start(self) -> None:
        """Begin."""
        self._readings = []
        self._stopped.clear()
        self._started_s = self._clock()
        self._read()
        self._thread = Thread(target=self._read_on, daemon=True)
        self._thread.start()

    def stop(self) -> Used:
        """Return what was used since the start."""
        self._stopped.set()
        assert self._thread is not None
        self._thread.join()
        self._read()
        stopped_s = self._clock()
        return Used(stopped_s - self._started_s, integrate(self._readings, self._started_s, stopped_s))


class StreamMeter:
    """Reads the lines of a program that prints the power again and again.

    Args:
        command: the program.
        parse: a line to watts by source.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        command: Sequence[str],
        parse: Callable[[str], Mapping[str, float]],
        *,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._command = list(command)
        self._parse = parse
        self._clock = clock
        self._readings: list[Reading] = []
        self._started_s = 0.0
        self._process: subprocess.Popen[str] | None = None
        self._thread: Thread | None = None

    def _read_on(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._readings.append((self._clock(), self._parse(line)))

    def start(self) -> None:
        """Begin."""
        self._readings = []
        self._started_s = self._clock()
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **NO_TELEMETRY},
            start_new_session=True,
        )
        self._thread = Thread(target=self._read_on, daemon=True)
        self._thread.start()

    def stop(self) -> Used:
        """Return what was used since the start."""
        stopped_s = self._clock()
        assert self._process is not None
        assert self._process.stdout is not None
        assert self._thread is not None
        self._process.kill()
        self._process.wait()
        self._thread.join()
        self._process.stdout.close()
        readings = [reading for reading in self._readings if reading[0] <= stopped_s]
        return Used(stopped_s - self._started_s, integrate(readings, self._started_s, stopped_s))
