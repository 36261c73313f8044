"""Reading archives that may be hostile: nothing is written outside the folder, nor more than allowed."""

from __future__ import annotations

import gzip
import shutil
import tarfile
import zlib
from typing import TYPE_CHECKING, BinaryIO

from edgekd.bundle import MANIFEST_FILE
from edgekd.bundles.names import why_unsafe
from edgekd.errors import InvalidArtifact

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_BYTES = 4_000_000_000  # of all files together; a bundle is a small thing
MAX_FILES = 1000
_MAX_READ_BYTES = 1 << 20  # at once: tarfile reads extended headers whole, whatever size they claim
_MAX_TAIL_BYTES = 1 << 20  # after the last file: tar fills its last record with zeros
_DAMAGED = (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, UnicodeError, ValueError)


class _Bounded:
    """A stream for tarfile that never reads more than a little at once."""

    def __init__(self, stream: gzip.GzipFile, limit: int) -> None:
        self._stream = stream
        self._limit = limit

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _MAX_READ_BYTES:
            raise tarfile.ReadError(f"a header claims {size} bytes")
        return self._stream.read(size)

    def seek(self, position: int) -> int:
        if position > self._limit:
            raise tarfile.ReadError("it is longer than its files")
        return self._stream.seek(position)

    def tell(self) -> int:
        return self._stream.tell()


def extract(file: Path, into: Path, *, max_bytes: int = MAX_BYTES) -> Path:
    """Extract the one folder of a ``.tar.gz`` and return where it lies now.

    Args:
        file: the archive.
        into: an empty folder.
        max_bytes: of all files together, as the archive claims and as they are.

    Raises:
        InvalidArtifact: when the file is missing, damaged, cut short or too large, or has an entry that is no plain
            file with a safe name inside one folder.
    """
    if not file.is_file():
        raise InvalidArtifact(f"Archive '{file}' does not exist.")
    try:
        with gzip.open(file, "rb") as stream:
            bounded = _Bounded(stream, max_bytes + MAX_FILES * _MAX_READ_BYTES)
            with tarfile.open(fileobj=bounded, mode="r:") as archive:  # type: ignore[call-overload]
                tops = {_extract_entry(archive, entry, into) for entry in _entries(archive, file, max_bytes)}
            _read_to_the_end(stream)
    except _DAMAGED as error:
        raise InvalidArtifact(
            f"'{file}' is no whole .tar.gz archive: {str(error) or type(error).__name__}.",
            hint="Copy it again, and compare its sha256 with what 'edgekd bundle pack' printed.",
        ) from error
    if len(tops) != 1:
        raise InvalidArtifact(f"'{file}' holds no bundle: it has {len(tops)} folders at its top, a bundle is one.")
    [top] = tops
    if not (into / top / MANIFEST_FILE).is_file():
        raise InvalidArtifact(f"'{file}' holds no bundle: its folder '{top}' has no {MANIFEST_FILE}.")
    return into / top


def _entries(archive: tarfile.TarFile, file: Path, max_bytes: int) -> Iterator[tarfile.TarInfo]:
    """Yield the files, each checked before anything of it is read."""
    seen: set[str] = set()
    total = 0
    for entry in archive:
        name = entry.name
        if entry.isdir():
            reason = why_unsafe(name.rstrip("/"))
        elif not entry.isreg() or entry.issparse():
            reason = "it is a link, a device or something else that is no plain file"
        elif "/" not in name:
            reason = "it lies in no folder"
        else:
            reason = "it is there twice" if name in seen else why_unsafe(name)
        if reason:
            raise InvalidArtifact(f"'{file}' is not unpacked because of its entry {name!r}: {reason}.")
        if entry.isdir():
            continue
        if entry.size < 0:
            raise tarfile.HeaderError(f"its entry {name!r} has a negative size")
        seen.add(name)
        total += entry.size
        if total > max_bytes or len(seen) > MAX_FILES:
            raise InvalidArtifact(
                f"'{file}' is not unpacked: it holds more than {max_bytes:,} bytes or {MAX_FILES:,} files.",
                hint="If you trust it, allow more bytes with --max-size.",
            )
        yield entry


def _extract_entry(archive: tarfile.TarFile, entry: tarfile.TarInfo, into: Path) -> str:
    """Write a file; return the first part of its name. Links cannot lie in the way, since none is ever made."""
    target = into / entry.name
    source = archive.extractfile(entry)
    assert source is not None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with source, target.open("xb") as stream:
            _copy(source, stream, entry.size)
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise tarfile.ReadError(f"another entry is in the way of {entry.name!r}") from error
    if entry.mode & 0o100:
        target.chmod(target.stat().st_mode | 0o100)
    return entry.name.partition("/")[0]


def _copy(source: BinaryIO | object, stream: BinaryIO, size: int) -> None:
    shutil.copyfileobj(source, stream, 1 << 16)  # type: ignore[type-var, arg-type]
    if stream.tell() != size:
        raise tarfile.ReadError("it ends inside a file")


def _read_to_the_end(stream: gzip.GzipFile) -> None:
    """Read what follows the last file, which is zeros, so that the checksum of the whole is checked."""
    for _ in range(_MAX_TAIL_BYTES >> 16):
        if not stream.read(1 << 16):
            return
    raise tarfile.ReadError("it goes on after its last file")
