"""The emulator: one that is installed, one in the cache, or one that apt fetches."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekd.emulation.debian import ARCHITECTURES, Apt, package_versions, unpack
from edgekd.emulation.store import prepared
from edgekd.emulation.unavailable import INSTALL, EmulationUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

OLDEST = (7, 2)  # the first version whose named ARM cores were compared with each other
# Bookworm's own name, and that of later releases, where the plain package is linked statically.
PACKAGES = ("qemu-user-static", "qemu-user")


@dataclass(frozen=True)
class Qemu:
    """A QEMU user-mode emulator.

    Attributes:
        program: its path.
        version: as it says, "7.2.22".
    """

    program: Path
    version: str


def find_qemu(arch: str, say: Callable[[str], None], given: str | None = None) -> Qemu:
    """Return the emulator of an architecture.

    Args:
        arch: ``aarch64`` or ``x86_64``.
        say: called with a line of text now and then.
        given: a program to use; else PATH, the cache and apt are tried in turn.

    Raises:
        EmulationUnavailable: when there is none and none can be fetched.
    """
    if given is not None:
        path = shutil.which(given)
        if path is None:
            raise EmulationUnavailable(f"There is no program '{given}'.", hint=INSTALL)
        return _checked(Path(path).absolute())
    for name in program_names(arch):
        if path := shutil.which(name):
            installed = Path(path).absolute()
            if (version := qemu_version(installed)) and _numbers(version) >= OLDEST:
                return Qemu(installed, version)
    return _fetched(arch, say)


def program_names(arch: str) -> tuple[str, str]:
    """Return what the emulator is called; the static one is faster."""
    return f"qemu-{arch}-static", f"qemu-{arch}"


def qemu_version(*command: str | Path) -> str | None:
    """Return the version that a program says, or None when it does not run or is no QEMU."""
    try:
        done = subprocess.run(
            [*command, "--version"], capture_output=True, text=True, timeout=60, check=False, errors="replace"
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"version (\d+(?:\.\d+)+)", done.stdout)
    return found.group(1) if found and done.returncode == 0 else None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _checked(program: Path) -> Qemu:
    version = qemu_version(program)
    if version is None:
        raise EmulationUnavailable(f"'{program}' does not run here or is no QEMU.", hint=INSTALL)
    if _numbers(version) < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        raise EmulationUnavailable(f"'{program}' is QEMU {version}; {wanted} or later is needed.", hint=INSTALL)
    return Qemu(program, version)


def _fetched(arch: str, say: Callable[[str], None]) -> Qemu:
    host = platform.machine()
    if host not in ARCHITECTURES:
        raise EmulationUnavailable(f"There is no QEMU on this {host}, and none is fetched for it.", hint=INSTALL)
    folder, _ = prepared(f"qemu-{host}", {"packages": list(PACKAGES)}, lambda into: _build(host, into, say), say)
    programs = [folder / name for name in program_names(arch) if (folder / name).is_file()]
    if not programs:
        raise EmulationUnavailable(f"The fetched QEMU has no emulator of {arch}.", hint=INSTALL)
    return _checked(programs[0])


def _build(host: str, folder: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Fetch QEMU and keep the two programs that are needed."""
    say("fetching QEMU with apt (about 60 MB, once)")
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".apt-") as work:
        apt, unpacked = Apt(host, Path(work) / "apt"), Path(work) / "root"
        for name in PACKAGES:
            try:
                packages = apt.download([name], dependencies=False)
            except EmulationUnavailable:
                if name == PACKAGES[-1]:
                    raise
                continue
            unpack(packages, unpacked, say)
            programs = [
                path
                for arch in ARCHITECTURES
                for name in program_names(arch)
                if (path := unpacked / "usr" / "bin" / name).is_file() and qemu_version(path)
            ]
            if programs:
                for path in programs:
                    shutil.copy2(path, folder / path.name)
                return {"packages": package_versions(packages)}
    raise EmulationUnavailable("The packages of QEMU hold no emulator that runs here.", hint=INSTALL)
