"""How fast ordinary code runs where a text was tokenized: runs in the measuring process, wherever that is."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgekd.bench.worker import Worker

CPUINFO = Path("/proc/cpuinfo")
MAX_FREQUENCY = Path("/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq")


def about(_worker: Worker, _request: dict[str, Any]) -> dict[str, Any]:
    """Return the name, architecture and clock of the processor; a clock that is not told is None."""
    cpuinfo = _read(CPUINFO)
    return {
        "model": model_name(cpuinfo),
        "arch": platform.machine(),
        "clock_hz": clock_hz(_read(MAX_FREQUENCY), cpuinfo),
    }


def model_name(cpuinfo: str) -> str:
    """Return the name of the core: of x86 as the system says it, of ARM by its part number."""
    found = _field(cpuinfo, "model name")
    if found is not None:
        return found
    return ARM_PARTS.get(_field(cpuinfo, "CPU part") or "", "")


# Arm's part numbers (MIDR_EL1) of the cores that processor.py knows.
ARM_PARTS = {
    "0xd03": "Cortex-A53",
    "0xd05": "Cortex-A55",
    "0xd07": "Cortex-A57",
    "0xd08": "Cortex-A72",
    "0xd0b": "Cortex-A76",
    "0xd42": "Cortex-A78AE",
    "0x004": "Carmel",
}


def clock_hz(max_khz: str, cpuinfo: str) -> float | None:
    """Return the highest clock of the first core, or the one that ``/proc/cpuinfo`` tells, or None."""
    if max_khz.strip().isdigit():
        return float(max_khz) * 1e3
    mhz = _field(cpuinfo, "cpu MHz")
    try:
        return float(mhz) * 1e6 if mhz else None
    except ValueError:
        return None


def _field(cpuinfo: str, name: str) -> str | None:
    for line in cpuinfo.splitlines():
        key, colon, value = line.partition(":")
        if colon and key.strip() == name:
            return value.strip()
    return None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
