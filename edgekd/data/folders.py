"""Folders of data files: one file (or Parquet shards) per split."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from edgekd.artifacts import read_json
from edgekd.data.readers import READERS, read_table
from edgekd.data.table import Table
from edgekd.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

WHOLE = "all"  # the table of a source without splits
DESCRIPTION_FILE = "data.json"  # written by edgekd: names the labels in order
ALIASES = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test",),
    "unlabelled": ("unlabelled", "unlabeled", "unsupervised"),
}
_SHARD = re.compile(r"(?P<stem>.+)-\d{5}-of-(?P<count>\d{5})")


def split_of(name: str) -> str | None:
    """Return the split that a name like ``dev`` or ``train`` stands for, or None."""
    return next((split for split, aliases in ALIASES.items() if name.lower() in aliases), None)


def is_saved_dataset(folder: Path) -> bool:
    """Tell whether a folder was written by ``datasets``' ``save_to_disk``."""
    return (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file()


def read_folder(folder: Path) -> dict[str, Table]:
    """Read the files of a folder that are called like a split (or those in its folder ``data``).

    Raises:
        DataError: when there is none, a split is there twice, or shards are missing.
    """
    files = _split_files(folder) or _split_files(folder / "data")
    if not files:
        raise DataError(
            f"Folder '{folder}' has no file called like a split.",
            hint=f"Name the files train, validation and test, with one of {', '.join(sorted(READERS))}.",
        )
    names = _saved_label_names(folder)
    return {split: replace(_read_shards(paths), label_names=names) for split, paths in files.items()}


def _split_files(folder: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        shard = _SHARD.fullmatch(path.stem)
        split = split_of(shard["stem"] if shard else path.stem)
        if split == "unlabelled" and path.stat().st_size == 0:
            continue  # prepared data without unlabelled texts
        if split and path.is_file() and path.suffix.lower() in READERS:
            found.setdefault(split, []).append(path)
    for split, paths in found.items():
        shards = [_SHARD.fullmatch(path.stem) for path in paths]
        counts = {int(shard["count"]) if shard else 1 for shard in shards}
        if counts != {len(paths)}:
            raise DataError(
                f"Folder '{folder}': the {split} split is ambiguous or incomplete: "
                f"{', '.join(path.name for path in paths)}.",
                hint="Keep one file per split, or all shards of it.",
            )
    return {split: found[split] for split in ALIASES if split in found}


def _read_shards(paths: Sequence[Path]) -> Table:
    if len(paths) == 1:
        return read_table(paths[0])
    tables = [read_table(path) for path in paths]

    def read(column: str) -> list[Any]:
        return [value for table in tables for value in table.read(column)]

    count = sum(len(table) for table in tables)
    return Table(f"{paths[0]} and {len(paths) - 1} more", tables[0].columns, read, range(1, count + 1))


def _saved_label_names(folder: Path) -> dict[str, tuple[str, ...]]:
    path = folder / DESCRIPTION_FILE
    if not path.is_file():
        return {}
    description = read_json(path)
    labels = description.get("labels") if isinstance(description, dict) else None
    return {"label": tuple(labels)} if isinstance(labels, list) else {}
