"""Baselines in the repository: what a target's candidates are compared with, as a record and a packed bundle.

``benchmarks/baselines/TARGET/N-COMMIT.json`` says what it is, ``benchmarks/baselines/bundles/HASH.tar.gz`` is the
bundle. N grows by one a target, so the newest is the one with the highest N. The record is small and made to be read in
a diff; the bundle may be kept by git-lfs.

Schema history of the record:
    1: the first.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field, ValidationError

from edgekd.artifacts import publish_folder, read_json
from edgekd.bundle import load_bundle
from edgekd.bundles.archive import SUFFIX
from edgekd.bundles.extract import extract
from edgekd.errors import InvalidArtifact
from edgekd.gate.lfs import BUNDLES, refuse_pointer
from edgekd.measurements import Record
from edgekd.results import BenchResult, parse_result
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from collections.abc import Sequence

SCHEMA_VERSION = 1
BASELINES = Path("benchmarks") / "baselines"  # in the working folder, unless another is named
NO_COMMIT = "nogit"  # in a file's name, outside a repository
_NAME = re.compile(r"^([1-9]\d*)-([0-9a-z]+)\.json$")


class Score(Record):
    """A score on the texts of the record."""

    metric: str  # "accuracy", "macro_f1", "pearson"...
    value: float


class Baseline(Record):
    """What a candidate is compared with. Only what does not change from run to run; times are in ``result``."""

    schema_version: int = SCHEMA_VERSION
    edgekd_version: str
    created_at: str  # ISO 8601, UTC
    target: str  # name of a profile
    variant: str  # name of the bundle, e.g. "cnn-int8"
    kind: str  # "bag", "cnn"...
    precision: str  # "fp32", "int8"
    task: TaskKind
    artifact_hash: str = Field(pattern="^[0-9a-f]{64}$")  # names a file
    size_bytes: int  # all files that must be shipped
    parameters: int | None = None
    commit: str | None = None  # short hash of HEAD when it was set; None outside a repository
    dirty: bool = False  # files that git knows had changes that were in no commit
    note: str = ""
    data_name: str = ""
    data_hash: str = ""  # of the texts and labels of ``scores``; empty: it was not scored
    texts: int = 0
    scores: list[Score] = Field(default_factory=list)
    result: BenchResult | None = None  # a measurement of this very bundle


@dataclass(frozen=True)
class BaselineEntry:
    """A record with the file it was read from."""

    path: Path
    record: Baseline

    @property
    def number(self) -> int:
        """Its place in the order of its target; 0 for a file that is called something else."""
        found = _NAME.match(self.path.name)
        return int(found.group(1)) if found else 0

    @property
    def name(self) -> str:
        """What to call it: "pi4/3-1a2b3c4"."""
        return f"{self.path.parent.name}/{self.path.stem}"

    @property
    def bundle_path(self) -> Path:
        """Where its packed bundle lies."""
        return bundle_file(self.path.parent.parent, self.record.artifact_hash)


def bundle_file(root: Path, artifact_hash: str) -> Path:
    """Return where the packed bundle with this hash lies below a folder of baselines."""
    return root / BUNDLES / f"{artifact_hash}{SUFFIX}"


def load_baseline(path: Path) -> BaselineEntry:
    """Read a record.

    Raises:
        InvalidArtifact: when it is missing, no JSON, a pointer of git-lfs, of a newer schema, or damaged.
    """
    refuse_pointer(path)
    raw = read_json(path)
    version = raw.get("schema_version") if isinstance(raw, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise InvalidArtifact(
            f"Baseline '{path}' has schema {version}; this edgekd reads {SCHEMA_VERSION}.",
            hint="Update edgekd: a newer one wrote this baseline.",
        )
    if version != SCHEMA_VERSION:
        raise InvalidArtifact(
            f"'{path}' is no baseline: its schema_version is {version!r:.40}, not {SCHEMA_VERSION}.",
            hint="Baselines are written by 'edgekd baseline set BUNDLE'.",
        )
    if raw.get("result") is not None:
        raw = {**raw, "result": parse_result(raw["result"], path)}  # which may be of an older schema
    try:
        return BaselineEntry(path, Baseline.model_validate(raw))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "file"
        raise InvalidArtifact(
            f"Baseline '{path}' is damaged: {where}: {first['msg']}.",
            hint="Restore it with git, or set a new one with 'edgekd baseline set BUNDLE'.",
        ) from error


def list_baselines(root: Path, target: str | None = None) -> list[BaselineEntry]:
    """Return all baselines below a folder, or those of a target: by target, the oldest first.

    Files that are not called ``N-COMMIT.json`` are not looked at.

    Raises:
        InvalidArtifact: when one cannot be read; silently taking an older one could hide a regression.
    """
    folders = [root / target] if target is not None else _folders(root)
    found = [_load_filed(path) for folder in folders for path in _records(folder)]
    return sorted(found, key=lambda entry: (entry.path.parent.name, *_order(entry)))


def _load_filed(path: Path) -> BaselineEntry:
    """Read a record that lies in the folder of its target."""
    entry = load_baseline(path)
    if entry.record.target != path.parent.name:
        raise InvalidArtifact(
            f"Baseline '{path}' is for {entry.record.target} and lies in the folder of {path.parent.name}.",
            hint="Move it back, or set a new one with 'edgekd baseline set BUNDLE --target TARGET'.",
        )
    return entry


def find_baseline(root: Path, target: str, variant: str) -> BaselineEntry | None:
    """Return the newest baseline of a variant for a target; None when there is none.

    Args:
        root: folder of baselines, usually :data:`BASELINES`.
        target: name of a profile, not an alias.
        variant: name of the bundle, e.g. "cnn-int8".

    Raises:
        InvalidArtifact: when a record of this target cannot be read.
    """
    return newest([entry for entry in list_baselines(root, target) if entry.record.variant == variant])


def newest(entries: Sequence[BaselineEntry]) -> BaselineEntry | None:
    """Return the one with the highest number; of equal ones, which two branches can make, the one set last."""
    return max(entries, key=_order, default=None)


def _order(entry: BaselineEntry) -> tuple[int, str, str]:
    return entry.number, entry.record.created_at, entry.path.name


def next_number(folder: Path) -> int:
    """Return the number of the next baseline in a target's folder."""
    names = [_NAME.match(path.name) for path in _records(folder)]
    return 1 + max((int(found.group(1)) for found in names if found), default=0)


