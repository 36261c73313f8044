"""From what the measuring processes sent to result records."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekd import __version__
from edgekd.analysis.scores import choose
from edgekd.bench.loop import Timings
from edgekd.bench.place import HERE
from edgekd.bench.variants import TORCH
from edgekd.measurements import Memory
from edgekd.results import BenchResult, Quality, Role, Samples
from edgekd.tasks import Calibration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.bench.place import Place
    from edgekd.bench.variants import Variant
    from edgekd.data.types import Examples
    from edgekd.devices import DeviceProfile
    from edgekd.results import Machine, Values
    from edgekd.tasks import Task


@dataclass
class Measured:
    """What came back from one measuring process so far."""

    variant: Variant
    loaded: dict[str, Any] = field(default_factory=dict)
    warm_up: dict[str, Any] = field(default_factory=dict)
    timings: Timings = field(default_factory=Timings)
    memory: dict[str, Any] = field(default_factory=dict)
    logits: list[list[float]] = field(default_factory=list)  # columns in the order of the first variant's labels
    calibration: Calibration = field(default_factory=Calibration)  # thresholds in the same order
    extra: dict[str, Any] = field(default_factory=dict)  # what phases found, by the field of the result

    def predictions(self, task: Task) -> Values:
        """Return what the logits and the calibration choose."""
        return choose(task, np.asarray(self.logits, dtype=np.float64), self.calibration)  # type: ignore[return-value]


@dataclass(frozen=True)
class Conditions:
    """What all variants of a session have in common."""

    profile: DeviceProfile
    threads: int  # used; the profile may ask for more than there are
    machine: Machine
    warm_up_note: str
    place: Place = HERE


def make_results(
    measured: Sequence[Measured], conditions: Conditions, texts: Examples, data_name: str
) -> list[BenchResult]:
    """Make the records of all variants of a session; predictions are indexes into the first one's labels."""
    created_at = datetime.now(timezone.utc).isoformat(timespec="seconds")
    session = uuid.uuid4().hex[:12]
    task = measured[0].variant.task
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
            data_name=data_name,
            data_hash=texts.hash(),
            artifact=str(m.variant.path),
            artifact_hash=m.variant.artifact_hash,
            size_bytes=m.variant.size_bytes,
            parameters=m.variant.parameters,
            load_time_s=m.loaded["load_time_s"],
            warm_up=Samples(**m.warm_up),
            samples=Samples(**m.timings.as_columns()),
            memory=Memory(
                start_rss_bytes=m.loaded["start_rss_bytes"],
                loaded_rss_bytes=m.loaded["loaded_rss_bytes"],
                **m.memory,
            ),
            quality=_quality(m, teacher, task, texts),
            machine=conditions.machine,
            proof=m.variant.proof,
            lineage=list(m.variant.lineage),
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
    notes = []
    if not profile.is_this_machine:
        notes.append(f"measured on this host under the profile's {wanted}, not on {profile.name}")
    if threads < profile.threads:
        notes.append(f"the profile has {wanted}, this machine allows {threads}: {threads} used")
    unused = [name for name in m.variant.providers if name not in m.loaded["providers"]]
    if unused:
        notes.append(f"not available here and not used: {', '.join(unused)}")
    notes.append(conditions.warm_up_note)
    return notes


def _teacher(measured: Sequence[Measured]) -> Measured | None:
    """Return whose labels count as the teacher's: PyTorch before ONNX, fp32 before int8."""
    teachers = [m for m in measured if m.variant.role is Role.TEACHER]
    return min(teachers, key=lambda m: (m.variant.backend != TORCH, m.variant.precision != "fp32"), default=None)
