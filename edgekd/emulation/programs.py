"""Programs that apt fetches with all of their libraries, kept so that they run whatever this machine has."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekd.emulation.debian import Apt, package_versions, unpack
from edgekd.emulation.unavailable import EmulationUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LIBRARIES = "lib"


def fetch_programs(
    package: str, patterns: Sequence[str], host: str, folder: Path, say: Callable[[str], None], *, hint: str
) -> dict[str, Any]:
    """Fetch a package with all that it depends on; keep some programs, their libraries and the loader.

    Args:
        package: of Debian.
        patterns: of the programs' paths, at least one of which must be there.
        host: architecture of this machine.
        folder: empty; programs go there, libraries below it.
        say: called with a line of text now and then.
        hint: what to do when it fails.

    Returns:
        ``packages`` (versions by name) and ``loader`` (its file name), see :func:`started_by`.

    Raises:
        EmulationUnavailable: when apt fails, or brings no program or no loader.
    """
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".apt-") as work:
        root = Path(work) / "root"
        packages = Apt(host, Path(work) / "apt").download([package])
        versions = package_versions(packages)
        unpack(packages, root, say)
        libraries = [root / part / f"{host}-linux-gnu" for part in ("lib", "usr/lib")]
        loaders = [path for part in libraries for path in sorted(part.glob("ld-linux-*.so.*"))]
        programs = [path for pattern in patterns for path in sorted(root.glob(pattern))]
        if not loaders or not programs:
            raise EmulationUnavailable(f"The package {package} brought no program or no loader.", hint=hint)
        (folder / LIBRARIES).mkdir()
        for library in {
            loaders[0],
            *(path for program in programs for path in _needed(loaders[0], libraries, program)),
        }:
            shutil.copy2(library, folder / LIBRARIES / library.name)
        for program in programs:
            shutil.copy2(program, folder / program.name)
    return {"packages": versions, "loader": loaders[0].name}


def started_by(loader: Path, program: Path) -> tuple[str, ...]:
    """Return the command that runs a program with the libraries beside a loader, and none of this machine's."""
    return (str(loader), "--library-path", str(loader.parent), str(program))


def _needed(loader: Path, libraries: Sequence[Path], program: Path) -> list[Path]:
    """Return the libraries that a program loads, of those in some folders."""
    places = ":".join(str(part) for part in libraries if part.is_dir())
    command = [str(loader), "--library-path", places, "--list", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return [Path(path) for path in re.findall(r"=> (\S+) \(0x", done.stdout)]
