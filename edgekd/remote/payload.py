"""What is copied to a board: contents by their hash, and edgekd itself as a zip of its source files."""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from edgekd.artifacts import sha256_bytes, sha256_file
from edgekd.devices import shipped_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK = 1 << 20
EPOCH = (1980, 1, 1, 0, 0, 0)  # the same files give the same zip, whenever they were written
SUFFIXES = {".py", ".yaml", ".json", ".j2", ".sh", ".md", ".typed", ".c"}


@dataclass(frozen=True)
class Content:
    """A file for the board.

    Args:
        sha256: of its bytes, its name in the board's store.
        size: in bytes.
        source: the bytes, or the file that has them.
    """

    sha256: str
    size: int
    source: bytes | Path

    @classmethod
    def of(cls, source: bytes | Path) -> Content:
        """Describe bytes or a file."""
        if isinstance(source, bytes):
            return cls(sha256_bytes(source), len(source), source)
        return cls(sha256_file(source), source.stat().st_size, source)

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes, a part at a time."""
        if isinstance(self.source, bytes):
            yield self.source
            return
        left = self.size
        with self.source.open("rb") as stream:
            while left and (chunk := stream.read(min(left, CHUNK))):
                left -= len(chunk)
                yield chunk


@cache
def package_zip() -> bytes:
    """Return the source of this edgekd with the shipped profiles; the same bytes for the same files.

    It comes from the imported package, so a board runs what runs here, installed or from a checkout.
    """
    package = Path(str(resources.files("edgekd")))
    files = {
        f"edgekd/{path.relative_to(package).as_posix()}": path
        for path in package.rglob("*")
        if path.is_file() and path.suffix in SUFFIXES and "__pycache__" not in path.parts
    }
    profiles = shipped_folder()
    files |= {f"edgekd/_shipped/devices/{path.name}": path for path in profiles.glob("*.yaml")}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(name, EPOCH), path.read_bytes(), zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def key_of(*parts: str) -> str:
    """Return a short key for strings, in their order."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
