"""Files as artifacts: hashes, atomic writes, folders that appear whole or not at all, locks, stage records."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekd.errors import Busy, InvalidArtifact

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

STAGE_FILE = "stage.json"
LOCK_FILE = ".edgekd.lock"


def sha256_bytes(data: bytes) -> str:
    """Return the hex SHA-256 of ``data``."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Return the hex SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        digest = hashlib.sha256()
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def hash_json(value: Any) -> str:
    """Return a hash of a JSON-able value that does not depend on key order."""
    return sha256_bytes(json.dumps(value, sort_keys=True, ensure_ascii=False, default=str).encode())


def hash_files(folder: Path, *, exclude: tuple[str, ...] = (STAGE_FILE, LOCK_FILE)) -> dict[str, str]:
    """Return the relative path and hash of every file below ``folder``, sorted by path."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name not in exclude)
    return {p.relative_to(folder).as_posix(): sha256_file(p) for p in files}


def folder_bytes(folder: Path) -> int:
    """Return the size of all files below ``folder`` in bytes."""
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())


def write_bytes_atomic(path: Path, data: bytes) -> None:
    """Write a file so that readers see the old content or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text_atomic(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    write_bytes_atomic(path, text.encode())


def write_json_atomic(path: Path, value: Any) -> None:
    """Write indented JSON atomically; NaN and infinity are rejected, so the file stays valid JSON."""
    write_text_atomic(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        InvalidArtifact: when the file is missing or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InvalidArtifact(f"'{path}' does not exist.") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InvalidArtifact(f"'{path}' is not valid JSON: {error}.") from error


@contextmanager
def publish_folder(target: Path) -> Iterator[Path]:
    """Yield an empty sibling folder that replaces ``target`` when the block ends without an error."""
    target.parent.mkdir(parents=True, exist_ok=True)
    building = target.with_name(f".{target.name}.building")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir()
    try:
        yield building
        if target.exists():
            old = target.with_name(f".{target.name}.old")
            shutil.rmtree(old, ignore_errors=True)
            target.rename(old)
            building.rename(target)
            shutil.rmtree(old, ignore_errors=True)
        else:
            building.rename(target)
    finally:
        shutil.rmtree(building, ignore_errors=True)


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Hold an exclusive lock on a folder; the system drops it when the process dies, however it dies.

    Raises:
        Busy: when another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK_FILE).open("a+") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            stream.seek(0)
            owner = stream.read().strip() or "unknown"
            raise Busy(
                f"'{folder}' is in use by another edgekd process (pid {owner}).",
                hint="Wait for it to end, or choose another folder with --out.",
            ) from error
        stream.truncate(0)
        stream.write(str(os.getpid()))
        stream.flush()
        try:
            yield
        finally:
            fcntl.flock(stream, fcntl.LOCK_UN)


def stage_is_valid(folder: Path, key: str) -> bool:
    """Tell whether ``folder`` holds the finished output of a stage with this key, unchanged."""
    path = folder / STAGE_FILE
    if not path.is_file():
        return False
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError):
        return False
    return bool(record.get("key") == key and record.get("files") == hash_files(folder))


def write_stage(folder: Path, *, stage: str, key: str, inputs: Mapping[str, Any], started_at: float) -> None:
    """Record that a stage finished: its key, what the key was made of, and the hash of every file it wrote."""
    write_json_atomic(
        folder / STAGE_FILE,
        {
            "stage": stage,
            "key": key,
            "inputs": dict(inputs),
            "duration_s": round(time.time() - started_at, 3),
            "files": hash_files(folder),
        },
    )
