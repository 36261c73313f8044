"""From what the measuring processes sent to result records."""

from __future__ import annotations

import statistics
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekd import __version__
from edgekd.analysis.scores import choose
from edgekd.bench.conditions import Sampler
from edgekd.bench.loop import Timings
from edgekd.bench.place import HERE
from edgekd.bench.variants import TORCH
from edgekd.results import BenchResult, Evidence, Quality, Role, Samples
from edgekd.tasks import Calibration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.bench.limits import DoesNotFit
    from edgekd.bench.place import Place
    from edgekd.bench.variants import Variant
    from edgekd.data.types import Examples
    from edgekd.devices import DeviceProfile
    from edgekd.measurements import Harness, ProcessRun
    from edgekd.results import Machine, Values
    from edgekd.tasks import Task


@dataclass(eq=False)
class Measured:
    """What came back from the measuring processes of a variant so far."""

    variant: Variant
    loaded: dict[str, Any] = field(default_factory=dict)  # of the latest process
    warm_up: dict[str, Any] = field(default_factory=dict)  # of the first
    timings: Timings = field(default_factory=Timings)  # of all
    process: list[int] = field(default_factory=list)  # which one each call was made in
    runs: list[ProcessRun] = field(default_factory=list)
    misfit: DoesNotFit | None = None  # it needs more memory than it may have
    logits: list[list[float]] = field(default_factory=list)  # columns in the order of the first variant's labels
    calibration: Calibration = field(default_factory=Calibration)  # thresholds in the same order
    extra: dict[str, Any] = field(default_factory=dict)  # what phases found, by the field of the result
    notes: list[str] = field(default_factory=list)  # what phases have to say, for instance why there is no energy

    def predictions(self, task: Task) -> Values:
        """Return what the logits and the calibration choose."""
        return choose(task, np.asarray(self.logits, dtype=np.float64), self.calibration)  # type: ignore[return-value]


def samples_of(m: Measured) -> Samples:
    """Return all timed calls; a single process is not numbered."""
    several = len(set(m.process)) > 1
    return Samples(**m.timings.as_columns(), process=m.process if several else [])


@dataclass
class Conditions:
    """What all variants of a session have in common."""

    profile: DeviceProfile
    threads: int  # used; the profile may ask for more than there are
    machine: Machine
    warm_up_note: str
    place: Place = HERE
    sampler: Sampler = field(default_factory=Sampler)
    harness: Harness | None = None
    notes: list[str] = field(default_factory=list)  # about how long was measured
    settings: dict[str, Any] = field(default_factory=dict)  # those of the user's that are not the defaults


def make_results(
    measured: Sequence[Measured], conditions: Conditions, task: Task, texts: Examples, data_name: str
) -> list[BenchResult]:
    """Make the records of all variants of a session; predictions are indexes into the labels of ``task``."""
    created_at = datetime.now(timezone.utc).isoformat(timespec="seconds")
    session = uuid.uuid4().hex[:12]
    teacher = _teacher(measured)
    return [
        BenchResult(
            edgekd_version=__version__,
            created_at=created_at,
            session=session,
            variant=m.variant.name,
            role=m.variant.role,
            kind=m.variant.kind,
            precision=m.variant.precision,
            backend=m.variant.backend,
            evidence=conditions.place.evidence,
            target=conditions.profile.name,
            threads=conditions.threads,
            affinity=m.loaded["affinity"],
            settings=conditions.settings,
            data_name=data_name,
            data_hash=texts.hash(),
            artifact=str(m.variant.path),
            artifact_hash=m.variant.artifact_hash,
            size_bytes=m.variant.size_bytes,
            parameters=m.variant.parameters,
            load_time_s=_median_load_time(m.runs),
            warm_up=Samples(**m.warm_up),
            samples=samples_of(m),
            memory=max((run.memory for run in m.runs), key=lambda memory: memory.peak_rss_bytes or 0),
            processes=m.runs,
            harness=conditions.harness,
            quality=_quality(m, teacher, task, texts),
            machine=conditions.machine,
            machine_over_time=conditions.sampler.moments,
            proof=m.variant.proof,
            lineage=list(m.variant.lineage),
            parity=m.variant.parity,
            notes=_notes(m, conditions),
            **m.extra,
        )
        for m in measured
    ]


def _quality(m: Measured, teacher: Measured | None, task: Task, texts: Examples) -> Quality:
    return Quality(
        task=task.kind,
        labels=list(task.labels),
        targets=texts.targets,
        predictions=m.predictions(task),
        teacher_predictions=teacher.predictions(task) if teacher else None,
        logits=m.logits,
        teacher_logits=teacher.logits if teacher else None,
        calibration=m.calibration,
        teacher_calibration=teacher.calibration if teacher else Calibration(),
    )


def _notes(m: Measured, conditions: Conditions) -> list[str]:
    profile, threads = conditions.profile, conditions.threads
    wanted = f"{profile.threads} thread{'s' if profile.threads > 1 else ''}"
    notes = [conditions.place.note] if conditions.place.note else []
    if conditions.place.evidence is Evidence.HOST and not profile.is_this_machine:
        notes.append(f"measured on this host under the profile's {wanted}, not on {profile.name}")
    if threads < profile.threads:
        notes.append(f"the profile has {wanted}, this machine allows {threads}: {threads} used")
    unused = [name for name in m.variant.providers if name not in m.loaded["providers"]]
    if unused:
        notes.append(f"not available here and not used: {', '.join(unused)}")
    if conditions.place.has_time:
        notes.append(conditions.warm_up_note)
    return notes + conditions.notes + m.notes


def _median_load_time(runs: Sequence[ProcessRun]) -> float | None:
    times = [run.load_time_s for run in runs if run.load_time_s is not None]
    return statistics.median(times) if times else None


def _teacher(measured: Sequence[Measured]) -> Measured | None:
    """Return whose labels count as the teacher's: PyTorch before ONNX, fp32 before int8."""
    teachers = [m for m in measured if m.variant.role is Role.TEACHER]
    return min(teachers, key=lambda m: (m.variant.backend != TORCH, m.variant.precision != "fp32"), default=None)
