"""A limit of the memory of measuring processes, so that a model that is too large for a board is found out here.

Two means, neither of which needs any right:

- The highest resident memory of the process, which Linux keeps (``VmHWM``), is compared with the limit after loading,
  after the warm-up and after the timed calls. It decides.
- ``RLIMIT_DATA`` makes the system refuse writable private memory (since Linux 4.7 with all of ``mmap``, getrlimit(2))
  before a model that is much too large can push everything else out of the memory of this machine. The process gets an
  error that it can report; its parent is never touched.

``RLIMIT_AS`` would count address space, of which runtimes reserve a lot that they never touch, and files that are only
mapped. A control group (cgroup v2) would count right, but ordinary users may make one only where systemd delegates it.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgekd import units
from edgekd.errors import EXIT_INVALID, EdgekdError

if TYPE_CHECKING:
    from edgekd.devices import DeviceProfile
    from edgekd.results import BenchResult

SYSTEM_SHARE = 0.25  # of a board's memory: what its system needs, 128 MB of the 512 MB of the smallest boards
# Writable memory that is asked for and never touched: stacks of threads, the rest of malloc's arenas. It is no resident
# memory. Found in a process with one thread: 33 MB.
UNTOUCHED_BYTES = 128_000_000
WORDS = ("bad_alloc", "bad allocation", "memoryerror", "cannot allocate memory", "failed to allocate memory")
MORE_WORDS = ("memory allocation of", "out of memory", "unable to allocate")  # Rust, kernels, numpy
KILLED = "was killed by signal 9"


@dataclass(frozen=True)
class MemoryLimit:
    """How much memory a variant may have, and who says so."""

    size_bytes: int
    source: str  # "--memory-limit", "3/4 of the memory of 'pi'"


class MemoryExceeded(EdgekdError):
    """A measuring process took more memory than it may have."""

    exit_code = EXIT_INVALID

    def __init__(self, message: str, needed_bytes: int | None = None) -> None:
        super().__init__(message)
        self.needed_bytes = needed_bytes  # None: it was refused, and how much it would have taken is not known


class DoesNotFit(EdgekdError):
    """A variant needs more memory than there is on the target.

    Attributes:
        results: of the variants that were measured all the same.
    """

    exit_code = EXIT_INVALID

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.results: list[BenchResult] = []


def limit_of(profile: DeviceProfile) -> MemoryLimit | None:
    """Return what a board leaves to a program: three quarters of the memory of its smallest version.

    None for the profile of this machine, and where the memory is not known.
    """
    memory = profile.cpu.memory_bytes
    if profile.is_this_machine or memory is None:
        return None
    left = int((1 - SYSTEM_SHARE) * memory)
    return MemoryLimit(left, f"the memory of '{profile.name}' less a quarter for its system")


def does_not_fit(name: str, limit: MemoryLimit, needed_bytes: int | None = None) -> DoesNotFit:
    """Return the error of a variant that is too large.

    Args:
        name: of the variant.
        limit: what it had.
        needed_bytes: what it took; None when it did not get that far.
    """
    took = f"it took {units.size(needed_bytes)}, and " if needed_bytes is not None else ""
    return DoesNotFit(
        f"'{name}' does not fit: {took}it may have {units.short_size(limit.size_bytes)} ({limit.source})."
        if took
        else f"'{name}' does not fit: it needs more than {units.short_size(limit.size_bytes)} ({limit.source}).",
        hint="Take a smaller student or a compressed one, or change the limit with --memory-limit.",
    )


def join(misfits: list[DoesNotFit], results: list[BenchResult]) -> DoesNotFit:
    """Return one error for all variants that are too large, with the results of the others."""
    error = DoesNotFit(" ".join(misfit.message for misfit in misfits), hint=misfits[0].hint)
    error.results = results
    return error


def says_out_of_memory(text: str) -> bool:
    """Tell whether an error is about memory, or the system killed the process."""
    lower = text.lower()
    return any(word in lower for word in (*WORDS, *MORE_WORDS)) or KILLED in text


def limit_own_memory(limit_bytes: int) -> None:
    """Have the system refuse this process writable memory beyond the limit; only on Linux, where that is exact."""
    _set_soft(limit_bytes + UNTOUCHED_BYTES)


def lift_own_limit() -> None:
    """Give this process as much memory as it may have."""
    _set_soft(None)


def _set_soft(wanted: int | None) -> None:
    if sys.platform != "linux":
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    soft = hard if wanted is None else wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
