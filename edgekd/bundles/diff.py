"""What changed from one bundle to another. Pure: two opened bundles in, changes out."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from edgekd.bundle import MANIFEST_FILE
from edgekd.bundles.info import file_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from edgekd.bundle import Bundle, Manifest
    from edgekd.provenance import LineageStep

# Compared in a way of their own below; the rest of the manifest is compared key by key.
_APART = {"schema_version", "operators", "libraries", "lineage", "recipe", "metrics", "parity", "proof", "files"}
_PARITY_ONLY_LISTED = "worst"  # texts: too long for a table, and no property of the graph


@dataclass(frozen=True)
class Change:
    """One key that differs; None: it is not there."""

    key: str
    before: Any
    after: Any


@dataclass(frozen=True)
class FileChange:
    """One file of either bundle; sizes in bytes, None where it is not there."""

    name: str
    state: str  # "same", "changed", "added", "removed"
    before_bytes: int | None
    after_bytes: int | None


@dataclass(frozen=True)
class ScorePair:
    """The same score in both bundles; None where it was not recorded."""

    name: str
    split: str
    evidence: str
    before: float | None
    after: float | None


@dataclass(frozen=True)
class Difference:
    """All that differs, and scores and files side by side whether they differ or not."""

    groups: dict[str, list[Change]]  # "manifest", "operators", "lineage", "libraries", "recipe", "parity", "proof"
    files: list[FileChange]
    scores: list[ScorePair]
    before_bytes: int
    after_bytes: int
    is_same: bool  # same manifest, and so the same files


def compare_bundles(before: Bundle, after: Bundle) -> Difference:
    """Return what changed. Files that no manifest lists are not looked at."""
    first, second = (bundle.manifest.model_dump(mode="json") for bundle in (before, after))
    groups = {
        "manifest": list(_changes(_plain(first), _plain(second))),
        "operators": list(_changes(first["operators"], second["operators"])),
        "lineage": _lineage(before.manifest.lineage, after.manifest.lineage),
        "libraries": list(_changes(first["libraries"], second["libraries"])),
        "recipe": list(_changes(first["recipe"], second["recipe"])),
        "parity": list(_changes(_without_texts(first["parity"]), _without_texts(second["parity"]))),
        "proof": list(_changes(first["proof"] or {}, second["proof"] or {})),
    }
    return Difference(
        groups=groups,
        files=_files(before, after),
        scores=_scores(before.manifest, after.manifest),
        before_bytes=before.size_bytes,
        after_bytes=after.size_bytes,
        is_same=before.manifest == after.manifest,
    )


def as_json(difference: Difference) -> dict[str, Any]:
    """Return it for programs."""
    return {
        "same": difference.is_same,
        "before_bytes": difference.before_bytes,
        "after_bytes": difference.after_bytes,
        "changes": {name: [vars(change) for change in group] for name, group in difference.groups.items() if group},
        "files": [vars(file) for file in difference.files],
        "scores": [vars(pair) for pair in difference.scores],
    }


def _changes(before: Any, after: Any, path: str = "") -> Iterator[Change]:
    """Yield the smallest parts that differ, named by their dotted path; a part that only one side has is told whole."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in [*before, *(key for key in after if key not in before)]:
            yield from _changes(before.get(key), after.get(key), f"{path}.{key}" if path else str(key))
    elif _is_list_of_parts(before) and _is_list_of_parts(after):
        for index, (one, other) in enumerate(zip_longest(before, after)):
            yield from _changes(one, other, f"{path}[{index}]")
    elif before != after:
        yield Change(path, before, after)


def _plain(manifest: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in manifest.items() if key not in _APART}


def _is_list_of_parts(value: Any) -> bool:
    """Tell whether a list is told entry by entry; short values such as labels are told as a whole."""
    return isinstance(value, list) and any(isinstance(entry, dict) for entry in value)


def _without_texts(parity: dict[str, Any] | None) -> dict[str, Any]:
    return {key: value for key, value in (parity or {}).items() if key != _PARITY_ONLY_LISTED}


def _lineage(before: list[LineageStep], after: list[LineageStep]) -> list[Change]:
    """Compare step by step from the start; details only of steps that are of the same kind and name."""
    changes = []
    for number, (one, other) in enumerate(zip_longest(before, after), start=1):
        if one != other:
            told = [f"{step.step} {step.name}, {step.hash[:12]}" if step else None for step in (one, other)]
            if told[0] != told[1]:
                changes.append(Change(f"step {number}", *told))
            if one and other and (one.step, one.name) == (other.step, other.name):
                changes += list(_changes(one.details, other.details, f"step {number}"))
    return changes


def _files(before: Bundle, after: Bundle) -> list[FileChange]:
    """Compare the listed files; the manifest has its own comparison."""
    sizes = [file_bytes(bundle) for bundle in (before, after)]
    hashes: list[Mapping[str, str]] = [before.manifest.files, after.manifest.files]
    found = []
    for name in sorted({*hashes[0], *hashes[1]} - {MANIFEST_FILE}):
        one, other = hashes[0].get(name), hashes[1].get(name)
        state = "same" if one == other else "added" if one is None else "removed" if other is None else "changed"
        found.append(FileChange(name, state, sizes[0].get(name), sizes[1].get(name)))
    return found


def _scores(before: Manifest, after: Manifest) -> list[ScorePair]:
    tables = [{(m.name, m.split or "", m.evidence): m.value for m in manifest.metrics} for manifest in (before, after)]
    return [ScorePair(*key, tables[0].get(key), tables[1].get(key)) for key in dict.fromkeys([*tables[0], *tables[1]])]
