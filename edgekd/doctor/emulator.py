"""Does an emulator run this process? Then its times mean nothing."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from edgekd.environment import EVIDENCE_VARIABLE

if TYPE_CHECKING:
    from edgekd.doctor.system import System

X86_KERNEL = "cpu:type:x86"


def emulated_by(system: System, arch: str) -> str | None:
    """Return how it is known that this process is emulated; None when nothing speaks for it.

    A program of another architecture under QEMU sees its kernel's own name of the processor. A program of the
    same architecture cannot tell.

    Args:
        system: whose files are read.
        arch: of this process.
    """
    if os.environ.get(EVIDENCE_VARIABLE) == "emulated":
        return f"{EVIDENCE_VARIABLE}=emulated is set"
    kernel = system.text("sys/devices/system/cpu/modalias") or ""
    if kernel.startswith(X86_KERNEL) and arch not in ("x86_64", "i686", "i386"):
        return f"the programs are of {arch}, the kernel's processor is of x86"
    return None
