"""Resident memory of this process, in bytes. Imports nothing that would add to it."""

from __future__ import annotations

import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")


def _status_bytes(field: str) -> int | None:
    """Return a field of /proc/self/status (Linux, in kB = 1,024 bytes; see proc_pid_status(5))."""
    if not _STATUS.is_file():
        return None
    for line in _STATUS.read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    return None


def rss_bytes() -> int:
    """Return the resident set size now."""
    found = _status_bytes("VmRSS")
    if found is not None:
        return found
    import psutil

    return int(psutil.Process().memory_info().rss)


def peak_rss_bytes() -> int:
    """Return the highest resident set size this process ever had.

    NOTE: ``ru_maxrss`` is only the fallback: Linux keeps it across fork and exec, so a child of a big process
    would report its parent's size.
    """
    found = _status_bytes("VmHWM")
    if found is not None:
        return found
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # bytes on macOS, KiB elsewhere
