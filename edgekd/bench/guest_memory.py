"""Resident memory of a program under QEMU user emulation, without the emulator around it.

QEMU shows its program ``/proc/self/maps`` with the program's own mappings. ``/proc/thread-self/smaps`` it passes
through, with those of the whole process: program, emulator and translated code. So what the program would occupy on its
own system is the resident part of its own mappings (proc_pid_smaps(5), field Rss).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

OWN_MAPS = Path("/proc/self/maps")
WHOLE_SMAPS = Path("/proc/thread-self/smaps")
_HEADER = re.compile(r"([0-9a-f]+)-([0-9a-f]+) \S+ ([0-9a-f]+) \S+ \S+\s*(.*)")

Mapping = tuple[int, int, int, str]  # first address, the one behind the last, offset in the file, file


def guest_rss_bytes() -> int:
    """Return the resident set of the emulated program now."""
    with OWN_MAPS.open(encoding="utf-8") as own, WHOLE_SMAPS.open(encoding="utf-8") as whole:
        return resident_bytes(own, whole)


def resident_bytes(own: Iterable[str], whole: Iterable[str]) -> int:
    """Return the resident bytes of the mappings of ``whole`` that are in ``own``.

    Args:
        own: lines of the program's ``maps``.
        whole: lines of the process's ``smaps``; its addresses may be moved against those of ``own``.
    """
    mine = [found for line in own if (found := _mapping(line))]
    theirs = list(_resident(whole))
    moved = _moved(mine, [mapping for mapping, _ in theirs])
    ranges = [(first + moved, end + moved) for first, end, _, _ in mine]
    return sum(
        size
        for (first, end, _, _), size in theirs
        if any(first < mine_end and mine_first < end for mine_first, mine_end in ranges)
    )


def _mapping(line: str) -> Mapping | None:
    found = _HEADER.match(line)
    return (int(found[1], 16), int(found[2], 16), int(found[3], 16), found[4]) if found else None


def _resident(smaps: Iterable[str]) -> Iterator[tuple[Mapping, int]]:
    """Yield each mapping with its resident bytes."""
    current: Mapping | None = None
    for line in smaps:
        if line.startswith("Rss:") and current:
            yield current, int(line.split()[1]) * 1024
        elif found := _mapping(line):
            current = found


def _moved(mine: list[Mapping], theirs: list[Mapping]) -> int:
    """Return how far the emulator moved the program's addresses: seen at the first file that both have mapped."""
    places = {(name, offset): first for first, _, offset, name in reversed(theirs) if name.startswith("/")}
    for first, _, offset, name in mine:
        if (name, offset) in places:
            return places[name, offset] - first
    return 0
