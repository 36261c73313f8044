"""llvm-mca and llvm-mc: those that are installed, those in the cache, or those that apt fetches."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgekd.emulation.debian import ARCHITECTURES
from edgekd.emulation.programs import LIBRARIES, fetch_programs, started_by
from edgekd.emulation.store import prepared
from edgekd.emulation.unavailable import EmulationUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

OLDEST = 19  # the first that leaves out instructions which a model of a core lacks, instead of giving up
NEWEST = 30  # of the names that are looked for
PACKAGE = "llvm-19"
TOOLS = ("llvm-mc", "llvm-mca")
INSTALL = "Install LLVM 19 or later: apt-get install llvm-19"


@dataclass(frozen=True)
class Llvm:
    """The two programs.

    Attributes:
        mc: the command that starts the disassembler.
        mca: the command that starts the analyzer.
        version: as they say, "19.1.7".
    """

    mc: tuple[str, ...]
    mca: tuple[str, ...]
    version: str


def find_llvm(say: Callable[[str], None]) -> Llvm:
    """Return LLVM's tools.

    Raises:
        EmulationUnavailable: when there are none and none can be fetched.
    """
    for suffix in ("", *(f"-{version}" for version in range(NEWEST, OLDEST - 1, -1))):
        paths = [shutil.which(f"{tool}{suffix}") for tool in TOOLS]
        if all(paths) and (found := _checked(*((str(path),) for path in paths))):
            return found
    host = platform.machine()
    if host not in ARCHITECTURES:
        raise EmulationUnavailable(f"There is no LLVM {OLDEST} on this {host}, and none is fetched.", hint=INSTALL)
    folder, facts = prepared(f"llvm-{host}", {"package": PACKAGE}, lambda into: _build(host, into, say), say)
    mc, mca = (started_by(folder / LIBRARIES / facts["loader"], folder / tool) for tool in TOOLS)
    fetched = _checked(mc, mca)
    if fetched is None:
        raise EmulationUnavailable("The fetched llvm-mca does not run here.", hint=INSTALL)
    return fetched


def llvm_version(command: Sequence[str]) -> str | None:
    """Return the version that a tool says, or None when it does not run."""
    try:
        done = subprocess.run(
            [*command, "--version"], capture_output=True, text=True, timeout=60, check=False, errors="replace"
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"LLVM version (\d+(?:\.\d+)*)", done.stdout)
    return found.group(1) if found and done.returncode == 0 else None


def _checked(mc: tuple[str, ...], mca: tuple[str, ...]) -> Llvm | None:
    versions = [llvm_version(mc), llvm_version(mca)]
    if None in versions or any(int(str(version).partition(".")[0]) < OLDEST for version in versions):
        return None
    return Llvm(mc, mca, str(versions[1]))


def _build(host: str, folder: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Fetch LLVM; keep two programs."""
    say("fetching LLVM with apt (about 70 MB, once)")
    return fetch_programs(PACKAGE, [f"usr/lib/llvm-*/bin/{tool}" for tool in TOOLS], host, folder, say, hint=INSTALL)
