"""Python and the system libraries of another architecture, from the packages of this machine's distribution."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekd.emulation.debian import Apt, package_versions, unpack
from edgekd.emulation.store import prepared
from edgekd.emulation.unavailable import EmulationUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

# What onnxruntime, numpy and tokenizers are linked to; apt adds what these need.
PACKAGES = ("python3", "libstdc++6", "libgomp1")


@dataclass(frozen=True)
class Userland:
    """An unpacked system.

    Attributes:
        root: its folder, as ``qemu -L`` takes it.
        python: the interpreter.
        version: of Python, "3.11".
        glibc: of its C library, "2.36".
    """

    root: Path
    python: Path
    version: str
    glibc: str


def get_userland(arch: str, say: Callable[[str], None]) -> Userland:
    """Return the system of an architecture from the cache; fetch it first when it is not there.

    Raises:
        EmulationUnavailable: when it cannot be fetched.
    """
    key = {"packages": list(PACKAGES)}
    root, facts = prepared(f"root-{arch}", key, lambda into: _build(arch, into, say), say)
    return Userland(root, root / facts["python"], facts["version"], facts["glibc"])


def _build(arch: str, folder: Path, say: Callable[[str], None]) -> dict[str, Any]:
    say(f"fetching Python for {arch} with apt (about 30 MB, once)")
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".apt-") as work:
        packages = Apt(arch, Path(work)).download(PACKAGES)
        versions = package_versions(packages)
        unpack(packages, folder, say)
    _link_lib(folder)
    return {**describe(folder, versions), "packages": versions}


def describe(folder: Path, versions: dict[str, str]) -> dict[str, str]:
    """Return the interpreter of an unpacked system, its version, and that of the C library.

    Raises:
        EmulationUnavailable: when there is no interpreter or C library in it.
    """
    names = [path.name for path in sorted((folder / "usr" / "bin").glob("python3.*"))]
    found = [name for name in names if re.fullmatch(r"python3\.\d+", name)]
    glibc = re.match(r"(\d+\.\d+)", versions.get("libc6", ""))
    if not found or glibc is None:
        raise EmulationUnavailable(f"The packages {', '.join(PACKAGES)} brought no Python or no C library.")
    return {"python": f"usr/bin/{found[0]}", "version": found[0].removeprefix("python"), "glibc": glibc.group(1)}


def _link_lib(folder: Path) -> None:
    """Make /lib where a release keeps everything in /usr: programs name their loader as /lib/ld-linux-..."""
    for name in ("lib", "lib64"):
        if not (folder / name).exists() and (folder / "usr" / name).is_dir():
            (folder / name).symlink_to(Path("usr") / name)
