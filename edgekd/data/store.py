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
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from edgekd.data.types import Target

SCHEMA_VERSION = 1
UNLABELLED = "unlabelled"
EVALUATE = "evaluate"


def save_data(data: TextData, folder: Path) -> None:
    """Write one JSON lines file per split, the unlabelled texts, and last ``data.json``; all atomically.

    A label is written as its name, several as a list of names, the value of a regression as a number.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sets = {name: data.split(name) for name in SPLITS}
    sets |= {f"{EVALUATE}-{name}": examples for name, examples in data.evaluate.items()}
    for name, examples in sets.items():
        pairs = zip(examples.texts, examples.targets, strict=True)
        records = ({"text": text, "label": _written(target, data.task)} for text, target in pairs)
        _write_lines(folder / f"{name}.jsonl", records)
    _write_lines(folder / f"{UNLABELLED}.jsonl", ({"text": text} for text in data.unlabelled))
    description = {
        "schema_version": SCHEMA_VERSION,
        "name": data.name,
        "task": data.task.kind.value,
        "labels": list(data.task.labels),
        "counts": {**{name: len(examples) for name, examples in sets.items()}, UNLABELLED: len(data.unlabelled)},
        "dropped": [asdict(item) for item in data.dropped],
        "evaluate": list(data.evaluate),
        "files": {f"{name}.jsonl": sha256_file(folder / f"{name}.jsonl") for name in [*sets, UNLABELLED]},
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
    task = Task(TaskKind(description["task"]), tuple(description["labels"]))
    index = {name: position for position, name in enumerate(task.labels)}

    def examples(name: str) -> Examples:
        records = _read_lines(folder / f"{name}.jsonl")
        return Examples([r["text"] for r in records], [_target(r["label"], task.kind, index) for r in records])

    return TextData(
        name=description["name"],
        task=task,
        train=examples("train"),
        validation=examples("validation"),
        test=examples("test"),
        unlabelled=[record["text"] for record in _read_lines(folder / f"{UNLABELLED}.jsonl")],
        dropped=[Dropped(**item) for item in description["dropped"]],
        evaluate={name: examples(f"{EVALUATE}-{name}") for name in description.get("evaluate", [])},
    )


def _written(target: Target, task: Task) -> str | list[str] | float:
    if isinstance(target, tuple):
        return [task.labels[index] for index in target]
    if task.kind is TaskKind.SINGLE_LABEL and isinstance(target, int):
        return task.labels[target]
    return float(target)


def _target(label: Any, kind: TaskKind, index: dict[str, int]) -> Target:
    if kind is TaskKind.MULTI_LABEL:
        return tuple(index[name] for name in label)
    return index[label] if kind is TaskKind.SINGLE_LABEL else float(label)


def _write_lines(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    lines = (json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    write_bytes_atomic(path, "".join(lines).encode())


def _read_lines(path: Path) -> list[dict[str, Any]]:
    # NOTE: split at "\n" only; U+2028 and others may stand inside a text.
    return [json.loads(line) for line in path.read_bytes().decode().split("\n") if line]
