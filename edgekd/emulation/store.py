"""What emulation needs and keeps: folders in the cache that are complete or absent.

    CACHE/emulation/qemu-HOST/             the emulators for programs of this machine
    CACHE/emulation/root-ARCH/             Python and the system libraries of the architecture
    CACHE/emulation/packages-ARCH-KEY/     onnxruntime, numpy and tokenizers for it

Each has a stamp with what it was made of and the size of every file. A folder whose stamp or files are damaged is made
again; a lock keeps two processes from making the same one.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from edgekd.artifacts import publish_folder, write_json_atomic
from edgekd.assets import cache_dir
from edgekd.download import wait_for_lock
from edgekd.emulation.unavailable import EmulationUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STAMP_FILE = "edgekd-emulation.json"
STAMP_VERSION = 1  # raise it when folders made by an older edgekd must be made again


def emulation_dir() -> Path:
    """Return the folder of the cache that holds everything for emulation."""
    return cache_dir() / "emulation"


def prepared(
    name: str,
    key: dict[str, Any],
    build: Callable[[Path], dict[str, Any]],
    say: Callable[[str], None],
) -> tuple[Path, dict[str, Any]]:
    """Return a folder of the cache and what is known about it; make it first when it is absent or damaged.

    Args:
        name: of the folder.
        key: what it is made of; another key makes it again.
        build: fills an empty folder and returns what is worth knowing about it, as versions.
        say: called with a line of text now and then.

    Raises:
        EmulationUnavailable: when it cannot be made or stored.
    """
    folder = emulation_dir() / name
    if (facts := read_stamp(folder, key)) is not None:  # NOTE: before the lock, so that a read-only cache works
        return folder, facts
    try:
        emulation_dir().mkdir(parents=True, exist_ok=True)
        with wait_for_lock(emulation_dir() / f".{name}.lock", say):
            if (facts := read_stamp(folder, key)) is None:
                with publish_folder(folder) as building:
                    facts = build(building)
                    _write_stamp(building, key, facts)
    except OSError as error:
        raise EmulationUnavailable(
            f"Cannot store '{name}' in the cache folder '{emulation_dir()}': {error.strerror or error}.",
            hint="Set EDGEKD_CACHE to a folder with 300 MB of space that you may write to.",
        ) from error
    return folder, facts


def read_stamp(folder: Path, key: dict[str, Any]) -> dict[str, Any] | None:
    """Return what is known about a complete folder of this key; None when it is absent, another or damaged."""
    try:
        stamp = json.loads((folder / STAMP_FILE).read_text(encoding="utf-8"))
        if stamp["version"] != STAMP_VERSION or stamp["key"] != key:
            return None
        for name, size in stamp["files"].items():
            if (folder / name).stat().st_size != size:
                return None
        facts: dict[str, Any] = dict(stamp["facts"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return facts


def _write_stamp(folder: Path, key: dict[str, Any], facts: dict[str, Any]) -> None:
    files = {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }
    write_json_atomic(folder / STAMP_FILE, {"version": STAMP_VERSION, "key": key, "facts": facts, "files": files})
