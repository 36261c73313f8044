"""Meters of energy that machines carry. They measure, or they are absent: nothing is derived from a nominal power.

What there is:
    x86: RAPL, counters of energy (Linux powercap, ``intel-rapl:N/energy_uj``; AMD uses the same names).
    Raspberry Pi 5: its power controller, volts and amperes of each rail (``vcgencmd pmic_read_adc``).
    Jetson, and boards with a sensor of the INA family: volts and amperes, or watts, of each rail (Linux hwmon; the
    kernel of JetPack 4 has them as iio devices).
    Jetson without readable sensors: ``tegrastats``.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from edgekd.bench.power_sampling import PowerMeter, StreamMeter, Used
from edgekd.bench.sysfs import read_int, read_text
from edgekd.bench.throttle import run_vcgencmd

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MICRO = 1e-6
MILLI = 1e-3
HWMON_EVERY_S = 0.02
VCGENCMD_EVERY_S = 0.1  # each reading starts a program, when idle and under load alike
TEGRASTATS_EVERY_MS = 100
RAPL_ZONES = re.compile(r"^(package-\d+(-die-\d+)?|dram|psys)$")

_ADC = re.compile(r"^\s*(\w+)_([AV])\s+(?:current|volt)\(\d+\)=([\d.]+)[AV]\s*$", re.MULTILINE)
# "VDD_IN 4945mW/4945mW" since JetPack 5, "POM_5V_IN 2532/2532" before: now / mean. Memory ends in MB or kB.
_RAIL = re.compile(r"(?<!\S)([A-Z][A-Z0-9_]*) (\d+)(?:mW)?/\d+(?:mW)?(?!\S)")


class Meter(Protocol):
    """Measures the energy of a stretch of time."""

    def start(self) -> None:
        """Begin."""

    def stop(self) -> Used:
        """Return what was used since the start."""


def parse_pmic(text: str) -> float | None:
    """Return the sum of volts times amperes over the rails that say both, in watts; None when none does.

    ``EXT5V_V`` and ``BATT_V`` have no current. The losses of the controller itself are not in any rail.
    """
    volts: dict[str, float] = {}
    amperes: dict[str, float] = {}
    for rail, unit, value in _ADC.findall(text):
        (volts if unit == "V" else amperes)[rail] = float(value)
    both = volts.keys() & amperes.keys()
    return sum(volts[rail] * amperes[rail] for rail in both) if both else None


def parse_tegrastats(line: str) -> dict[str, float]:
    """Return the present power of each rail in watts."""
    return {f"tegrastats:{rail}": int(now) * MILLI for rail, now in _RAIL.findall(line)}


class RaplMeter:
    """Counters of energy of packages, memory and the whole platform.

    Args:
        zones: folder of each counter, by source.
        clock: seconds, monotonic.
    """

    def __init__(self, zones: Mapping[str, Path], *, clock: Callable[[], float] = monotonic) -> None:
        self._zones = zones
        self._clock = clock
        self._started_s = 0.0
        self._ranges = {name: read_int(zone / "max_energy_range_uj") or 0 for name, zone in zones.items()}
        self._started: dict[str, int] = {}

    def _read(self) -> dict[str, int]:
        found = {name: read_int(zone / "energy_uj") for name, zone in self._zones.items()}
        return {name: value for name, value in found.items() if value is not None}

    def start(self) -> None:
        """Begin."""
        self._started_s = self._clock()
        self._started = self._read()

    def stop(self) -> Used:
        """Return what was used since the start; a counter that went past its end began at 0 again, at most once."""
        seconds = self._clock() - self._started_s
        joules = {}
        for name, now in self._read().items():
            if name in self._started:
                used = now - self._started[name]
                joules[name] = (used if used >= 0 else used + self._ranges[name]) * MICRO
        return Used(seconds, joules)


def find_rapl(root: Path, clock: Callable[[], float] = monotonic) -> tuple[RaplMeter | None, str]:
    """Return the meter of an x86 processor, or why there is none."""
    zones: dict[str, Path] = {}
    hidden = ""
    for zone in sorted((root / "sys/class/powercap").glob("intel-rapl:*")):
        name = read_text(zone / "name") or ""
        if not RAPL_ZONES.match(name):
            continue  # core and uncore are parts of a package
        if read_int(zone / "energy_uj") is None:
            hidden = (
                hidden
                or f"{zone / 'energy_uj'} cannot be read by this user; allow it with 'sudo chmod a+r', or be root"
            )
            continue
        parent = zone.name.split(":")[1]
        zones[f"rapl:{name if name != 'dram' else f'dram-{parent}'}"] = zone
    return (RaplMeter(zones, clock=clock), "") if zones else (None, hidden)


def _hwmon_rails(chip: Path) -> dict[str, Callable[[], float | None]]:
    """Return what reads the watts of each rail of an INA sensor (units: hwmon sysfs interface, mV, mA, uW)."""
    chip_name = read_text(chip / "name") or "ina"
    rails: dict[str, Callable[[], float | None]] = {}
    for channel in range(1, 5):
        volts, amperes = chip / f"in{channel}_input", chip / f"curr{channel}_input"
        power = chip / f"power{channel}_input"
        label = read_text(chip / f"in{channel}_label") or f"channel-{channel}"
        if label == "NC":
            continue  # not connected
        if read_int(power) is not None:
            rails[f"{chip_name}:{label}"] = lambda path=power: _scaled(MICRO, path)  # type: ignore[misc]
        elif read_int(volts) is not None and read_int(amperes) is not None:
            rails[f"{chip_name}:{label}"] = lambda paths=(volts, amperes): _scaled(MICRO, *paths)  # type: ignore[misc]
    return rails


def _iio_rails(device: Path) -> dict[str, Callable[[], float | None]]:
    """Return what reads the watts of each rail of an INA3221 under JetPack 4 (mW)."""
    return {
        f"ina3221:{name}": lambda path=power: _scaled(MILLI, path)  # type: ignore[misc]
        for power in sorted(device.glob("in_power*_input"))
        if read_int(power) is not None
        and (name := read_text(device / f"rail_name_{power.name.removeprefix('in_power').removesuffix('_input')}"))
    }


def _scaled(factor: float, *paths: Path) -> float | None:
    product = factor
    for path in paths:
        value = read_int(path)
        if value is None:
            return None
        product *= value
    return product


def find_rails(root: Path) -> dict[str, Callable[[], float | None]]:
    """Return what reads the watts of each rail of this board, by source."""
    rails: dict[str, Callable[[], float | None]] = {}
    for chip in sorted((root / "sys/class/hwmon").glob("hwmon*")):
        if (read_text(chip / "name") or "").startswith("ina"):
            rails |= _hwmon_rails(chip)
    for device in sorted((root / "sys/bus/i2c/drivers/ina3221x").glob("*/iio:device*")):
        rails |= _iio_rails(device)
    return rails


def find_meter(
    root: Path = Path("/"), *, search_path: str | None = None, clock: Callable[[], float] = monotonic
) -> tuple[Meter | None, str]:
    """Return the meter of this machine, or None and why there is none.

    Args:
        root: of the file system; another one in tests.
        search_path: where ``vcgencmd`` and ``tegrastats`` are looked for; PATH by default.
        clock: seconds, monotonic.
    """
    rapl, hidden = find_rapl(root, clock)
    if rapl is not None:
        return rapl, ""
    vcgencmd = shutil.which("vcgencmd", path=search_path)
    if vcgencmd is not None and parse_pmic(run_vcgencmd(vcgencmd, "pmic_read_adc") or "") is not None:
        read = {"pmic": lambda: parse_pmic(run_vcgencmd(vcgencmd, "pmic_read_adc") or "")}
        return PowerMeter(read, every_s=VCGENCMD_EVERY_S, clock=clock), ""
    rails = find_rails(root)
    if rails:
        return PowerMeter(rails, every_s=HWMON_EVERY_S, clock=clock), ""
    tegrastats = shutil.which("tegrastats", path=search_path)
    if tegrastats is not None:
        command = [tegrastats, "--interval", str(TEGRASTATS_EVERY_MS)]
        return StreamMeter(command, parse_tegrastats, clock=clock), ""
    missing = "no RAPL counters (/sys/class/powercap), no power controller of a Raspberry Pi 5, no INA sensor"
    return None, hidden or missing
