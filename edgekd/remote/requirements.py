"""Which packages a board needs, and their wheels where the board cannot fetch them itself."""

from __future__ import annotations

import subprocess
from importlib import metadata
from typing import TYPE_CHECKING, Any

from edgekd import units
from edgekd.emulation.wheels import LIMIT_S, download_command
from edgekd.emulation.wheels import download as fetch
from edgekd.remote.errors import BoardFailed, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

# Of the base install, without what only the command line shows text with. Package: module.
BASE = {
    "numpy": "numpy",
    "onnxruntime": "onnxruntime",
    "tokenizers": "tokenizers",
    "pydantic": "pydantic",
    "pyyaml": "yaml",
    "psutil": "psutil",
}
# Of the runtimes that a bundle can name; TensorRT comes with JetPack.
RUNTIMES: dict[str, dict[str, str]] = {
    "onnxruntime": {},
    "ort-format": {},
    "tensorrt": {},
    "openvino": {"openvino": "openvino"},
    "onnxruntime-extensions": {"onnxruntime-extensions": "onnxruntime_extensions"},
    "openvino-tokenizers": {"openvino": "openvino", "openvino-tokenizers": "openvino_tokenizers"},
}
# Least versions where the metadata of the package cannot be read; the same as in pyproject.toml, which a test checks.
AT_LEAST = {
    "numpy": ">=2.0",
    "onnxruntime": ">=1.23",
    "tokenizers": ">=0.22",
    "pydantic": ">=2.11",
    "pyyaml": ">=6.0.2",
    "psutil": ">=7",
    "openvino": ">=2026.0",
    "onnxruntime-extensions": ">=0.15",
    "openvino-tokenizers": ">=2026.0",
}


def needed(runtimes: Iterable[str]) -> dict[str, str]:
    """Return packages and their modules for bundles of these runtimes."""
    return {**BASE, **{name: module for runtime in sorted(set(runtimes)) for name, module in RUNTIMES[runtime].items()}}


def candidates(packages: Iterable[str]) -> list[list[str]]:
    """Return what pip is asked for: the versions of this machine first, then any that will do.

    Same versions on both sides give numbers that can be compared; older Pythons may have older ones only.
    """
    names = sorted(packages)
    pinned = []
    for name in names:
        found = next(iter(metadata.distributions(name=name)), None)
        pinned.append(f"{name}=={found.version}" if found else f"{name}{AT_LEAST[name]}")
    return [pinned, [f"{name}{AT_LEAST[name]}" for name in names]]


def download(requirements: Sequence[Sequence[str]], facts: dict[str, Any], folder: Path, name: str) -> list[Path]:
    """Fetch wheels for a board with this machine's pip, with everything that they need.

    Args:
        requirements: sets to try, in this order.
        facts: of the board.
        folder: where they go; must be empty.
        name: of the board, for messages.

    Raises:
        BoardFailed: when pip cannot fetch them.
    """
    said = ""
    for number, wanted in enumerate(requirements):
        into = folder / str(number)
        into.mkdir()
        try:
            wheels, said = fetch(command_for(wanted, facts, into), into)
        except subprocess.TimeoutExpired as error:
            raise BoardFailed(
                f"{name}: pip here did not fetch the packages within {units.short_duration(LIMIT_S)}."
            ) from error
        if wheels:
            return wheels
    raise BoardFailed(
        f"{name}: pip here cannot fetch packages for {facts['machine']} and Python {facts['python']}: "
        f"{printable(said)}",
        hint="Check the network, or prepare a Python on the board yourself and name it with --board-python.",
    )


def command_for(requirements: Sequence[str], facts: dict[str, Any], folder: Path) -> list[str]:
    """Return the command that fetches wheels for a board with the given facts."""
    machine, python, glibc = (str(facts[name]) for name in ("machine", "python", "glibc"))
    return download_command(requirements, folder, arch=machine, python=python, glibc=glibc, dependencies=True)
