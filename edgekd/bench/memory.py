"""Resident memory of this process, in bytes. Imports nothing that would add to it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from edgekd.environment import EVIDENCE_VARIABLE

_STATUS = Path("/proc/self/status")
_ROLLUP = Path("/proc/self/smaps_rollup")


def _status_bytes(field: str) -> int | None:
    """Return a field of /proc/self/status (Linux, in kB = 1,024 bytes; see proc_pid_status(5))."""
    if not _STATUS.is_file():
        return None
    for line in _STATUS.read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    return None


def is_emulated() -> bool:
    """Tell whether this process was told that an emulator runs it."""
    return os.environ.get(EVIDENCE_VARIABLE) == "emulated"


def rss_bytes() -> int:
    """Return the resident set size now; under an emulator that of the program alone."""
    if is_emulated():
        from edgekd.bench.guest_memory import guest_rss_bytes

        return guest_rss_bytes()
    found = _status_bytes("VmRSS")
    if found is not None:
        return found
    import psutil

    return int(psutil.Process().memory_info().rss)


def shared_and_swapped(rollup: Path = _ROLLUP) -> dict[str, int | None]:
    """Return ``pss_bytes`` and ``swap_bytes`` of this process; None where the system does not say.

    The proportional set size counts a page that n processes share as 1/n (proc_pid_smaps(5)); it says what a second
    process with the same libraries and model would cost less. The kernel walks all pages for it: not for timed code.
    Under an emulator both would be the emulator's.
    """
    if is_emulated():
        return {"pss_bytes": None, "swap_bytes": None}
    try:
        lines = rollup.read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    found = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines if line.endswith(" kB")}
    return {"pss_bytes": found.get("Pss"), "swap_bytes": found.get("Swap")}


def peak_rss_bytes() -> int | None:
    """Return the highest resident set size this process ever had; None under an emulator, whose own is in it.

    NOTE: ``ru_maxrss`` is only the fallback: Linux keeps it across fork and exec, so a child of a big process
    would report its parent's size.
    """
    if is_emulated():
        return None
    found = _status_bytes("VmHWM")
    if found is not None:
        return found
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # bytes on macOS, KiB elsewhere
