"""Where measuring processes run: on this machine, on a board, or under an emulator."""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgekd.environment import EVIDENCE_VARIABLE
from edgekd.results import Evidence

if TYPE_CHECKING:
    from edgekd.results import Machine


@dataclass(frozen=True)
class Place:
    """How a measuring process is started, and what its numbers are worth.

    Args:
        name: for messages and records, "this machine" or "cortex-a72".
        python: the command up to the interpreter; ``-m edgekd.bench.worker`` is added.
        environment: what is set for the process besides the usual.
        evidence: of everything that it measures.
        has_time: False where durations mean nothing; then nothing is timed, and everything else is done.
        machine: what the process sees; None where it is this machine.
        note: stored with every result.
    """

    name: str = "this machine"
    python: tuple[str, ...] = (sys.executable,)
    environment: tuple[tuple[str, str], ...] = ()
    evidence: Evidence = Evidence.HOST
    has_time: bool = True
    machine: Machine | None = None
    note: str = ""


HERE = Place()


def own_evidence(otherwise: Evidence) -> Evidence:
    """Return what numbers of this machine are worth: ``emulated`` where that is known, else ``otherwise``.

    A program cannot always see that an emulator runs it, so a machine that is emulated may say so itself, with
    ``EDGEKD_EVIDENCE=emulated``. No other value is believed: a variable makes numbers worth less, never more.
    """
    from edgekd.doctor.emulator import emulated_by
    from edgekd.doctor.system import System

    return Evidence.EMULATED if emulated_by(System(), platform.machine()) else otherwise


def board_place() -> Place:
    """Return the place of a process that runs on a board itself: measured, unless the board is emulated."""
    if own_evidence(Evidence.DEVICE) is Evidence.DEVICE:
        return Place("this board", evidence=Evidence.DEVICE)
    known = ((EVIDENCE_VARIABLE, Evidence.EMULATED.value),)  # its measuring processes leave the emulator's memory out
    note = "the board is emulated: nothing is timed, and memory is the program's without the emulator"
    return Place("this board", environment=known, evidence=Evidence.EMULATED, has_time=False, note=note)
