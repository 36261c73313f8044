"""Put files into the page cache of Linux or out of it, and look where they are.

Sources: posix_fadvise(2): POSIX_FADV_DONTNEED frees cached pages of a file; dirty and mapped ones stay. mincore(2): one
byte a page, bit 0 says whether it is in memory; the caller must own the file or be allowed to write it.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def files_below(folder: Path) -> list[Path]:
    """Return the files of a bundle or model folder."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def read_in(paths: Iterable[Path]) -> None:
    """Read files, so that they are cached."""
    for path in paths:
        with path.open("rb") as stream:
            while stream.read(1 << 20):
                pass


def drop(paths: Iterable[Path]) -> None:
    """Ask the system to forget files; whether it did, :func:`cached_share` tells."""
    if not hasattr(os, "posix_fadvise"):
        return
    for path in paths:
        with path.open("rb") as stream:
            os.fsync(stream.fileno())  # pages that are not written yet would stay
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def cached_share(paths: Iterable[Path]) -> float | None:
    """Return which share of the pages of files is in memory; None where the system does not tell."""
    pages = cached = 0
    for path in paths:
        found = _resident(path)
        if found is None:
            return None
        pages += len(found)
        cached += sum(byte & 1 for byte in found)
    return cached / pages if pages else None


def _resident(path: Path) -> bytes | None:
    """Return the answer of mincore for a file."""
    size = path.stat().st_size
    if size == 0:
        return b""
    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "mincore"):
        return None
    answer = (ctypes.c_ubyte * -(-size // mmap.PAGESIZE))()
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), size, access=mmap.ACCESS_COPY) as mapped:
        first = ctypes.c_char.from_buffer(mapped)
        status = library.mincore(ctypes.c_void_p(ctypes.addressof(first)), ctypes.c_size_t(size), answer)
        del first  # the mapping cannot be closed while something points into it
    return bytes(answer) if status == 0 else None
