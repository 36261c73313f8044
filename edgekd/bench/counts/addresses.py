"""What makes a process execute the same instructions again: the same addresses, and the same names of folders.

How memory is aligned decides which way copies and allocations take. Folders with random names, as temporary ones have,
change it as well: Python keeps their names in tables, in the order of their hashes.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import edgekd
from edgekd.artifacts import hash_json
from edgekd.emulation.store import emulation_dir

if TYPE_CHECKING:
    from edgekd.bench.place import Place

SEARCH_PATH = "PYTHONPATH"


@cache
def fixed_addresses() -> tuple[str, ...]:
    """Return what starts a program without randomised addresses; nothing where that is not there or not allowed."""
    program = shutil.which("setarch")
    if program is None:
        return ()
    command = (program, platform.machine(), "-R")
    # Containers often forbid it; counts then differ by a few tenths of a per cent.
    done = subprocess.run([*command, "true"], capture_output=True, check=False)
    return command if done.returncode == 0 else ()


def with_fixed_names(place: Place) -> Place:
    """Return a place whose process finds this package in a folder of the cache instead of a temporary one.

    Args:
        place: of an emulated process. One that needs no search path, or a cache that cannot be written, changes
            nothing.
    """
    variables = dict(place.environment)
    _, _, others = variables.get(SEARCH_PATH, "").partition(":")
    if not others:
        return place
    package = Path(edgekd.__file__).parent
    folder = emulation_dir() / f"code-{hash_json(str(package))[:10]}"
    try:
        _link(folder / package.name, package)
    except OSError:
        return place
    return replace(place, environment=tuple({**variables, SEARCH_PATH: f"{folder}:{others}"}.items()))


def _link(path: Path, target: Path) -> None:
    """Make a symbolic link, whoever else makes it at the same time."""
    if path.is_symlink():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent.parent) as work:
        made = Path(work) / path.name
        made.symlink_to(target, target_is_directory=True)
        made.replace(path)
