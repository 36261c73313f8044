"""Archives with the same bytes for the same content, whoever packs it, when and where.

A tar in POSIX format, compressed with gzip: names sorted, owner, time and mode fixed, no name or time in the gzip
header. The compressed bytes also depend on the zlib that Python is built with; the tar inside does not.
"""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

SUFFIX = ".tar.gz"
COMPRESSION_LEVEL = 6
MODE = 0o644
RUNNABLE_MODE = 0o755


def write_archive(target: Path, top: str, files: Mapping[str, Path | bytes], *, runnable: Collection[str] = ()) -> None:
    """Write an archive; readers of ``target`` see the old file or the new, never a part.

    Args:
        target: the file.
        top: folder inside the archive that holds everything.
        files: content by relative path, as a file or as bytes.
        runnable: paths that get the executable bit.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as raw:
            _write(raw, top, files, runnable)
            raw.flush()
            os.fsync(raw.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _write(raw: BinaryIO, top: str, files: Mapping[str, Path | bytes], runnable: Collection[str]) -> None:
    with (
        gzip.GzipFile(filename="", mode="wb", compresslevel=COMPRESSION_LEVEL, fileobj=raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name in sorted(files):
            entry = tarfile.TarInfo(f"{top}/{name}")  # owner 0 without a name, time 0
            entry.mode = RUNNABLE_MODE if name in runnable else MODE
            content = files[name]
            with io.BytesIO(content) if isinstance(content, bytes) else content.open("rb") as stream:
                entry.size = stream.seek(0, os.SEEK_END)
                stream.seek(0)
                archive.addfile(entry, stream)
