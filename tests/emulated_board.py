"""A "board" that is none: FOLDER/bin/python3 is an ARM64 Python under QEMU that behaves like an ordinary program.

The wrapper is run by this machine's shell, and QEMU gets its path as ``argv[0]``. So ``sys.executable`` is the wrapper,
a process that the emulated Python starts with it is emulated again, and links to it work as in a virtual environment.
The shell around it is this machine's: ``uname -m`` there says so.
"""

from __future__ import annotations

import shlex
import tempfile
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from edgekd.devices import find_profile
from edgekd.emulation.run import emulated
from edgekd.emulation.store import prepared
from edgekd.emulation.unavailable import EmulationUnavailable
from edgekd.emulation.userland import get_userland
from edgekd.emulation.wheels import _download, get_packages, older

# What ``edgekd.bench.runner`` imports besides what every bundle needs; compiled ones in the version of this machine.
MORE = ("pydantic", "pydantic-core", "annotated-types", "typing-extensions", "typing-inspection", "psutil", "pyyaml")

WRAPPER = """#!/bin/sh
unset PYTHONHOME LD_PRELOAD LD_LIBRARY_PATH
export PYTHONPATH="${{PYTHONPATH:+$PYTHONPATH:}}{path}"
export EDGEKD_EVIDENCE=emulated
exec {qemu} -0 "$0" {options} {python} "$@"
"""


def emulated_board(folder: Path, target: str = "raspberry-pi-4", *, packages: bool = True) -> Path:
    """Return a Python of another architecture; the test is skipped where it cannot be had.

    Args:
        folder: empty; must stay as long as the Python is used.
        target: whose processor is emulated.
        packages: with everything that a measurement imports; False: the standard library alone.
    """
    profile = find_profile(target)
    assert profile.emulator is not None
    prefix = folder / "prefix"
    prefix.mkdir(parents=True)
    try:
        place = emulated(profile, prefix, print)
        userland = get_userland(profile.emulator.arch, print)
        glibc = older(profile.emulator.glibc, userland.glibc)
        path = []
        if packages:
            known, _ = get_packages(profile.emulator.arch, userland.version, glibc, print)
            path = [_more(profile.emulator.arch, userland.version, glibc), known]
    except EmulationUnavailable as error:
        pytest.skip(error.message)
    qemu, *options, python = place.command
    for name in ("bin", "lib"):
        (folder / name).mkdir()
    version = f"python{userland.version}"
    (folder / "lib" / version).symlink_to(userland.root / "usr" / "lib" / version)  # Python looks for it beside itself
    wrapper = folder / "bin" / "python3"
    wrapper.write_text(
        WRAPPER.format(
            path=":".join(map(str, path)),
            qemu=shlex.quote(qemu),
            options=shlex.join(options),
            python=shlex.quote(python),
        )
    )
    wrapper.chmod(0o755)
    return wrapper


def _more(arch: str, python: str, glibc: str) -> Path:
    versions = {name: metadata.version(name) for name in MORE}
    key = {"arch": arch, "python": python, "glibc": glibc, "versions": versions}
    folder, _ = prepared(f"packages-{arch}-for-tests", key, lambda into: _build(key, into), print)
    return folder


def _build(key: dict[str, Any], folder: Path) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as work:
        for name, version in key["versions"].items():
            with zipfile.ZipFile(_download(name, version, key, Path(work))) as wheel:
                wheel.extractall(folder)
    return {"versions": key["versions"]}
