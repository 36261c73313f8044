"""The processor: name, cores, instructions, caches and clocks."""

from __future__ import annotations

import os
import platform
from typing import TYPE_CHECKING

from edgekd.bench.machine import core_names, cpu_model, isa_flags, parse_processors
from edgekd.doctor.diagnosis import Cache, Processor
from edgekd.doctor.system import count_listed, parse_size

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgekd.doctor.system import System

CPUS = "sys/devices/system/cpu"
KILO = 1e3
MEGA = 1e6


def read_processor(system: System, arch: str | None = None, usable: int | None = None) -> Processor:
    """Describe the processor.

    Args:
        system: where it is read.
        arch: of the programs that run there; this process's if not given.
        usable: processors that a process may run on; this process's if not given.
    """
    processors = parse_processors(system.text("proc/cpuinfo") or "")
    first = processors[0] if processors else {}
    kinds = core_names(processors)
    logical = count_listed(system.text(f"{CPUS}/online") or "") or len(processors) or os.cpu_count() or 1
    parts = [
        f"{f['CPU implementer']} {f['CPU part']}" for f in processors if {"CPU implementer", "CPU part"} <= f.keys()
    ]
    load = (system.text("proc/loadavg") or "").split()
    return Processor(
        model=cpu_model(first, system.text("proc/device-tree/model"), kinds),
        arch=arch or platform.machine(),
        logical_cpus=logical,
        physical_cores=_physical_cores(system),
        usable_cpus=usable or _usable(),
        isa=isa_flags(first),
        kinds=kinds,
        parts=list(dict.fromkeys(parts)),
        caches=_caches(system),
        governor=system.text(f"{CPUS}/cpu0/cpufreq/scaling_governor"),
        min_hz=_clock(system, "cpuinfo_min_freq", min),
        max_hz=_clock(system, "cpuinfo_max_freq", max),
        current_hz=_clock(system, "scaling_cur_freq", max) or _reported_mhz(first),
        load_average=float(load[0]) if load else None,
    )


def _usable() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _physical_cores(system: System) -> int | None:
    """Return the number of cores; threads of one core name the same siblings."""
    found = {path.read_text().strip() for path in system.find(f"{CPUS}/cpu[0-9]*/topology/thread_siblings_list")}
    return len(found) or None


def _caches(system: System) -> list[Cache]:
    found = []
    for folder in system.find(f"{CPUS}/cpu0/cache/index[0-9]*"):
        name = str(folder.relative_to(system.root))
        size = parse_size(system.text(f"{name}/size") or "")
        level = system.number(f"{name}/level")
        if system.text(f"{name}/type") != "Instruction" and size and level:
            shared = count_listed(system.text(f"{name}/shared_cpu_list") or "0")
            found.append(Cache(level, size, max(1, shared)))
    return sorted(found, key=lambda cache: cache.level)


def _clock(system: System, file: str, choose: Callable[[list[float]], float]) -> float | None:
    values = [system.number(str(path.relative_to(system.root))) for path in system.find(f"{CPUS}/cpu*/cpufreq/{file}")]
    known = [value * KILO for value in values if value]
    return choose(known) if known else None


def _reported_mhz(fields: dict[str, str]) -> float | None:
    """Return the clock that /proc/cpuinfo of x86 says."""
    try:
        return float(fields["cpu MHz"]) * MEGA
    except (KeyError, ValueError):
        return None
