"""The two sides of a comparison: a bundle that can be measured now, or a stored result that cannot."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgekd.analysis.benchmark_json import is_benchmark_json
from edgekd.bundle import load_bundle
from edgekd.bundles.extract import extract
from edgekd.errors import ConfigError, Incomparable, InvalidArtifact
from edgekd.gate.baselines import load_baseline, open_baseline
from edgekd.results import RESULT_SUFFIX, load_result
from edgekd.tasks import Calibration, TaskKind

if TYPE_CHECKING:
    from edgekd.bundle import Bundle
    from edgekd.gate.baselines import BaselineEntry
    from edgekd.results import BenchResult
    from edgekd.tasks import Task

BASELINE = "baseline"
ARCHIVE_SUFFIXES = (".tar.gz", ".tgz")
DAMAGED_RESULT = "The file was changed or cut off: fetch it again, or measure again with 'edgekd bench'."
KEEP_THE_BUNDLE = (
    "Keep the baseline's bundle folder and give that instead of its result: "
    "it is then measured now, in turns with the candidate."
)


@dataclass(frozen=True)
class Side:
    """A candidate or a baseline. Exactly one of ``bundle`` and ``result`` is set."""

    path: Path
    name: str
    task: Task
    artifact_hash: str
    size_bytes: int
    target: str
    calibration: Calibration = field(default_factory=Calibration)
    bundle: Bundle | None = None
    result: BenchResult | None = None
    remeasured: bool = False  # given as a result whose bundle was still there

    @property
    def labels(self) -> tuple[str, ...]:
        """Label names in the order of the logits."""
        return self.task.labels


@dataclass(frozen=True)
class Conditions:
    """What must be equal for two numbers to be comparable."""

    machine: str  # fingerprint
    target: str
    data: str  # hash of the evaluation texts and labels
    threads: int
    machine_name: str = field(default="", compare=False)


def open_side(path: Path, role: str, into: Path) -> Side:
    """Open a bundle folder, a packed bundle, a result file or a record of a baseline.

    Args:
        path: what the user gave.
        role: "candidate" or "baseline", for messages.
        into: folder to unpack to; must last as long as the side.

    Raises:
        ConfigError: when it is none of them.
        InvalidArtifact: when it is damaged.
    """
    if path.is_dir():
        return side_of_bundle(load_bundle(path), path)
    if path.is_file() and path.name.endswith(RESULT_SUFFIX):
        return _side_of_result(_load_result(path), path)
    if path.is_file() and path.name.endswith(ARCHIVE_SUFFIXES):
        return side_of_bundle(load_bundle(extract(path, into / role)), path)
    if is_benchmark_json(path):  # of a candidate such files are judged elsewhere
        raise ConfigError(
            f"The {role} '{path}' is a file of pytest-benchmark; the candidate is none.",
            hint="Compare like with like: two bundles, which are measured in turns, or two files of --benchmark-json.",
        )
    if path.is_file() and path.suffix == ".json" and role == BASELINE:
        return side_of_baseline(load_baseline(path), into)
    problem = "is not one" if path.exists() else "does not exist"
    record = ", a record of benchmarks/baselines" if role == BASELINE else ", a file of pytest --benchmark-json"
    raise ConfigError(
        f"The {role} must be a bundle folder, a packed bundle (.tar.gz){record} or a '*{RESULT_SUFFIX}' file; "
        f"'{path}' {problem}.",
        hint="Bundles are below RUN/bundles/TARGET/, results are written by 'edgekd bench'.",
    )


def _load_result(path: Path) -> BenchResult:
    try:
        return load_result(path)
    except InvalidArtifact as error:
        raise InvalidArtifact(error.message, hint=error.hint or DAMAGED_RESULT) from error


def side_of_baseline(entry: BaselineEntry, into: Path) -> Side:
    """Make a side of a record: of its bundle, or of the measurement in it where the bundle is not there.

    Raises:
        InvalidArtifact: when there is neither, or the bundle is damaged.
    """
    stored = entry.record.result
    if stored is not None and not entry.bundle_path.is_file():
        return _side_of_result(stored, entry.path)
    return side_of_bundle(load_bundle(open_baseline(entry, into / BASELINE), verify=False), entry.path)


def side_of_bundle(bundle: Bundle, path: Path) -> Side:
    """Make a side that is measured now."""
    manifest = bundle.manifest
    return Side(
        path=path,
        name=manifest.name,
        task=manifest.as_task,
        calibration=manifest.calibration,
        artifact_hash=bundle.artifact_hash,
        size_bytes=bundle.size_bytes,
        target=manifest.target,
        bundle=bundle,
    )


def _side_of_result(result: BenchResult, path: Path) -> Side:
    return Side(
        path=path,
        name=result.variant,
        task=result.quality.as_task,
        calibration=result.quality.calibration,
        artifact_hash=result.artifact_hash,
        size_bytes=result.size_bytes,
        target=result.target,
        result=result,
    )


def conditions_of(result: BenchResult) -> Conditions:
    """Return the conditions a result was measured under."""
    machine = result.machine
    return Conditions(machine.fingerprint, result.target, result.data_hash, result.threads, machine.cpu_model)


def check_conditions(baseline: Conditions, candidate: Conditions) -> None:
    """Refuse to compare numbers from different conditions.

    Raises:
        Incomparable: with all differing values of both sides and what to do.
    """
    different = []
    if baseline.machine != candidate.machine:
        sides = (f"{one.machine_name} (fingerprint {one.machine:.20})" for one in (baseline, candidate))
        different.append("the baseline was measured on another machine: {}, the candidate on {}".format(*sides))
    different += [
        f"another {text}: baseline {getattr(baseline, key)!s:.20}, candidate {getattr(candidate, key)!s:.20}"
        for key, text in {"target": "target", "data": "data set", "threads": "number of threads"}.items()
        if getattr(baseline, key) != getattr(candidate, key)
    ]
    if different:
        raise Incomparable(f"A stored result cannot be used: {'; '.join(different)}.", hint=KEEP_THE_BUNDLE)


def check_labels(baseline: Side, candidate: Side) -> None:
    """Refuse to compare models of different tasks or labels; the order of the labels may differ.

    Raises:
        Incomparable: with the tasks or labels of both.
    """
    if baseline.task.kind is not candidate.task.kind:
        raise Incomparable(
            f"The tasks differ: baseline '{baseline.name}' is a {baseline.task.kind.value} model, "
            f"candidate '{candidate.name}' a {candidate.task.kind.value} model.",
            hint="Gate against a baseline that was trained for the same task.",
        )
    if candidate.task.kind is not TaskKind.REGRESSION and sorted(baseline.labels) != sorted(candidate.labels):
        raise Incomparable(
            f"The labels differ: baseline '{baseline.name}' has {', '.join(baseline.labels)}; "
            f"candidate '{candidate.name}' has {', '.join(candidate.labels)}.",
            hint="Gate against a baseline that was trained for the same labels.",
        )


def with_artifact(side: Side) -> Side:
    """Return the bundle behind a result when it is still there unchanged; else the side itself."""
    result = side.result
    if result is None or not result.artifact:
        return side
    try:
        bundle = load_bundle(Path(result.artifact))
    except InvalidArtifact:
        return side
    if bundle.artifact_hash != result.artifact_hash:
        return side
    return replace(side_of_bundle(bundle, side.path), name=side.name, remeasured=True)


def share_session(baseline: BenchResult | None, candidate: BenchResult | None) -> bool:
    """Tell whether two results were measured interleaved over the same texts, so that calls belong together."""
    if baseline is None or candidate is None or baseline.session != candidate.session:
        return False
    one, other = baseline.samples, candidate.samples
    return one.block == other.block and one.text_index == other.text_index and one.process == other.process