def open_baseline(entry: BaselineEntry, into: Path) -> Path:
    """Unpack the bundle of a baseline and check every file of it.

    Args:
        entry: the baseline.
        into: where the bundle's folder goes; made when it does not exist. The folder is called like the bundle, and one
            that is there already is replaced.

    Returns:
        The bundle's folder.

    Raises:
        InvalidArtifact: when the packed bundle is missing, a pointer of git-lfs, damaged, or another one.
    """
    packed = entry.bundle_path
    if not packed.is_file():
        raise InvalidArtifact(
            f"The bundle of baseline '{entry.path}' is not there: '{packed}' does not exist.",
            hint="Restore it with git (a shallow or partial checkout may leave it out), or set a new baseline with "
            "'edgekd baseline set BUNDLE'.",
        )
    refuse_pointer(packed)
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".edgekd-baseline-", dir=into) as building:
        folder = _checked(entry, packed, Path(building))
        with publish_folder(into / folder.name) as target:
            shutil.copytree(folder, target, dirs_exist_ok=True)
    return into / folder.name


def _checked(entry: BaselineEntry, packed: Path, into: Path) -> Path:
    """Extract a packed bundle that must be the one of a record."""
    try:
        folder = extract(packed, into)
        found = load_bundle(folder).artifact_hash
    except InvalidArtifact as error:
        raise InvalidArtifact(
            f"The bundle of baseline '{entry.path}' is damaged: {error.message}",
            hint="Restore it with git, or set a new baseline with 'edgekd baseline set BUNDLE'.",
        ) from error
    if found != entry.record.artifact_hash:
        raise InvalidArtifact(
            f"'{packed}' holds another bundle than baseline '{entry.path}' says: hash {found[:12]}..., "
            f"expected {entry.record.artifact_hash[:12]}...",
            hint="Restore it with git, or set a new baseline with 'edgekd baseline set BUNDLE'.",
        )
    return folder


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir() and path.name != BUNDLES) if root.is_dir() else []


def _records(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if _NAME.match(path.name)] if folder.is_dir() else []
