"""The power mode of a Jetson: which cores are on and how fast they may run."""

from __future__ import annotations

import shutil
from functools import cache

from edgekd.bench.tools import run


def parse_nvpmodel(text: str) -> str | None:
    """Return the mode that ``nvpmodel -q`` names: ``NV Power Mode: 15W`` gives "15W"."""
    for line in text.splitlines():
        before, colon, name = line.partition(":")
        if colon and before.strip().endswith("Power Mode"):
            return name.strip() or None
    return None


@cache
def power_mode() -> str | None:
    """Return the mode of this machine; None where there is no such thing, or this user may not ask."""
    program = shutil.which("nvpmodel")
    return None if program is None else parse_nvpmodel(run([program, "-q"]) or "")
