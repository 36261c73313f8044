"""Which processors a measuring process is pinned to."""

from __future__ import annotations

import os
from pathlib import Path

_CPUS = Path("/sys/devices/system/cpu")


def allowed_cpus() -> list[int]:
    """Return the processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def siblings(cpu: int, root: Path = _CPUS) -> str:
    """Return what names the physical core of a processor; its own number where the system does not say."""
    try:
        text = (root / f"cpu{cpu}" / "topology" / "thread_siblings_list").read_text(encoding="utf-8")
    except OSError:
        return str(cpu)
    return text.strip()


def choose_cpus(threads: int, root: Path = _CPUS) -> list[int]:
    """Return processors for ``threads`` threads, at most as many as there are.

    From the last to the first, because interrupts and short-lived processes prefer the first; one on each
    physical core before a second on any.
    """
    seen: set[str] = set()
    first_on_core: list[int] = []
    second_on_core: list[int] = []
    for cpu in reversed(allowed_cpus()):
        core = siblings(cpu, root)
        (second_on_core if core in seen else first_on_core).append(cpu)
        seen.add(core)
    return sorted([*first_on_core, *second_on_core][:threads])


def pin(cpus: list[int]) -> list[int]:
    """Pin this process and return where it is pinned to; empty where the system cannot."""
    if not cpus or not hasattr(os, "sched_setaffinity"):
        return []
    os.sched_setaffinity(0, cpus)
    return sorted(os.sched_getaffinity(0))
