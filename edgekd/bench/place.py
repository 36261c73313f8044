"""Where measuring processes run: on this machine, or under an emulator."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from edgekd.results import Evidence


@dataclass(frozen=True)
class Place:
    """How a measuring process is started, and what its numbers are worth.

    Args:
        name: for messages and records, "this machine" or "cortex-a72".
        python: the command up to the interpreter; ``-m edgekd.bench.worker`` is added.
        environment: what is set for the process besides the usual.
        evidence: of everything that it measures.
        has_time: False where durations mean nothing; then nothing is timed, and everything else is done.
    """

    name: str = "this machine"
    python: tuple[str, ...] = (sys.executable,)
    environment: tuple[tuple[str, str], ...] = ()
    evidence: Evidence = Evidence.HOST
    has_time: bool = True


HERE = Place()
