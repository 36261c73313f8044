"""Making a bundle the baseline of a target: the record, the packed bundle, the attributes of git-lfs, the commit."""

from __future__ import annotations

import json
import math
import tempfile
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from edgekd import __version__, units
from edgekd.analysis.probabilities import choose
from edgekd.analysis.sums import METRICS, text_sums
from edgekd.artifacts import write_text_atomic
from edgekd.bench.affinity import choose_cpus
from edgekd.bench.job import run_split
from edgekd.bundle import load_bundle
from edgekd.bundles.card import model_card
from edgekd.bundles.pack import opened, pack_bundle
from edgekd.data.evaluation import read_evaluation
from edgekd.data.sources import ASSET_PREFIX
from edgekd.devices import find_profile
from edgekd.errors import InvalidArtifact
from edgekd.gate.baseline_words import commit_text, score_text
from edgekd.gate.baselines import (
    BASELINES,
    NO_COMMIT,
    Baseline,
    BaselineEntry,
    Score,
    bundle_file,
    find_baseline,
    next_number,
    open_baseline,
)
from edgekd.gate.git import GitFailed, Repository, commit_only, find_repository, is_changed
from edgekd.gate.lab import Lab
from edgekd.gate.lfs import require_lfs, suggestion, write_attributes
from edgekd.results import load_result

if TYPE_CHECKING:
    from edgekd.bundle import Bundle
    from edgekd.data.types import Examples
    from edgekd.devices import DeviceProfile
    from edgekd.results import BenchResult


@dataclass(frozen=True)
class BaselineJob:
    """The options of ``edgekd baseline set``."""

    bundle: Path
    target: str | None = None  # by default the one that the bundle was made for
    data: str | None = None  # by default the test split of the run folder, if there is one
    text_column: str | None = None
    label_column: str | None = None
    result: Path | None = None
    root: Path = BASELINES
    devices: Path | None = None
    note: str = ""
    lfs: bool = False
    commit: bool = True


@dataclass(frozen=True)
class BaselineSet:
    """What was done.

    Args:
        entry: the new baseline.
        files: that were written, for a commit.
        commit: short hash of the baseline's own commit.
        not_committed: why there is none.
        not_scored: why the record has no scores; empty where it has.
        suggestion: a line for ``.gitattributes`` that is worth adding; empty where it is not.
    """

    entry: BaselineEntry
    files: list[Path]
    commit: str | None
    not_committed: str
    not_scored: str
    suggestion: str

    @property
    def is_new(self) -> bool:
        """False when the bundle was the baseline already and nothing was written."""
        return bool(self.files)


def set_baseline(job: BaselineJob) -> BaselineSet:
    """Write a baseline and commit it.

    Raises:
        ConfigError: for wrong options.
        DataError: for texts that cannot be used.
        InvalidArtifact: when bundle or result are damaged, or the result is another bundle's.
    """
    with opened(job.bundle) as folder:
        return _set(job, load_bundle(folder))


def _set(job: BaselineJob, bundle: Bundle) -> BaselineSet:
    profile = find_profile(job.target or bundle.manifest.target, job.devices)
    found = find_repository(job.root)
    if job.lfs:
        require_lfs()
    repository = found if isinstance(found, Repository) else None
    result = _result_of(bundle, job.result) if job.result is not None else None
    record, not_scored = _scored(job, bundle, profile, _record(job, bundle, profile, result, repository))
    before = find_baseline(job.root, profile.name, record.variant)
    if before is not None and _says_nothing_new(record, before) and _is_there(before):
        return BaselineSet(before, [], None, "it is the baseline already", not_scored, "")
    entry = _write(job.root, record, bundle)
    files = [entry.path, entry.bundle_path]
    if job.lfs:
        files.append(write_attributes(job.root))
    commit, reason = _commit(entry, files, found) if job.commit else (None, "--no-commit was given")
    return BaselineSet(entry, files, commit, reason, not_scored, suggestion(entry.bundle_path, repository))


def _says_nothing_new(record: Baseline, before: BaselineEntry) -> bool:
    """Tell whether a record would repeat the newest one: the same bundle and texts, no note, no result."""
    is_same = record.artifact_hash == before.record.artifact_hash and record.data_hash == before.record.data_hash
    return is_same and not record.note and record.result is None


def _result_of(bundle: Bundle, path: Path) -> BenchResult:
    result = load_result(path)
    if result.artifact_hash != bundle.artifact_hash:
        raise InvalidArtifact(
            f"--result '{path}' is of another bundle ('{result.variant}', hash {result.artifact_hash[:12]}...); "
            f"'{bundle.folder}' has {bundle.artifact_hash[:12]}...",
            hint="Measure this bundle with 'edgekd bench', or leave --result out.",
        )
    return result


