"""A measurement as it goes to a board: options, files by content, and a key by which it is found again."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekd.artifacts import hash_json
from edgekd.bench.board import Order
from edgekd.bench.job import evaluation_texts, target_of, warm_up_texts
from edgekd.bench.variants import TORCH, open_teacher, unique_names, variant_from_bundle
from edgekd.bundle import MANIFEST_FILE
from edgekd.devices import find_profile
from edgekd.errors import ConfigError
from edgekd.remote.payload import Content
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from edgekd.bench.job import BenchJob
    from edgekd.bench.variants import Variant
    from edgekd.data.types import Examples, Target
    from edgekd.devices import DeviceProfile
    from edgekd.tasks import Task

TEXTS = "texts.jsonl"
WARM_UP = "warm-up.jsonl"


@dataclass(frozen=True)
class Prepared:
    """What a board is sent, and what must come back.

    Args:
        order: the contents of job.json.
        files: of the job's folder, by their names there.
        key: of all of it: the same options and contents give the same key.
        variants: that are measured, with the names of their results.
        data_name: of the texts, for the results.
        data_hash: of the texts.
        profile: of the board.
    """

    order: dict[str, Any]
    files: dict[str, Content]
    key: str
    variants: list[Variant]
    data_name: str
    data_hash: str
    profile: DeviceProfile

    @property
    def runtimes(self) -> list[str]:
        """Of the bundles."""
        return sorted({variant.backend for variant in self.variants})


def prepare(job: BenchJob, target: str | None) -> Prepared:
    """Open and check everything here, before any board is asked.

    Args:
        job: the options of the user.
        target: of the board; None: as for a measurement here.

    Raises:
        ConfigError: for options that do not fit, also not with a board.
        DataError: for texts that cannot be used.
        InvalidArtifact: for damaged bundles.
    """
    if not job.bundles and job.teacher is None:
        raise ConfigError("There is nothing to measure.", hint="Give bundle folders, or --teacher BUNDLE.")
    if job.traced:
        raise ConfigError(
            "--traced runs an emulator, which boards do not get.", hint="Leave it out, or estimate without --on."
        )
    profile = find_profile(target or job.target or target_of(job.bundles), job.devices)
    variants = [variant_from_bundle(folder) for folder in job.bundles]
    if job.teacher is not None:
        variants.insert(0, open_teacher(job.teacher, variants))
    for variant in variants:
        if variant.backend == TORCH:
            raise ConfigError(
                f"'{variant.path}' is measured in PyTorch, which boards do not get.",
                hint="Give the teacher as a bundle: edgekd export writes one.",
            )
    texts, data_name = evaluation_texts(job, variants)
    files = {TEXTS: Content.of(_labelled(texts, variants[0].task))}
    if warm_up := warm_up_texts(job):
        files[WARM_UP] = Content.of(_lines({"text": text} for text in warm_up))
    folders = [f"bundles/{number:02d}" for number in range(len(variants))]
    for folder, variant in zip(folders, variants, strict=True):
        files |= {f"{folder}/{name}": content for name, content in _bundle_files(variant.path).items()}
    teacher = folders.pop(0) if job.teacher is not None else None
    order = Order(
        title=", ".join(variant.name for variant in variants),
        bundles=folders,
        teacher=teacher,
        texts=TEXTS,
        warm_up=WARM_UP if warm_up else None,
        profile=profile,
        job=_without_paths(job),
    ).model_dump(mode="json")
    key = hash_json({"order": order, "files": {name: content.sha256 for name, content in files.items()}})[:16]
    named = unique_names(variants)
    return Prepared(order, files, key, named, data_name, texts.hash(), profile)


def _without_paths(job: BenchJob) -> BenchJob:
    """Return the options without anything that means something on this machine alone."""
    return replace(
        job,
        bundles=(),
        teacher=None,
        target=None,
        devices=None,
        data=None,
        warm_up_data=None,
        text_column="text",
        label_column="label",
        out=None,
        calibration=None,
        on=(),
    )


def _bundle_files(folder: Path) -> dict[str, Content]:
    """Return the manifest and all files that it lists; others are not part of a bundle."""
    names = json.loads((folder / MANIFEST_FILE).read_bytes())["files"]
    return {name: Content.of(folder / name) for name in [MANIFEST_FILE, *names]}


def _labelled(texts: Examples, task: Task) -> bytes:
    pairs = zip(texts.texts, texts.targets, strict=True)
    return _lines({"text": text, "label": _label(target, task)} for text, target in pairs)


def _label(target: Target, task: Task) -> Any:
    """Return a target as it is written in data files: names of labels, or a number."""
    if task.kind is TaskKind.REGRESSION:
        return target
    if isinstance(target, tuple):
        return [task.labels[index] for index in target]
    return task.labels[int(target)]


def _lines(records: Any) -> bytes:
    return "".join(json.dumps(record) + "\n" for record in records).encode()  # ASCII: any text survives
