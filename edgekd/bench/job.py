"""From what a user gives to a measurement: opens variants and texts, then measures."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from edgekd.bench.against_host import CompareWithHost
from edgekd.bench.counts.choose import cost_phases
from edgekd.bench.emulated import check_emulable, emulator_of, fewer_texts
from edgekd.bench.energy import EnergyPhase
from edgekd.bench.leak import LeakCheck
from edgekd.bench.limits import MemoryLimit, limit_of
from edgekd.bench.place import HERE
from edgekd.bench.qemu_place import core_of, qemu_place
from edgekd.bench.runner import run_bench
from edgekd.bench.scenarios.choose import scenario_phases
from edgekd.bench.variants import open_teacher, variant_from_bundle
from edgekd.bundle import is_bundle, load_bundle
from edgekd.config import BenchConfig
from edgekd.data.evaluation import read_evaluation, read_texts
from edgekd.devices import find_profile
from edgekd.errors import ConfigError
from edgekd.estimate.phase import estimates

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.bench.phase import Phase
    from edgekd.bench.place import Place
    from edgekd.bench.variants import Variant
    from edgekd.data.types import Examples
    from edgekd.devices import DeviceProfile
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
    memory_limit_bytes: int | None = None  # of each variant; by default what the target has
    on: tuple[str, ...] = ()  # "qemu://cortex-a72"; by default this machine
    qemu: str | None = None  # the emulator; by default PATH, the cache, or fetched
    scenarios: tuple[str, ...] = ()  # besides single-stream
    lengths: str | None = None  # "8,32,128"
    rates: str | None = None  # "50,100"
    minutes: float | None = None
    estimate: bool = False  # latency of the target, computed
    estimate_for: tuple[str, ...] = ()  # the same for further targets
    traced: bool = False  # estimates by the executed instructions too
    calibration: Path | None = None  # of estimates; by default the user's own, if there is one
    leak_check: bool = False
    energy: bool = False
    counts: bool = False  # instructions, multiply-adds and bytes
    core: str | None = None  # whose instructions; by default the target's
    counter: str | None = None  # what counts them; by default what there is
    profile: bool = False  # time of the operators


def run_job(job: BenchJob, progress: Progress, *, place: Place = HERE) -> list[BenchResult]:
    """Open everything and measure.

    Args:
        job: the options.
        progress: told where the work stands.
        place: where this program runs; ``job.on`` may still name an emulator.

    Raises:
        ConfigError: for options that do not fit.
        DataError: for texts that cannot be used.
        InvalidArtifact: for damaged bundles.
        NotApplicable: when nothing counts instructions for this target.
        EmulationUnavailable: when what is needed to emulate is missing and cannot be fetched.
        WorkerFailed: when a measuring process fails.
        DoesNotFit: when a variant needs more memory than it may have; it has the results of the others.
    """
    emulator = emulator_of(job.on, job.devices)
    scenarios = scenario_phases(job.scenarios, rates=job.rates, minutes=job.minutes, lengths=job.lengths)
    if not job.bundles and job.teacher is None:
        raise ConfigError("There is nothing to measure.", hint="Give bundle folders, or --teacher FOLDER.")
    if emulator and job.target is None:
        profile = emulator
    else:
        profile = find_profile(job.target or target_of(job.bundles), job.devices)
    variants = [variant_from_bundle(folder) for folder in job.bundles]
    if job.teacher is not None:
        variants.insert(0, open_teacher(job.teacher, variants))
    phases = _phases(job, profile, progress)
    phases += cost_phases(
        emulator or profile,
        place,
        progress.say,
        counts=job.counts,
        timed=job.profile,
        core=job.core,
        tool=job.counter,
        devices=job.devices,
    )
    has_time = emulator is None and place.has_time
    texts, name = evaluation_texts(job, variants)
    if not has_time:
        check_emulable(variants, [*phases, *scenarios], job.config, limited=job.memory_limit_bytes is not None)
    if emulator:
        texts, name = fewer_texts(texts, name, job.config)
        phases.insert(0, CompareWithHost())
    with qemu_place(emulator, progress.say, job.qemu) if emulator else nullcontext(place) as measured_at:
        return run_bench(
            variants,
            profile=profile,
            config=job.config,
            texts=texts,
            warm_up_texts=warm_up_texts(job) if has_time else [],
            data_name=name,
            out=job.out / core_of(emulator) if job.out and emulator else job.out,
            progress=progress,
            place=measured_at,
            memory_limit=_memory_limit(job, profile) if has_time else None,
            phases=[*phases, *scenarios],  # last, because sustained load leaves a hot machine
        )


def _memory_limit(job: BenchJob, profile: DeviceProfile) -> MemoryLimit | None:
    if job.memory_limit_bytes is not None:
        return MemoryLimit(job.memory_limit_bytes, "--memory-limit")
    return limit_of(profile)


def _phases(job: BenchJob, profile: DeviceProfile, progress: Progress) -> list[Phase]:
    """Return what is measured or computed besides the latency, in this order."""
    phases: list[Phase] = []
    if job.leak_check:
        phases.append(LeakCheck())
    if job.energy:
        phases.append(EnergyPhase())
    if job.estimate or job.estimate_for or job.traced:
        boards = [find_profile(name, job.devices) for name in job.estimate_for]
        if job.estimate or not boards:
            boards.insert(0, profile)
        phases.append(estimates(boards, job.calibration, progress.say, traced=job.traced))
    elif job.calibration is not None:
        raise ConfigError("--calibration scales estimates, and none is asked for.", hint="Add --estimate.")
    return phases


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


def evaluation_texts(job: BenchJob, variants: Sequence[Variant]) -> tuple[Examples, str]:
    """Return the labelled texts to measure with, and what they are called; those of the run if none are named.

    Raises:
        ConfigError: when there are none.
        DataError: when they cannot be read.
    """
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


def warm_up_texts(job: BenchJob) -> list[str]:
    """Return texts to warm up with; of a run only where the test texts come from the same run."""
    if job.warm_up_data is not None:
        return read_texts(job.warm_up_data, text_column=job.text_column)
    found = run_split(job.bundles, "train") if job.data is None else None
    return read_texts(str(found)) if found else []