def _record(
    job: BaselineJob,
    bundle: Bundle,
    profile: DeviceProfile,
    result: BenchResult | None,
    repository: Repository | None,
) -> Baseline:
    manifest = bundle.manifest
    return Baseline(
        edgekd_version=__version__,
        created_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        target=profile.name,
        variant=manifest.name,
        kind=manifest.kind,
        precision=manifest.precision,
        task=manifest.task,
        artifact_hash=bundle.artifact_hash,
        size_bytes=bundle.size_bytes,
        parameters=manifest.parameters,
        commit=repository.commit if repository else None,
        dirty=repository.dirty if repository else False,
        note=job.note,
        result=result,
    )


def _scored(job: BaselineJob, bundle: Bundle, profile: DeviceProfile, record: Baseline) -> tuple[Baseline, str]:
    """Add what the bundle scores on the given texts, or on those of its run; else say why there is no score."""
    found = run_split([job.bundle], "test")
    source = job.data or (str(found) if found else None)
    if source is None:
        return record, "no --data is given, and the bundle lies in no run folder"
    task = bundle.manifest.as_task
    texts = read_evaluation(source, task, text_column=job.text_column, label_column=job.label_column)
    try:
        scores = _scores(bundle, texts, profile)
    except InvalidArtifact as error:
        if job.data is not None:
            raise
        return record, f"the bundle does not run here: {error.message}"
    name = source if source.startswith(ASSET_PREFIX) else Path(source).name
    facts = {"data_name": name, "data_hash": texts.hash(), "texts": len(texts), "scores": scores}
    return record.model_copy(update=facts), ""


def _scores(bundle: Bundle, texts: Examples, profile: DeviceProfile) -> list[Score]:
    """Answer all texts once; a score that is not defined, as a correlation of constants, is left out."""
    task = bundle.manifest.as_task
    cpus = choose_cpus(profile.threads)
    lab = Lab(threads=min(profile.threads, max(len(cpus), 1)), affinity=cpus, texts=texts.texts, warm_up=[])
    answers = choose(task, lab.logits(bundle), bundle.manifest.calibration)
    values = {metric: text_sums(task, texts.targets, answers, metric).value() for metric in METRICS[task.kind]}
    return [Score(metric=metric, value=value) for metric, value in values.items() if math.isfinite(value)]


def _write(root: Path, record: Baseline, bundle: Bundle) -> BaselineEntry:
    """Write the bundle first, so that no record is ever without one."""
    folder = root / record.target
    name = f"{next_number(folder)}-{record.commit or NO_COMMIT}.json"
    entry = BaselineEntry(folder / name, record)
    if not _is_there(entry):
        pack_bundle(bundle, bundle_file(root, record.artifact_hash), model_card(bundle), replace=True)
    write_text_atomic(entry.path, _text(record))
    return entry


def _text(record: Baseline) -> str:
    """Write a record as JSON with a line for each fact; a result, which has thousands of numbers, is one line."""
    facts = record.model_dump(mode="json", exclude_none=True, exclude={"result"})
    text = json.dumps(facts, indent=2, ensure_ascii=False, allow_nan=False)
    if record.result is None:
        return text + "\n"
    return text.removesuffix("\n}") + f',\n  "result": {record.result.model_dump_json()}\n}}\n'


def _is_there(entry: BaselineEntry) -> bool:
    """Tell whether the packed bundle is there and whole, whichever runner was packed beside it."""
    try:
        with tempfile.TemporaryDirectory(prefix="edgekd-baseline-") as folder:
            open_baseline(entry, Path(folder))
    except InvalidArtifact:
        return False
    return True


def _commit(entry: BaselineEntry, files: list[Path], found: Repository | str) -> tuple[str | None, str]:
    if not isinstance(found, Repository):
        return None, found
    try:
        return commit_only(found, [path for path in files if is_changed(found, path)], message(entry.record)), ""
    except GitFailed as error:
        return None, error.message


def message(record: Baseline) -> str:
    """Write the message of a baseline's commit: what changed for whom, and why."""
    facts = [units.size(record.size_bytes)]
    if record.scores:
        facts.append(score_text(record))
    lines = [f"Baseline of {record.variant} on {record.target}: {', '.join(facts)}"]
    if record.note:
        lines += ["", record.note]
    return "\n".join([*lines, "", f"Set {commit_text(record)}.", f"Artifact {record.artifact_hash[:12]}."])
