"""Files by their content: what is there already is not copied again."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import BinaryIO

from edgekd.remote.agent.base import Answer, Refused, Request, inside, root_of

CHUNK = 1 << 20


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def missing(request: Request, _: BinaryIO) -> Answer:
    """Return which contents are not in the store; a damaged one is thrown away."""
    store, absent = root_of(request) / "store", []
    for digest in request["hashes"]:
        path = inside(store, digest)
        if path.is_file() and _sha256(path) == digest:
            continue
        path.unlink(missing_ok=True)
        absent.append(digest)
    return {"missing": absent}


def put(request: Request, stdin: BinaryIO) -> Answer:
    """Store contents that follow the request, each checked against its hash before it gets its name."""
    store = root_of(request) / "store"
    needed, free = sum(size for _, size in request["blobs"]), shutil.disk_usage(store).free
    if needed > free:
        raise Refused(
            f"There is too little space on the board: {needed / 1e6:.0f} MB needed, {free / 1e6:.0f} MB free.",
            "Free some there, or choose another folder with --board-dir.",
        )
    for digest, size in request["blobs"]:
        _receive(stdin, inside(store, digest), digest, size)
    return {}


def _receive(stdin: BinaryIO, path: Path, digest: str, size: int) -> None:
    found = hashlib.sha256()
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".put-", delete=False) as stream:
        try:
            while size:
                chunk = stdin.read(min(size, CHUNK))
                if not chunk:
                    raise Refused("The connection ended in the middle of a file.", "Try again.")
                found.update(chunk)
                stream.write(chunk)
                size -= len(chunk)
            if found.hexdigest() != digest:
                raise Refused("A file arrived damaged.", "Try again.")
            stream.flush()
            os.fsync(stream.fileno())
        except BaseException:
            Path(stream.name).unlink()
            raise
    Path(stream.name).replace(path)


def code(request: Request, _: BinaryIO) -> Answer:
    """Unpack edgekd from the store, once; return its folder."""
    root = root_of(request)
    target = inside(root / "code", request["sha256"])
    if not target.is_dir():
        with tempfile.TemporaryDirectory(dir=root / "code", prefix=".new-") as work:
            with zipfile.ZipFile(inside(root / "store", request["sha256"])) as archive:
                archive.extractall(Path(work) / "code")  # NOTE: zipfile drops absolute names and ".."
            with contextlib.suppress(OSError):  # another process was faster
                (Path(work) / "code").rename(target)
    return {"folder": str(target)}
