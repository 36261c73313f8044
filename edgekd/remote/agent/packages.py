"""The board's private Python packages: a folder that goes before everything else, made once and again when they change.

A folder on ``PYTHONPATH`` and not a virtual environment: it needs neither ``venv`` nor ``ensurepip``, which Debian and
Raspberry Pi OS leave out, and it sees what only the system has, like TensorRT on a Jetson.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import shutil
import struct
import subprocess
import sys
import zipfile
from contextlib import suppress
from importlib import util
from pathlib import Path
from typing import BinaryIO

from edgekd.remote.agent.base import Answer, Refused, Request, environment, inside, python, root_of

STAMP = "edgekd-packages.json"

# Runs in a new process: imports modules, prints their versions and what cannot be imported.
IMPORT = """
import importlib, json, sys
versions, wrong = {}, []
for name in json.loads(sys.argv[1]):
    try:
        versions[name] = str(getattr(importlib.import_module(name), "__version__", ""))
    except Exception as error:
        wrong.append(f"{name} ({error})")
print(json.dumps([versions, wrong]))
"""


def facts(request: Request, _: BinaryIO) -> Answer:
    """Say what this board is, as far as it decides which packages fit."""
    root = root_of(request)
    libc = os.confstr("CS_GNU_LIBC_VERSION") if "CS_GNU_LIBC_VERSION" in os.confstr_names else None
    return {
        "root": str(root),
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "machine": platform.machine(),
        "bits": 8 * struct.calcsize("P"),
        "glibc": libc.split()[-1] if libc and libc.startswith("glibc") else "",
        "board": _board_name(),
    }


def _board_name() -> str:
    """Return what the board calls itself: in its device tree, or on x86 its processor; empty when nothing says it."""
    with suppress(OSError):
        return Path("/proc/device-tree/model").read_text(encoding="utf-8", errors="replace").strip("\0\n ")
    if platform.machine() == "x86_64":
        with suppress(OSError):
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    return ""


def packages(request: Request, _: BinaryIO) -> Answer:
    """Return the folder with the packages of a key; make it first by pip (``index``) or from stored ``wheels``.

    With ``look`` nothing is made, and the folder is None where there is none.
    """
    folder = inside(root_of(request) / "packages", request["key"])
    with (folder.parent / f".{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (folder / STAMP).is_file():
            return {"folder": str(folder), **json.loads((folder / STAMP).read_text(encoding="utf-8"))}
        if request["how"] == "look":
            return {"folder": None}
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        try:
            (_with_pip if request["how"] == "index" else _from_wheels)(request, folder)
            versions = _imported(request["modules"], [str(folder)])
            complete = folder / f"{STAMP}.new"
            complete.write_text(json.dumps({"versions": versions}), encoding="utf-8")
            complete.rename(folder / STAMP)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return {"folder": str(folder), "versions": versions}


def check(request: Request, _: BinaryIO) -> Answer:
    """See that the user's own interpreter, which runs this, has modules; they are found, not imported."""
    absent = [name for name in request["modules"] if util.find_spec(name) is None]
    if absent:
        raise Refused(
            f"{python()} on the board has no module {', '.join(absent)}.",
            "Install it there, or leave --board-python out: edgekd then brings its own packages.",
        )
    return {}


def _with_pip(request: Request, folder: Path) -> None:
    if util.find_spec("pip") is None:
        raise Refused("The board's Python has no pip.")
    command = [python(), "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--quiet"]
    command += ["--only-binary=:all:", "--retries=1", "--timeout=20", "--no-warn-script-location"]
    said = ""
    for requirements in request["requirements"]:  # the versions of the other side first, then any that will do
        done = subprocess.run(
            [*command, "--target", str(folder), *requirements],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0:
            return
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
    raise Refused(f"pip on the board cannot install the packages: {said}")


def _from_wheels(request: Request, folder: Path) -> None:
    store = root_of(request) / "store"
    for digest in request["wheels"]:
        with zipfile.ZipFile(inside(store, digest)) as archive:
            archive.extractall(folder)  # NOTE: zipfile drops absolute names and ".."
    for part in [*folder.glob("*.data/purelib/*"), *folder.glob("*.data/platlib/*")]:
        part.rename(folder / part.name)


def _imported(modules: list[str], folders: list[str]) -> dict[str, str]:
    """Return the versions of modules, imported by a new process.

    Raises:
        Refused: naming what cannot be imported.
    """
    done = subprocess.run(
        [python(), "-c", IMPORT, json.dumps(modules)],
        env=environment(folders, {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        versions, wrong = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        tail = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise Refused(f"Python on the board cannot import its packages: {tail}") from None
    if wrong:
        raise Refused(f"{python()} on the board cannot import {', '.join(wrong)}.")
    return {str(name): str(version) for name, version in versions.items()}
