"""Packages of Debian and Ubuntu, of any architecture: fetched by apt as an ordinary user, unpacked, never installed.

apt works in a state folder of its own that believes in an empty system of the wanted architecture. So neither root nor
``dpkg --add-architecture`` is needed, and apt itself finds what a package depends on and checks its signature.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from typing import TYPE_CHECKING

from edgekd import units
from edgekd.emulation.unavailable import INSTALL, EmulationUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

ARCHITECTURES = {"aarch64": "arm64", "x86_64": "amd64"}
TOOLS = ("apt-get", "dpkg-deb")
LIMIT_S = 900.0  # of one call of apt
_UBUNTU_PORTS = (
    "deb [signed-by=/usr/share/keyrings/ubuntu-archive-keyring.gpg] "
    "http://ports.ubuntu.com/ubuntu-ports {codename} main universe\n"
)


class Apt:
    """apt for one architecture.

    Args:
        arch: ``aarch64`` or ``x86_64``.
        folder: holds its state; throw it away afterwards.
    """

    def __init__(self, arch: str, folder: Path) -> None:
        missing = [tool for tool in TOOLS if shutil.which(tool) is None]
        if missing:
            raise EmulationUnavailable(
                f"There is no {' and no '.join(missing)} here, which fetch the emulator and the system libraries.",
                hint="Run this on Debian or Ubuntu, for example in a container.",
            )
        self.folder = folder
        for part in ("lists/partial", "cache/archives/partial"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        (folder / "status").touch()
        self._options = apt_options(ARCHITECTURES[arch], folder)
        if sources := ports_of(_os_release(), arch):
            (folder / "sources.list").write_text(sources, encoding="utf-8")
            self._options += [f"-oDir::Etc::sourcelist={folder / 'sources.list'}", "-oDir::Etc::sourceparts=-"]
        self._updated: str | None = None  # what went wrong with the lists

    def download(self, packages: Sequence[str], *, dependencies: bool = True) -> list[Path]:
        """Return the files of packages and, if wanted, of all that they depend on.

        Raises:
            EmulationUnavailable: with what apt says last.
        """
        if self._updated is None:
            # One of several sources may fail without harm, so only the download decides.
            self._updated = self._run(["update"]).stderr
        if dependencies:
            done = self._run(["install", "--download-only", "--yes", "--no-install-recommends", *packages])
            found = self.folder / "cache" / "archives"
        else:
            found = self.folder / "alone"
            found.mkdir(exist_ok=True)
            done = self._run(["download", *packages], cwd=found)
        files = sorted(found.glob("*.deb"))
        if done.returncode or not files:
            said = (done.stderr + self._updated).strip().splitlines() or [f"exit code {done.returncode}"]
            raise EmulationUnavailable(
                f"apt cannot fetch {', '.join(packages)}: {said[0].strip()}",
                hint="Check the network and the sources of apt, or set EDGEKD_CACHE to a cache filled elsewhere.",
            )
        return files

    def _run(self, arguments: list[str], cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                [shutil.which("apt-get") or "apt-get", "--quiet", *self._options, *arguments],
                cwd=cwd,
                env={**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=LIMIT_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise EmulationUnavailable(
                f"apt-get {arguments[0]} did not end within {units.short_duration(LIMIT_S)}."
            ) from error


def apt_options(debian_arch: str, folder: Path) -> list[str]:
    """Return the options that keep apt inside a folder and make it think of another architecture."""
    settings = {
        "APT::Architecture": debian_arch,
        "APT::Architectures": debian_arch,
        "APT::Sandbox::User": "",  # an ordinary user cannot become another one
        "Dir::State": str(folder),
        "Dir::State::lists": str(folder / "lists"),
        "Dir::State::status": str(folder / "status"),
        "Dir::Cache": str(folder / "cache"),
        "Debug::NoLocking": "1",  # the lock of the system's packages is none of ours
        "Acquire::Retries": "3",
        "Acquire::http::Timeout": "30",
        "Acquire::https::Timeout": "30",
    }
    return [f"-o{key}={value}" for key, value in settings.items()]


def ports_of(os_release: Mapping[str, str], arch: str) -> str | None:
    """Return where Ubuntu keeps an architecture; None where the sources of this system have it, as on Debian."""
    if os_release.get("ID") != "ubuntu" or arch == "x86_64" or platform.machine() == arch:
        return None
    return _UBUNTU_PORTS.format(codename=os_release.get("VERSION_CODENAME", ""))


def unpack(packages: Sequence[Path], folder: Path, say: Callable[[str], None]) -> None:
    """Unpack packages into a folder; none of their scripts is run.

    Raises:
        EmulationUnavailable: when one is damaged.
    """
    say(f"unpacking {len(packages)} packages")
    program = shutil.which("dpkg-deb") or "dpkg-deb"
    for package in packages:
        done = subprocess.run(
            [program, "--extract", str(package), str(folder)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise EmulationUnavailable(f"'{package.name}' cannot be unpacked: {done.stderr.strip()}", hint=INSTALL)


def package_versions(packages: Sequence[Path]) -> dict[str, str]:
    """Return names and versions from file names, as apt writes them: ``NAME_VERSION_ARCH.deb``, ``%3a`` for a colon."""
    parts = [package.name.split("_") for package in packages]
    return {name: version.replace("%3a", ":") for name, version, _ in sorted(parts)}


def _os_release() -> dict[str, str]:
    try:
        return platform.freedesktop_os_release()
    except OSError:
        return {}
