"""Baselines as words, for the terminal and for the message of their commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd import units
from edgekd.gate.baselines import newest
from edgekd.gate.lfs import is_pointer
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.gate.baselines import Baseline, BaselineEntry

COLUMNS = ("baseline", "variant", "in use", "size", "score", "set", "note")


def value_text(task: TaskKind, metric: str, value: float) -> str:
    """Write a score: a share as a percentage, a correlation, or a number in the units of the data."""
    if task is not TaskKind.REGRESSION:
        return units.percent(value)
    return units.correlation(value) if metric == "pearson" else units.number(value)


def score_text(record: Baseline) -> str:
    """Write the main score and how many texts are behind it."""
    if not record.scores:
        return "not scored"
    first = record.scores[0]
    return f"{first.metric} {value_text(record.task, first.metric, first.value)} on {record.texts:,} texts"


def commit_text(record: Baseline) -> str:
    """Write what the working folder was when it was set."""
    if record.commit is None:
        return "outside a repository"
    return f"at {record.commit}{', with uncommitted changes' if record.dirty else ''}"


def bundle_state(entry: BaselineEntry) -> str:
    """Say whether the packed bundle can be opened, without opening it."""
    packed = entry.bundle_path
    if not packed.is_file():
        return "missing"
    return "a pointer of git-lfs; run 'git lfs pull'" if is_pointer(packed) else units.size(packed.stat().st_size)


def in_use(entries: Sequence[BaselineEntry]) -> list[BaselineEntry]:
    """Return the newest of each target and variant, which is what the gate takes."""
    keys = dict.fromkeys((entry.record.target, entry.record.variant) for entry in entries)
    groups = [[e for e in entries if (e.record.target, e.record.variant) == key] for key in keys]
    return [found for group in groups if (found := newest(group)) is not None]


def rows(entries: Sequence[BaselineEntry]) -> list[tuple[str, ...]]:
    """Write baselines as rows under :data:`COLUMNS`."""
    used = in_use(entries)
    return [
        (
            entry.name,
            entry.record.variant,
            "yes" if entry in used else "",
            units.size(entry.record.size_bytes),
            score_text(entry.record),
            entry.record.created_at[:10],
            entry.record.note,
        )
        for entry in entries
    ]


def facts(entry: BaselineEntry) -> list[tuple[str, str]]:
    """Write one baseline as names and values."""
    record = entry.record
    lines = [
        ("baseline", entry.name),
        ("variant", f"{record.variant} ({record.kind}, {record.precision}, {record.task.value})"),
        ("target", record.target),
        ("size", units.size(record.size_bytes)),
    ]
    if record.parameters is not None:
        lines.append(("parameters", units.count(record.parameters)))
    lines += [(one.metric, value_text(record.task, one.metric, one.value)) for one in record.scores]
    texts = f"{record.texts:,} texts of {record.data_name} (hash {record.data_hash[:12]})"
    lines += [
        ("scored on", texts if record.scores else "nothing: no texts were given"),
        ("set", f"{record.created_at} with edgekd {record.edgekd_version}, {commit_text(record)}"),
        ("artifact", record.artifact_hash[:12]),
        ("bundle", f"{entry.bundle_path} ({bundle_state(entry)})"),
        ("result", "measured " + record.result.created_at if record.result else "none stored"),
    ]
    return [*lines, ("note", record.note)] if record.note else lines
