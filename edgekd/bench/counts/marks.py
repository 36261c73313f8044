"""How a measuring process tells a counter where a region ends. The standard library only.

A mark costs some thousand instructions of Python. So an empty region is marked as well, and taken off.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
import platform
import struct
from contextlib import suppress
from typing import Protocol

from edgekd.bench.counts.regions import MAGIC
from edgekd.errors import NotApplicable


class Marks(Protocol):
    """Ends a region and begins the next."""

    def mark(self, tag: int) -> None:
        """End a region with a tag."""


class CloseMarks:
    """A system call that fails, which the plugin of QEMU sees."""

    def mark(self, tag: int) -> None:
        """End a region with a tag."""
        with suppress(OSError):
            os.close(MAGIC + tag)


class ValgrindMarks:
    """Client requests of valgrind: an instruction sequence that does nothing on a processor and that valgrind knows.

    It stands in valgrind.h ("VALGRIND_DO_CLIENT_REQUEST_EXPR", amd64): four rotations of rdi by 3, 13, 61 and 51 and
    ``xchg rbx, rbx``, with the address of six words in rax; callgrind's numbers are in callgrind.h. A compiler would
    be needed for the header, so the twenty bytes are put in memory here.
    """

    # mov rax, rdi; xor edx, edx; rol rdi, 3; rol rdi, 13; rol rdi, 61; rol rdi, 51; xchg rbx, rbx; mov rax, rdx; ret
    CODE = bytes.fromhex("4889f8 31d2 48c1c703 48c1c70d 48c1c73d 48c1c733 4887db 4889d0 c3")
    CALLGRIND = 0x43540000  # 'C', 'T'
    ZERO, DUMP_AT, START = CALLGRIND + 1, CALLGRIND + 3, CALLGRIND + 4

    def __init__(self) -> None:
        # Kept as long as the function: the memory would go away.
        self._memory = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        self._memory.write(self.CODE)
        address = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        self._call = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.POINTER(ctypes.c_uint64))(address)
        self._names: dict[int, ctypes.Array[ctypes.c_char]] = {}
        self._request(self.START)
        self._request(self.ZERO)

    def mark(self, tag: int) -> None:
        """End a region with a tag: callgrind writes a file and begins at zero."""
        name = self._names.setdefault(tag, ctypes.create_string_buffer(str(tag).encode()))
        self._request(self.DUMP_AT, ctypes.addressof(name))

    def _request(self, number: int, argument: int = 0) -> None:
        self._call((ctypes.c_uint64 * 6)(number, argument, 0, 0, 0, 0))


class PerfMarks:
    """The processor's own counter of instructions, user space only (``perf_event_open``, man page 2).

    Args:
        kind: of the event; another one in tests.
        config: which of the kind.

    Raises:
        NotApplicable: when there is no such counter, or this user may not read it.
    """

    HARDWARE, INSTRUCTIONS = 0, 1
    SYSCALLS = {"x86_64": 298, "aarch64": 241}  # noqa: RUF012 - never changed
    EXCLUDE_KERNEL, EXCLUDE_HYPERVISOR = 1 << 5, 1 << 6
    ENABLE = 0x2400  # _IO('$', 0)
    SIZE = 64  # of the first version of struct perf_event_attr

    def __init__(self, kind: int = HARDWARE, config: int = INSTRUCTIONS) -> None:
        self.regions: list[tuple[int, int]] = []
        number = self.SYSCALLS.get(platform.machine())
        if number is None:
            raise NotApplicable(f"There is no counter of instructions on {platform.system()} {platform.machine()}.")
        flags = self.EXCLUDE_KERNEL | self.EXCLUDE_HYPERVISOR
        attributes = struct.pack("=IIQQQQQ", kind, self.SIZE, config, 0, 0, 0, flags).ljust(self.SIZE, b"\0")
        syscall = ctypes.CDLL(None, use_errno=True).syscall
        self._file = syscall(number, attributes, 0, -1, -1, 0)
        if self._file < 0:
            raise NotApplicable(why_not(ctypes.get_errno()), hint=PERF_HINT)
        fcntl.ioctl(self._file, self.ENABLE, 0)
        self._last = self._read()

    def mark(self, tag: int) -> None:
        """End a region with a tag and remember what was counted."""
        now = self._read()
        self.regions.append((tag, now - self._last))
        self._last = self._read()

    def _read(self) -> int:
        return int.from_bytes(os.read(self._file, 8), "little")

    def close(self) -> None:
        """Give the counter back."""
        os.close(self._file)


PERF_HINT = "Virtual machines often have none. 'perf stat -e instructions:u true' tells the same."
PARANOID = "/proc/sys/kernel/perf_event_paranoid"


def why_not(error: int) -> str:
    """Return why the counter of instructions cannot be opened, by the number of the error."""
    if error in (errno.EACCES, errno.EPERM):
        return f"This user may not read the processor's counter of instructions: {PARANOID} must be 2 or less."
    if error in (errno.ENOENT, errno.ENODEV, errno.EOPNOTSUPP):
        return "This processor shows no counter of instructions to its programs."
    return f"The processor's counter of instructions cannot be read here: {os.strerror(error)}."


KINDS: dict[str, type[CloseMarks | ValgrindMarks | PerfMarks]] = {
    "qemu-plugin": CloseMarks,
    "callgrind": ValgrindMarks,
    "perf": PerfMarks,
}
