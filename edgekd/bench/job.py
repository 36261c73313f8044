"""From what a user gives to a measurement: opens variants and texts, then measures."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from edgekd.bench.runner import run_bench
from edgekd.bench.variants import open_teacher, variant_from_bundle
from edgekd.bundle import is_bundle, load_bundle
from edgekd.config import BenchConfig
from edgekd.data.evaluation import read_evaluation, read_texts
from edgekd.devices import find_profile
from edgekd.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.bench.variants import Variant
    from edgekd.data.types import Examples
    from edgekd.progress import Progress
    from edgekd.results import BenchResult

RUN_LAYOUT = "RUN/bundles/TARGET/NAME"


@dataclass(frozen=True)
class BenchJob:
    """The options of ``edgekd bench``."""

    bundles: tuple[Path, ...]
    teacher: Path | None = None
    target: str | None = None  # by default the one that the bundles were made for
    devices: Path | None = None
    data: str | None = None  # by default the test split of the run folder
    warm_up_data: str | None = None  # by default the training split of the run folder
    text_column: str | None = None
    label_column: str | None = None
    out: Path | None = None
    config: BenchConfig = field(default_factory=BenchConfig)


def run_job(job: BenchJob, progress: Progress) -> list[BenchResult]:
    """Open everything and measure.

    Raises:
        ConfigError: for options that do not fit.
        DataError: for texts that cannot be used.
        InvalidArtifact: for damaged bundles.
        WorkerFailed: when a measuring process fails.
    """
    if not job.bundles and job.teacher is None:
        raise ConfigError("There is nothing to measure.", hint="Give bundle folders, or --teacher FOLDER.")
    profile = find_profile(job.target or target_of(job.bundles), job.devices)
    variants = [variant_from_bundle(folder) for folder in job.bundles]
    if job.teacher is not None:
        variants.insert(0, open_teacher(job.teacher, variants))
    texts, name = _evaluation(job, variants)
    return run_bench(
        variants,
        profile=profile,
        config=job.config,
        texts=texts,
        warm_up_texts=_warm_up(job),
        data_name=name,
        out=job.out,
        progress=progress,
    )


def target_of(bundles: Sequence[Path]) -> str:
    """Return the target that all bundles were made for.

    Raises:
        ConfigError: when there is none, or more than one.
    """
    targets = sorted({load_bundle(folder, verify=False).manifest.target for folder in bundles})
    if len(targets) == 1:
        return targets[0]
    found = f"the bundles were made for {', '.join(targets)}" if targets else "no bundle says it"
    raise ConfigError(f"Which target? {found[0].upper()}{found[1:]}.", hint="Give --target NAME.")


def run_split(bundles: Sequence[Path], split: str) -> Path | None:
    """Return a split of the run folder that the first bundle lies in."""
    for folder in bundles:
        parents = folder.resolve().parents
        if is_bundle(folder) and len(parents) > 2:
            path = parents[2] / "data" / f"{split}.jsonl"
            if path.is_file():
                return path
    return None


def _evaluation(job: BenchJob, variants: Sequence[Variant]) -> tuple[Examples, str]:
    found = run_split(job.bundles, "test")
    source = job.data or (str(found) if found else None)
    if source is None:
        raise ConfigError(
            f"There are no texts: --data is not given, and no bundle lies in a run folder ({RUN_LAYOUT} with "
            "RUN/data/test.jsonl).",
            hint="Give labelled texts with --data FILE: CSV, JSON lines, Parquet, a folder or asset:NAME.",
        )
    texts = read_evaluation(source, variants[0].task, text_column=job.text_column, label_column=job.label_column)
    return texts, source if source.startswith("asset:") else Path(source).name


def _warm_up(job: BenchJob) -> list[str]:
    """Return texts to warm up with; of a run only where the test texts come from the same run."""
    if job.warm_up_data is not None:
        return read_texts(job.warm_up_data, text_column=job.text_column)
    found = run_split(job.bundles, "train") if job.data is None else None
    return read_texts(str(found)) if found else []
