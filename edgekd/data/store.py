"""Prepared data on disk: JSON lines per split and a description with hashes."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from edgekd.artifacts import read_json, sha256_file, write_bytes_atomic, write_json_atomic
from edgekd.data.folders import DESCRIPTION_FILE
from edgekd.data.types import SPLITS, Dropped, Examples, TextData
from edgekd.errors import InvalidArtifact
from edgekd.tasks import Task, TaskKind

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

SCHEMA_VERSION = 1
UNLABELLED = "unlabelled"


def save_data(data: TextData, folder: Path) -> None:
    """Write one JSON lines file per split, the unlabelled texts, and last ``data.json``; all atomically."""
    folder.mkdir(parents=True, exist_ok=True)
    labels = data.task.labels
    for name in SPLITS:
        split = data.split(name)
        pairs = zip(split.texts, split.targets, strict=True)
        _write_lines(folder / f"{name}.jsonl", ({"text": text, "label": labels[target]} for text, target in pairs))
    _write_lines(folder / f"{UNLABELLED}.jsonl", ({"text": text} for text in data.unlabelled))
    names = [*SPLITS, UNLABELLED]
    description = {
        "schema_version": SCHEMA_VERSION,
        "name": data.name,
        "task": data.task.kind.value,
        "labels": list(labels),
        "counts": {**{name: len(data.split(name)) for name in SPLITS}, UNLABELLED: len(data.unlabelled)},
        "dropped": [asdict(item) for item in data.dropped],
        "files": {f"{name}.jsonl": sha256_file(folder / f"{name}.jsonl") for name in names},
    }
    write_json_atomic(folder / DESCRIPTION_FILE, description)


def load_data(folder: Path) -> TextData:
    """Read what :func:`save_data` wrote.

    Raises:
        InvalidArtifact: when a file is missing or changed.
    """
    description = read_json(folder / DESCRIPTION_FILE)
    version = description.get("schema_version") if isinstance(description, dict) else None
    if version != SCHEMA_VERSION:
        raise InvalidArtifact(f"'{folder}' has data of schema {version}; this edgekd reads {SCHEMA_VERSION}.")
    for name, expected in description["files"].items():
        path = folder / name
        if not path.is_file() or sha256_file(path) != expected:
            raise InvalidArtifact(
                f"Prepared data in '{folder}' are damaged: '{name}' is missing or was changed.",
                hint="Delete the folder and run the same command again.",
            )
    index = {name: position for position, name in enumerate(description["labels"])}
    splits = {}
    for name in SPLITS:
        records = _read_lines(folder / f"{name}.jsonl")
        splits[name] = Examples([r["text"] for r in records], [index[r["label"]] for r in records])
    return TextData(
        name=description["name"],
        task=Task(TaskKind(description["task"]), tuple(description["labels"])),
        train=splits["train"],
        validation=splits["validation"],
        test=splits["test"],
        unlabelled=[record["text"] for record in _read_lines(folder / f"{UNLABELLED}.jsonl")],
        dropped=[Dropped(**item) for item in description["dropped"]],
    )


def _write_lines(path: Path, records: Iterable[dict[str, str]]) -> None:
    lines = (json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    write_bytes_atomic(path, "".join(lines).encode())


def _read_lines(path: Path) -> list[dict[str, Any]]:
    # NOTE: split at "\n" only; U+2028 and others may stand inside a text.
    return [json.loads(line) for line in path.read_bytes().decode().split("\n") if line]
