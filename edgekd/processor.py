"""Which instructions the processor of this process has, as far as they change what a graph answers.

x86 without VNNI adds products of uint8 and int8 in pairs in 16 bits, where they saturate (onnxruntime documentation,
quantization.md, "When and why do I need to try U8U8?"). ONNX Runtime has a switch that has such matrices multiplied as
uint8 by uint8 instead. It is for such processors only: with VNNI answers stay the same, and a transformer takes 1.5
times as long (benchmarks/LOG.md).
"""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

SINCE_BOOT = " since boot"  # end of the name of a throttle flag that was up before and is not up now
# CPU flags of instructions that add int8 products in 32 bits.
VNNI_FLAGS = frozenset({"vnni", "avx_vnni", "avx512_vnni", "avx512vnni", "amx_int8"})
X86 = frozenset({"x86_64", "amd64", "i686", "i386"})
# onnxruntime_session_options_config_keys.h, kOrtSessionOptionsAvx2PrecisionMode. Matrices with 7-bit weights stay as
# they are.
PRECISE = ("session.x64quantprecision", "1")


def saturates(arch: str, flags: Iterable[str]) -> bool:
    """Tell whether products of uint8 and int8 saturate on a processor; unknown flags count as one where they do.

    Args:
        arch: as :func:`platform.machine` says it.
        flags: as in ``/proc/cpuinfo``.
    """
    return arch.lower() in X86 and not {flag.lower() for flag in flags} & VNNI_FLAGS


def session_entries(arch: str, flags: Iterable[str]) -> dict[str, str]:
    """Return the entries of an ONNX Runtime session's configuration that keep int8 exact on a processor."""
    return dict([PRECISE]) if saturates(arch, flags) else {}


@cache
def own_session_entries() -> dict[str, str]:
    """Return the entries for the processor of this machine."""
    return session_entries(platform.machine(), cpu_flags(Path("/proc/cpuinfo")))


def cpu_flags(cpuinfo: Path) -> list[str]:
    """Return the flags of the first processor in ``/proc/cpuinfo``; none where there is no such file."""
    try:
        with cpuinfo.open(encoding="utf-8", errors="replace") as stream:  # NOTE: all of it is slow on many cores
            line = next((line for line in stream if line.startswith(("flags", "Features"))), "")
    except OSError:
        return []
    return line.partition(":")[2].split()
