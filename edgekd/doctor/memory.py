"""Memory, swap, and the limits of the control group (v2, and v1 where a system still has it)."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from edgekd.bench.machine import meminfo, memory_bytes
from edgekd.doctor.diagnosis import MemoryState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgekd.doctor.system import System

GROUPS = "sys/fs/cgroup"


def read_memory(system: System) -> MemoryState:
    """Describe the memory."""
    rows = meminfo(system.root)
    total = memory_bytes(system.root)
    swap, free = rows.get("SwapTotal"), rows.get("SwapFree")
    limits = [
        limit
        for name in ("memory.max", "memory.high", "memory.limit_in_bytes")
        for folder in group_folders(system, "memory")
        if (limit := system.number(f"{folder}/{name}")) is not None and limit < total  # v1 says 2^63 for no limit
    ]
    return MemoryState(
        total_bytes=total,
        available_bytes=rows.get("MemAvailable"),
        swap_bytes=swap,
        swap_used_bytes=None if swap is None or free is None else swap - free,
        limit_bytes=min(limits, default=None),
    )


def cpu_quota(system: System) -> float | None:
    """Return how many processors the control group allows; None when it does not limit them."""
    found = []
    for folder in group_folders(system, "cpu"):
        words = (system.text(f"{folder}/cpu.max") or "").split()
        quota = system.number(f"{folder}/cpu.cfs_quota_us")
        period = system.number(f"{folder}/cpu.cfs_period_us")
        if len(words) == 2 and words[0].isdigit() and words[1].isdigit():
            found.append(int(words[0]) / int(words[1]))
        elif quota and period and quota > 0:
            found.append(quota / period)
    return min(found, default=None)


def group_folders(system: System, controller: str) -> Iterator[str]:
    """Return the folders of this process's control group and of those above it; a limit of any holds.

    In a container the group may be seen as the root, or not at all: the root is always among them.
    """
    for line in (system.text("proc/self/cgroup") or "0::/").splitlines():
        number, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        base = GROUPS if number == "0" and not names else f"{GROUPS}/{controller}"
        if number == "0" or controller in names.split(","):
            inner = PurePosixPath(path.lstrip("/"))
            for folder in (inner, *inner.parents):
                yield base if str(folder) == "." else f"{base}/{folder}"
