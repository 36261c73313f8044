"""Locks that the system drops when their holder dies: one for each job, one for the machine and all its users."""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import os
import stat
import tempfile
import time
from pathlib import Path

from edgekd.remote.agent.base import Refused

MACHINE_LOCK = "edgekd-board.lock"  # in the folder for temporary files
JOB_LOCK = "lock"  # in the folder of a job


def take_machine() -> int:
    """Take the lock of the machine: two measurements would disturb one another. Return its descriptor.

    Raises:
        Refused: when somebody measures.
    """
    path = Path(tempfile.gettempdir()) / MACHINE_LOCK
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        lock = os.open(path, flags)  # without O_CREAT, which Linux refuses for files of others in /tmp
    except FileNotFoundError:
        lock = os.open(path, flags | os.O_CREAT, 0o666)
        with contextlib.suppress(PermissionError):
            os.fchmod(lock, 0o666)  # other users take it too, whatever the umask is
    if not stat.S_ISREG(os.fstat(lock).st_mode):
        raise Refused(f"'{path}' on the board is no file.")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        who = os.pread(lock, 200, 0).decode(errors="replace").strip() or "somebody measures"
        os.close(lock)
        raise Refused(
            f"The board is in use: {who}.", "Wait for it to end, or look with 'edgekd board status'.", "busy"
        ) from None
    os.truncate(lock, 0)
    started = time.strftime("%Y-%m-%d %H:%M:%S")
    os.pwrite(lock, f"{getpass.getuser()} has been measuring since {started} of its clock".encode(), 0)
    return lock


def take_job(folder: Path) -> int:
    """Take the lock of a new job; return its descriptor."""
    lock = os.open(folder / JOB_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def is_running(folder: Path) -> bool:
    """Tell whether a job's process lives: it holds the lock."""
    try:
        with (folder / JOB_LOCK).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except BlockingIOError:
        return True
    return False
