"""valgrind: the one that is installed, one in the cache, or one that apt fetches."""

from __future__ import annotations

import platform
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekd.bench.counts.addresses import fixed_addresses
from edgekd.emulation.debian import Apt, package_versions, unpack
from edgekd.emulation.store import prepared
from edgekd.emulation.unavailable import EmulationUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGE = "valgrind"
INSTALL = "Install it: apt-get install valgrind"
MACHINE = "x86_64"  # the marks are instructions of it
# A file at every mark, nothing counted before the first one, and none of the details that are not read.
OPTIONS = ("--tool=callgrind", "--instr-atstart=no", "--dump-line=no", "--quiet")


def find_valgrind(say: Callable[[str], None]) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Return the command that starts valgrind, and the variables that it needs.

    Raises:
        EmulationUnavailable: when there is none and none can be fetched, or this is no x86.
    """
    if platform.machine() != MACHINE:
        raise EmulationUnavailable(f"callgrind counts on {MACHINE} only; this is {platform.machine()}.")
    if path := shutil.which("valgrind"):
        return (path,), ()
    folder, facts = prepared("valgrind", {"package": PACKAGE}, lambda into: _build(into, say), say)
    program, tools = folder / facts["program"], folder / facts["tools"]
    variables = (("VALGRIND_LIB", str(tools)),)
    if not runs(program, tools):
        raise EmulationUnavailable("The fetched valgrind does not run here.", hint=INSTALL)
    return (str(program),), variables


def runs(program: Path, tools: Path) -> bool:
    """Tell whether a valgrind starts."""
    try:
        done = subprocess.run(
            [str(program), "--version"], env={"VALGRIND_LIB": str(tools)}, capture_output=True, check=False
        )
    except OSError:
        return False
    return done.returncode == 0


def _build(folder: Path, say: Callable[[str], None]) -> dict[str, Any]:
    say("fetching valgrind with apt (about 15 MB, once)")
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".apt-") as work:
        packages = Apt(MACHINE, Path(work)).download([PACKAGE], dependencies=False)
        unpack(packages, folder, say)
        versions = package_versions(packages)
    for program in ("usr/bin/valgrind.bin", "usr/bin/valgrind"):
        tools = [path.parent for path in sorted(folder.glob("usr/lib*/**/callgrind-amd64-linux"))]
        if (folder / program).is_file() and tools:
            return {"packages": versions, "program": program, "tools": str(tools[0].relative_to(folder))}
    raise EmulationUnavailable("The package valgrind holds no callgrind for this machine.", hint=INSTALL)


def callgrind_command(valgrind: tuple[str, ...], folder: Path) -> tuple[str, ...]:
    """Return what stands before the interpreter; every mark writes a file into ``folder``."""
    return (*fixed_addresses(), *valgrind, *OPTIONS, f"--callgrind-out-file={folder / 'dump'}")
