"""Reads the counters and sensors of this machine, in about a millisecond; the files are looked for once."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, perf_counter
from typing import TYPE_CHECKING

from edgekd.bench.sysfs import read_int, read_text
from edgekd.bench.throttle import Throttle, ThrottleProbe

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

SLOW_EVERY_S = 5.0  # what starts a program
SPIN_STEPS = 2000  # some 100 microseconds
SPIN_REPEATS = 3  # the smallest counts, so that an interruption does not
MILLI = 1e-3
KILO = 1e3
MEGA = 1e6
NANO = 1e-9
PLAUSIBLE_C = (-40.0, 150.0)  # sensors that are switched off say -256 or 0 K
CPU_SENSORS = ("coretemp", "k10temp", "zenpower", "cpu_thermal")


@dataclass(frozen=True)
class Ticks:
    """What a processor did since the start of the system, in ticks (proc_stat(5))."""

    total: int
    idle: int  # waiting for disks included
    steal: int


@dataclass(frozen=True)
class RawMoment:
    """Counters and sensors as the system tells them."""

    at_s: float
    cpus: Mapping[int, Ticks] = field(default_factory=dict)
    waited_s: Mapping[int, float] = field(default_factory=dict)  # for a processor, by process id
    load_average: float | None = None
    clock_hz: float | None = None
    spin_s: float | None = None
    temperature_c: float | None = None
    swapped_in_bytes: int | None = None  # since the start of the system
    throttle: Throttle = field(default_factory=Throttle)


def parse_stat(text: str) -> dict[int, Ticks]:
    """Return the counters of each processor from /proc/stat."""
    found = {}
    for line in text.splitlines():
        name, *fields = line.split()
        if name.startswith("cpu") and name != "cpu":
            ticks = [int(field) for field in fields[:8]]  # guest time is part of user time
            ticks += [0] * (8 - len(ticks))
            found[int(name[3:])] = Ticks(sum(ticks), ticks[3] + ticks[4], ticks[7])
    return found


def parse_mhz(text: str) -> dict[int, float]:
    """Return the clock of each processor in Hz from /proc/cpuinfo; empty on ARM, which does not say it there."""
    found: dict[int, float] = {}
    number = 0
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "processor":
            number = int(value)
        elif key.strip() == "cpu MHz":
            found[number] = float(value) * MEGA
    return found


def spin_s(cpu: int | None, clock: Callable[[], float] = perf_counter) -> float:
    """Return the seconds of a fixed piece of arithmetic on a processor: the smallest of three.

    In a virtual machine the reported clock is a constant and the real one is not: a spin was seen to take 1.8
    times longer within minutes while /proc/cpuinfo said the same. Only times of one process can be compared.
    """
    before = os.sched_getaffinity(0) if cpu is not None else None
    try:
        if cpu is not None:
            os.sched_setaffinity(0, {cpu})
        times = []
        for _ in range(SPIN_REPEATS):
            value, started = 1, clock()
            for _ in range(SPIN_STEPS):
                value = (value * 1103515245 + 12345) & 0x7FFFFFFF
            times.append(clock() - started)
        return min(times)
    finally:
        if before is not None:
            os.sched_setaffinity(0, before)


class Probe:
    """Reads the counters and sensors of this machine.

    Args:
        cpus: processors that measuring processes are pinned to; empty when they are not pinned.
        root: of the file system; another one in tests.
        clock: seconds, monotonic.
        throttle: tells whether the machine holds itself back.
        spin: measure the speed of the first of ``cpus`` by a fixed piece of work.
    """

    def __init__(
        self,
        cpus: Sequence[int],
        *,
        root: Path = Path("/"),
        clock: Callable[[], float] = monotonic,
        throttle: ThrottleProbe | None = None,
        spin: bool = True,
    ) -> None:
        self.cpus = tuple(cpus)
        self._proc = root / "proc"
        self._clock = clock
        sys = root / "sys"
        self._clocks = [
            path
            for path in sorted(sys.glob("devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq"))
            if not self.cpus or int(path.parts[-3][3:]) in self.cpus
        ]
        self._has_mhz = not self._clocks and bool(parse_mhz(read_text(self._proc / "cpuinfo") or ""))
        self._sensors = self._find_sensors(sys)
        self._throttle = throttle or ThrottleProbe(root)
        self._throttle_read_s = -float("inf")
        self._last_throttle = Throttle()
        can_pin = hasattr(os, "sched_setaffinity")
        self._spin_cpu = self.cpus[0] if spin and can_pin and self.cpus else None
        self._page_bytes = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096

    @staticmethod
    def _find_sensors(sys: Path) -> list[Path]:
        zones = sorted(sys.glob("class/thermal/thermal_zone*/temp"))
        if zones:
            return zones
        return [
            sensor
            for chip in sorted(sys.glob("class/hwmon/hwmon*"))
            if read_text(chip / "name") in CPU_SENSORS
            for sensor in sorted(chip.glob("temp*_input"))
        ]

    def read(self, pids: Sequence[int] = ()) -> RawMoment:
        """Read everything once.

        Args:
            pids: of the measuring processes.
        """
        load = (read_text(self._proc / "loadavg") or "").split()
        return RawMoment(
            at_s=self._clock(),
            cpus=parse_stat(read_text(self._proc / "stat") or ""),
            waited_s={pid: waited for pid in pids if (waited := self._waited_s(pid)) is not None},
            load_average=float(load[0]) if load else None,
            clock_hz=self._clock_hz(),
            spin_s=None if self._spin_cpu is None else spin_s(self._spin_cpu),
            temperature_c=self._temperature_c(),
            swapped_in_bytes=self._swapped_in_bytes(),
            throttle=self._throttle_now(),
        )

    def _waited_s(self, pid: int) -> float | None:
        """Return how long the threads of a process were ready to run and did not (sched-stats, second field, ns)."""
        waits = [
            float(fields[1]) * NANO
            for path in (self._proc / str(pid) / "task").glob("*/schedstat")
            if len(fields := (read_text(path) or "").split()) > 1
        ]
        return sum(waits) if waits else None

    def _clock_hz(self) -> float | None:
        clocks = [value * KILO for path in self._clocks if (value := read_int(path)) is not None]
        if not clocks and self._has_mhz:
            found = parse_mhz(read_text(self._proc / "cpuinfo") or "")
            clocks = [hz for cpu, hz in found.items() if not self.cpus or cpu in self.cpus]
        return sum(clocks) / len(clocks) if clocks else None

    def _temperature_c(self) -> float | None:
        degrees = [value * MILLI for path in self._sensors if (value := read_int(path)) is not None]
        low, high = PLAUSIBLE_C
        return max((value for value in degrees if low < value < high), default=None)

    def _swapped_in_bytes(self) -> int | None:
        for line in (read_text(self._proc / "vmstat") or "").splitlines():
            if line.startswith("pswpin "):
                return int(line.split()[1]) * self._page_bytes
        return None

    def _throttle_now(self) -> Throttle:
        now = self._clock()
        if not self._throttle.is_slow or now - self._throttle_read_s >= SLOW_EVERY_S:
            self._last_throttle = self._throttle.read()
            self._throttle_read_s = now
        return self._last_throttle
