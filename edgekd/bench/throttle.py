"""Does the machine hold itself back: too hot, too little voltage, too much current?

Sources, whichever are there:
    Raspberry Pi: the firmware's flags, bits as in the documentation of ``vcgencmd get_throttled``.
    Jetson: events of the over-current monitor (hwmon ``soctherm_oc``, files ``ocN_event_cnt``), and throttle alerts
        among the cooling devices.
    Any Linux: cooling devices that lower the processor's clock, while their ``cur_state`` is above 0.
    x86: the kernel's counters of thermal throttling, ``cpuN/thermal_throttle/*_throttle_count``.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from edgekd.bench.sysfs import read_int, read_text
from edgekd.bench.tools import run
from edgekd.processor import SINCE_BOOT

if TYPE_CHECKING:
    from collections.abc import Mapping

PI_BITS = {0: "under-voltage", 1: "frequency capped", 2: "throttled", 3: "soft temperature limit"}
PI_SINCE_BOOT = 16  # the same flags 16 bits higher: has happened since the board was started
VCGENCMD_LIMIT_S = 2.0

# Cooling devices that act on the processor; fans, displays and idle injection that is off (-1) do not count.
_COOLING = re.compile(r"cpufreq|throttle-alert|^Processor$")


def pi_flags(value: int) -> list[str]:
    """Name the bits of ``get_throttled``; those since boot only where the flag is not up now."""
    now = [name for bit, name in PI_BITS.items() if value >> bit & 1]
    before = [name for bit, name in PI_BITS.items() if value >> (bit + PI_SINCE_BOOT) & 1 and name not in now]
    return now + [name + SINCE_BOOT for name in before]


@dataclass(frozen=True)
class Throttle:
    """What is said at one moment."""

    flags: list[str] = field(default_factory=list)
    counts: Mapping[str, int] = field(default_factory=dict)  # events since boot, by name


def throttled_between(before: Throttle | None, now: Throttle) -> list[str]:
    """Return what is up now or happened since the moment before; what is older keeps its "since boot".

    A flag of the Raspberry Pi that is down again, but is new among those since boot, was up in between.
    """
    if before is None:
        return list(now.flags)
    named = set(before.flags)
    flags = [
        flag.removesuffix(SINCE_BOOT)
        if flag.endswith(SINCE_BOOT) and not named & {flag, flag.removesuffix(SINCE_BOOT)}
        else flag
        for flag in now.flags
    ]
    risen = [name for name, count in now.counts.items() if count > before.counts.get(name, count)]
    return list(dict.fromkeys([*flags, *risen]))


class ThrottleProbe:
    """Knows where this machine tells it; the files are looked for once.

    Args:
        root: of the file system; another one in tests.
        vcgencmd: path of the Raspberry Pi's tool, used where the kernel does not show its flags. Starting it takes
            milliseconds. None looks for it.
    """

    def __init__(self, root: Path = Path("/"), vcgencmd: str | None = None) -> None:
        sys = root / "sys"
        firmware = [*sys.glob("devices/platform/soc*/*firmware/get_throttled")]
        self._pi_file = firmware[0] if firmware else None
        is_pi = "Raspberry Pi" in (read_text(root / "proc/device-tree/model") or "")
        self._vcgencmd = (vcgencmd or shutil.which("vcgencmd")) if is_pi and not firmware else None
        self._cooling = {
            path / "cur_state": kind
            for path in sorted(sys.glob("class/thermal/cooling_device*"))
            if _COOLING.search(kind := read_text(path / "type") or "")
        }
        self._counters = self._find_counters(sys)

    @staticmethod
    def _find_counters(sys: Path) -> dict[Path, str]:
        names = {
            path: f"over-current {path.name.removesuffix('_event_cnt')}"
            for path in sorted(sys.glob("class/hwmon/hwmon*/oc*_event_cnt"))
        }
        for what in ("core", "package"):
            pattern = f"devices/system/cpu/cpu[0-9]*/thermal_throttle/{what}_throttle_count"
            names |= dict.fromkeys(sorted(sys.glob(pattern)), f"thermal throttling of the {what}")
        return names

    @property
    def is_slow(self) -> bool:
        """True when reading starts a program."""
        return self._vcgencmd is not None

    def read(self) -> Throttle:
        """Return what the machine says now."""
        value = self._pi_value()
        flags = pi_flags(value) if value is not None else []
        flags += [f"cooling by {kind}" for path, kind in self._cooling.items() if (read_int(path) or 0) > 0]
        counts: dict[str, int] = {}
        for path, name in self._counters.items():
            counts[name] = counts.get(name, 0) + (read_int(path) or 0)
        return Throttle(list(dict.fromkeys(flags)), counts)

    def _pi_value(self) -> int | None:
        if self._pi_file is not None:
            text = read_text(self._pi_file)
        elif self._vcgencmd is not None:
            text = run_vcgencmd(self._vcgencmd, "get_throttled")
        else:
            return None
        try:
            return int((text or "").rpartition("=")[2], 16)
        except ValueError:
            return None


def run_vcgencmd(command: str, question: str) -> str | None:
    """Ask the firmware of a Raspberry Pi; None when it does not answer, or not to this user."""
    return run([command, question], VCGENCMD_LIMIT_S)
