"""Measurements that run by themselves: started once, followed and fetched by whoever has the key."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

from edgekd.remote.agent.base import Answer, Refused, Request, emit, environment, inside, python, root_of
from edgekd.remote.agent.locks import is_running, take_job, take_machine

POLL_S = 0.5  # between looks at the progress: a few system calls each
LOG_LINES = 15


def outcome(folder: Path) -> Answer:
    """Return what became of a job that does not run: ``done``, ``failed``, or ``died``."""
    with contextlib.suppress(FileNotFoundError):
        state: Answer = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        return state
    log: list[str] = []
    with contextlib.suppress(FileNotFoundError):
        log = (folder / "log.txt").read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return {"state": "died", "log": log[-LOG_LINES:]}


def find(request: Request, _: BinaryIO) -> Answer:
    """Return what became of the job of a key: ``running``, ``absent``, or its outcome where ``resume`` asks for it.

    Where the job does not run another one must not either: even copying files to the board would disturb it.
    """
    folder = inside(root_of(request) / "jobs", request["key"])
    if is_running(folder):
        return {"state": "running"}
    if request["resume"] and folder.is_dir():
        return outcome(folder)
    os.close(take_machine())
    return {"state": "absent"}


def start(request: Request, _: BinaryIO) -> Answer:
    """Start a job that goes on by itself; what an earlier one of the same key left is removed."""
    root = root_of(request)
    folder = inside(root / "jobs", request["key"])
    if is_running(folder):
        raise Refused("This measurement is already running on the board.", "Collect it with --resume.", "busy")
    machine = take_machine()
    _lay_out(request, root / "store", folder)
    lock = take_job(folder)
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            [python(), "-m", "edgekd.bench.board", str(folder)],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment(request["path"], request["environment"]),
            start_new_session=True,  # lives on when the connection ends
            pass_fds=(machine, lock),  # the process keeps both locks, and never lets go
        )
    (folder / "pid").write_text(str(process.pid), encoding="utf-8")
    return {"state": "started"}


def _lay_out(request: Request, store: Path, folder: Path) -> None:
    """Make the folder of a job, whole or not at all; files are links into the store where there are links."""
    shutil.rmtree(folder, ignore_errors=True)
    building = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir()
    for name, digest in request["files"].items():
        target = inside(building, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(inside(store, digest), target)
        except OSError:  # a file system without links
            shutil.copyfile(inside(store, digest), target)
    (building / "job.json").write_text(json.dumps(request["job"]), encoding="utf-8")
    building.rename(folder)


def follow(request: Request, _: BinaryIO) -> Answer:
    """Send the lines of a job's progress until it has ended, or nobody listens any more."""
    folder = inside(root_of(request) / "jobs", request["key"])
    offset = 0
    with contextlib.suppress(OSError):
        os.nice(10)
    while True:
        running = is_running(folder)  # asked before the lines are read: none is written afterwards
        lines = b""
        with contextlib.suppress(FileNotFoundError), (folder / "progress.jsonl").open("rb") as stream:
            stream.seek(offset)
            lines = stream.read()
        complete = lines[: lines.rfind(b"\n") + 1]
        for line in complete.splitlines():
            emit({"progress": json.loads(line)})
        offset += len(complete)
        if not running:
            return outcome(folder)
        if select.select([0], [], [], POLL_S)[0] and not os.read(0, 1):
            return {"state": "running"}


def fetch(request: Request, _: BinaryIO) -> Answer:
    """Send result files of a job."""
    folder = inside(root_of(request) / "jobs", request["key"]) / "results"
    for name in request["names"]:
        content = inside(folder, name).read_bytes()
        emit({"file": name, "size": len(content)})
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    return {}


def forget(request: Request, _: BinaryIO) -> Answer:
    """Remove the folder of a job that has ended."""
    folder = inside(root_of(request) / "jobs", request["key"])
    if not is_running(folder):
        shutil.rmtree(folder, ignore_errors=True)
    return {}


def run(request: Request, _: BinaryIO) -> Answer:
    """Run a module of edgekd, alone on the machine; return what it printed and its exit code."""
    lock = take_machine()
    done = subprocess.run(
        [python(), "-m", request["module"], *request["arguments"]],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=environment(request["path"], request["environment"]),
        text=True,
        check=False,
    )
    os.close(lock)
    return {"stdout": done.stdout, "stderr": done.stderr, "exit_code": done.returncode}
