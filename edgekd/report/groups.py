"""Which results stand in one table, and what that table is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.results import BenchResult, Machine


def group_results(results: Sequence[BenchResult]) -> list[list[BenchResult]]:
    """Group results that may stand in one table: same target, machine, board, threads, texts and task.

    Two boards of a kind have the same fingerprint, and are two all the same.
    """
    found: dict[tuple[str, str, str, int, str, str], list[BenchResult]] = {}
    for result in results:
        task = result.quality.task.value
        board = result.board or ""
        key = (result.target, result.machine.fingerprint, board, result.threads, result.data_hash, task)
        found.setdefault(key, []).append(result)
    return list(found.values())


def heading_of(group: Sequence[BenchResult], groups: Sequence[Sequence[BenchResult]]) -> str:
    """Name the target, and what sets this group apart from others of the same target."""
    first: BenchResult = group[0]
    others = [g[0] for g in groups if g[0].target == first.target]
    parts = [first.target]
    machines: set[str] = {other.machine.fingerprint for other in others}
    if len({other.data_hash for other in others}) > 1:
        parts.append(f"{first.data_name} ({first.data_hash[:8]})")
    if len(machines) > 1:
        parts.append(_machine_name(first.machine))
    elif first.board is not None and len({other.board for other in others}) > 1:
        parts.append(first.board)
    if len({other.quality.task for other in others}) > 1:
        parts.append(first.quality.task.value)
    if len({other.threads for other in others}) > 1:
        parts.append(f"{first.threads} threads")
    return ", ".join(parts)


def _machine_name(machine: Machine) -> str:
    return f"{machine.cpu_model} ({machine.fingerprint[:8]})"


def slug(text: str) -> str:
    """Return a name that is fit for a file."""
    return "".join(c if c.isalnum() or c in "-_" else "-" for c in text).strip("-") or "target"


def notes_of(group: Sequence[BenchResult]) -> list[str]:
    """Return each note once, after the variants it is about; a note about all of them stands alone."""
    about: dict[str, list[str]] = {}
    for result in group:
        for note in result.notes:
            about.setdefault(note, []).append(result.variant)
    return [
        note if len(variants) == len(group) else f"{', '.join(variants)}: {note}" for note, variants in about.items()
    ]
