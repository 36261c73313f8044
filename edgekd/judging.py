"""Measure a model's fp32 self and its candidates in turns on validation texts, and say which earned their place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgekd.analysis.degenerate import find_degenerate
from edgekd.analysis.ladder import Limits, judge
from edgekd.bench.variants import variant_from_bundle
from edgekd.config import BenchConfig
from edgekd.sessions import measure_once

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edgekd.bundle import Bundle
    from edgekd.config import CompressConfig
    from edgekd.data.types import TextData
    from edgekd.decisions import Decision
    from edgekd.devices import DeviceProfile
    from edgekd.progress import Progress
    from edgekd.results import BenchResult
    from edgekd.steps import Rung

BLOCK_SIZE = 10  # texts a candidate measures before it is the next one's turn


def measure_and_judge(
    base: Bundle,
    candidates: Sequence[tuple[Bundle, Rung]],
    *,
    data: TextData,
    profile: DeviceProfile,
    config: CompressConfig,
    out: Path,
    progress: Progress,
) -> tuple[list[BenchResult], list[Decision]]:
    """Return the measurements, the base first, and a decision for each.

    Args:
        base: the model's fp32 self.
        candidates: its other forms, with what was done.
        data: validation texts are measured, training texts warm up.
        profile: the target.
        config: how much may be lost, and how long to measure.
        out: the result files go there; an equal earlier session is reused.
        progress: told where the work stands.
    """
    rungs = {bundle.manifest.name: rung for bundle, rung in candidates}
    results = measure_once(
        [variant_from_bundle(bundle.folder) for bundle in (base, *(bundle for bundle, _ in candidates))],
        out,
        profile=profile,
        config=BenchConfig(
            passes=config.passes,
            max_texts=config.timed_texts,
            max_seconds=config.max_seconds,
            block_size=BLOCK_SIZE,
            processes=1,  # candidates are compared block by block; there are many of them
        ),
        texts=data.validation,
        warm_up_texts=data.train.texts,
        data_name=f"{data.name}, validation split",
        progress=progress,
    )
    reference, *others = results
    expected = np.asarray(reference.quality.logits)
    problems = {
        result.variant: find_degenerate(
            data.task,
            data.validation.targets,
            np.asarray(result.quality.logits),
            expected,
            calibration=result.quality.calibration,
        )
        for result in others
    }
    decisions = judge(
        reference,
        others,
        max_drop=config.max_accuracy_drop,
        limits=limits_of(profile, config),
        why={name: rung.reason for name, rung in rungs.items()},
        problems=problems,
        steps={name: [step.label for step in rung.steps] for name, rung in rungs.items()},
        untimed=[name for name, rung in rungs.items() if not rung.measured_here],
    )
    return results, decisions


def limits_of(profile: DeviceProfile, config: CompressConfig) -> Limits:
    """Return the profile's limits, where the recipe gives no others."""
    given = {**profile.budgets.model_dump(), **config.limits.model_dump(exclude_none=True)}
    return Limits(**{name: given[name] for name in type(config.limits).model_fields})
