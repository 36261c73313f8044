"""What is on the board, stopping it, removing it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import time
from pathlib import Path
from typing import BinaryIO

from edgekd.remote.agent.base import PARTS, Answer, Refused, Request, root_of
from edgekd.remote.agent.jobs import outcome
from edgekd.remote.agent.locks import is_running

STOP_S = 10.0


def _jobs(root: Path) -> list[Path]:
    return sorted(folder for folder in (root / "jobs").iterdir() if (folder / "job.json").is_file())


def status(request: Request, _: BinaryIO) -> Answer:
    """Return the jobs, and how much space everything takes, in bytes."""
    root = root_of(request)
    jobs = []
    for folder in _jobs(root):
        state = "running" if is_running(folder) else outcome(folder)["state"]
        job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
        jobs.append({"key": folder.name, "state": state, "title": job["title"]})
    sizes = {part: sum(p.lstat().st_size for p in (root / part).rglob("*") if p.is_file()) for part in PARTS}
    return {"root": str(root), "jobs": jobs, "sizes": sizes}


def cancel(request: Request, _: BinaryIO) -> Answer:
    """Stop all running jobs of this user and remove all job folders; return the keys of those that ran."""
    stopped = []
    for folder in _jobs(root_of(request)):
        if is_running(folder):
            _stop(folder)
            stopped.append(folder.name)
        shutil.rmtree(folder, ignore_errors=True)
    return {"stopped": stopped}


def _stop(folder: Path) -> None:
    pid = int((folder / "pid").read_text(encoding="utf-8"))  # the lock is held, so it is still the job's
    for end in (signal.SIGTERM, signal.SIGKILL):  # at the first one it ends its measuring processes
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, end)
        limit = time.monotonic() + STOP_S
        while is_running(folder) and time.monotonic() < limit:
            time.sleep(0.05)
        if not is_running(folder):
            return
    raise Refused(f"The measurement with process id {pid} on the board does not end.")


def clean(request: Request, _: BinaryIO) -> Answer:
    """Remove everything that edgekd keeps on the board; refused while a job runs."""
    root = root_of(request)
    if any(is_running(folder) for folder in _jobs(root)):
        raise Refused("A measurement is running on the board.", "Stop it first: edgekd board cancel ADDRESS", "busy")
    for part in PARTS:
        shutil.rmtree(root / part, ignore_errors=True)
    with contextlib.suppress(OSError):
        root.rmdir()
    return {"root": str(root)}
