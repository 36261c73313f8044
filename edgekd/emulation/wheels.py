"""The packages of Python that a bundle needs, for another architecture, by the user's own pip."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekd import units
from edgekd.artifacts import hash_json
from edgekd.emulation.store import prepared
from edgekd.emulation.unavailable import EmulationUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NEEDED = ("onnxruntime", "numpy", "tokenizers")
OLDEST_GLIBC_MINOR = 17  # manylinux2014
LIMIT_S = 900.0


def platform_tags(arch: str, glibc: str) -> list[str]:
    """Return the platforms of wheels that a system loads, the newest first (PEP 600, PEP 599).

    Args:
        arch: ``aarch64`` or ``x86_64``.
        glibc: version of its C library, "2.36".
    """
    minor = int(glibc.partition(".")[2])
    tags = [f"manylinux_2_{number}_{arch}" for number in range(minor, OLDEST_GLIBC_MINOR - 1, -1)]
    return [*tags, f"manylinux2014_{arch}"]


def older(first: str, second: str) -> str:
    """Return the older one of two versions."""
    return min(first, second, key=lambda version: tuple(int(part) for part in version.split(".")))


def installed_versions() -> dict[str, str]:
    """Return the versions of the needed packages here."""
    return {name: metadata.version(name) for name in NEEDED}


def get_packages(arch: str, python: str, glibc: str, say: Callable[[str], None]) -> tuple[Path, dict[str, str]]:
    """Return a folder with the needed packages and their versions; the same versions as here where there are such.

    Args:
        arch: ``aarch64`` or ``x86_64``.
        python: version of its Python, "3.11".
        glibc: version of its C library, "2.36".
        say: called with a line of text now and then.

    Raises:
        EmulationUnavailable: when pip cannot fetch them.
    """
    key = {"arch": arch, "python": python, "glibc": glibc, "versions": installed_versions()}
    name = f"packages-{arch}-{hash_json(key)[:10]}"
    folder, facts = prepared(name, key, lambda into: _build(key, into, say), say)
    return folder, facts["versions"]


def _build(key: dict[str, Any], folder: Path, say: Callable[[str], None]) -> dict[str, Any]:
    say(f"fetching {', '.join(NEEDED)} for {key['arch']} with pip (about 40 MB, once)")
    versions = {}
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".pip-") as work:
        for name, version in key["versions"].items():
            wheel = _download(name, version, key, Path(work))
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(folder)  # zipfile drops absolute names and ".."
            versions[name] = wheel.name.split("-")[1]
    return {"versions": versions}


def download_command(
    requirements: Sequence[str], folder: Path, *, arch: str, python: str, glibc: str, dependencies: bool
) -> list[str]:
    """Return the command that fetches wheels of another platform.

    Args:
        requirements: as pip takes them.
        folder: where the wheels go.
        arch: of the platform, see :func:`platform_tags`.
        python: version of its Python, "3.11".
        glibc: version of its C library.
        dependencies: also what they need.
    """
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "download", "--quiet"]
    command += ["--only-binary=:all:", "--progress-bar=off", "--implementation=cp", f"--python-version={python}"]
    command += [] if dependencies else ["--no-deps"]
    command += [f"--abi={abi}" for abi in (f"cp{python.replace('.', '')}", "abi3", "none")]
    command += [f"--platform={tag}" for tag in platform_tags(arch, glibc)]
    return [*command, "--dest", str(folder), *requirements]


def download(command: Sequence[str], folder: Path) -> tuple[list[Path], str]:
    """Run a command of :func:`download_command`; return the wheels in its folder, and why there are none.

    Raises:
        subprocess.TimeoutExpired: after ``LIMIT_S``.
    """
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    wheels = sorted(folder.glob("*.whl")) if done.returncode == 0 else []
    return wheels, (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]


def _download(name: str, version: str, key: dict[str, Any], work: Path) -> Path:
    """Fetch a wheel of this version, or the newest one where this version has none."""
    said = ""
    for requirement in (f"{name}=={version}", name):
        into = work / requirement
        into.mkdir()
        command = download_command(
            [requirement], into, arch=key["arch"], python=str(key["python"]), glibc=key["glibc"], dependencies=False
        )
        try:
            wheels, why = download(command, into)
        except subprocess.TimeoutExpired as error:
            raise EmulationUnavailable(
                f"pip did not fetch {requirement} within {units.short_duration(LIMIT_S)}."
            ) from error
        if len(wheels) == 1:
            return wheels[0]
        said = said or why
    raise EmulationUnavailable(
        f"pip cannot fetch {name} for {key['arch']} and Python {key['python']}: {said}",
        hint="Check the network and pip, or set EDGEKD_CACHE to a cache that was filled elsewhere.",
    )
