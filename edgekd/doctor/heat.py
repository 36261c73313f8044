"""Temperature and throttling."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd.bench.throttle import ThrottleProbe
from edgekd.doctor.diagnosis import Heat

if TYPE_CHECKING:
    from edgekd.doctor.system import System

SENSORS = ("sys/class/thermal/thermal_zone*/temp", "sys/class/hwmon/hwmon*/temp*_input")
PLAUSIBLE_C = (-40.0, 150.0)  # sensors that are switched off say -256 or 0 K


def read_heat(system: System) -> Heat:
    """Return the hottest sensor, and what holds the processor back."""
    low, high = PLAUSIBLE_C
    for pattern in SENSORS:
        values = [system.number(str(path.relative_to(system.root))) for path in system.find(pattern)]
        degrees = [value / 1000 for value in values if value is not None and low < value / 1000 < high]
        if degrees:
            return Heat(max(degrees), _throttled(system))
    return Heat(None, _throttled(system))


def _throttled(system: System) -> list[str]:
    said = ThrottleProbe(system.root).read()
    events = [f"{name}, {count} times since boot" for name, count in said.counts.items() if count]
    return [*said.flags, *events]
