"""What both sides answer, before anything is timed."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from edgekd.analysis.probabilities import choose
from edgekd.gate.evidence import Comparison, Facts
from edgekd.results import Evidence
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.data.types import Target
    from edgekd.gate.lab import Lab
    from edgekd.gate.setup import Setup
    from edgekd.gate.sides import Side
    from edgekd.progress import Progress
    from edgekd.results import BenchResult
    from edgekd.tasks import Task

Number = TypeVar("Number", int, float)


def compare_answers(setup: Setup, lab: Lab, progress: Progress) -> Comparison:
    """Answer all texts with every side that is not already measured."""
    sides = [setup.candidate] if setup.baseline is None else [setup.candidate, setup.baseline]
    if setup.texts is None:
        facts = [_facts(side, setup, lab) for side in sides]
    else:
        progress.start("answers to all texts", len(sides))
        facts = []
        for side in sides:
            facts.append(_facts(side, setup, lab))
            progress.update(len(facts))
        progress.finish()
    stored = [side.result for side in sides if side.result is not None]
    return Comparison(
        candidate=facts[0],
        baseline=facts[1] if len(facts) > 1 else None,
        evidence=stored[0].evidence if len(stored) == len(sides) else Evidence.HOST,
        task=setup.candidate.task,
        targets=tuple(_targets(setup, stored)),
    )


def _targets(setup: Setup, stored: Sequence[BenchResult]) -> Sequence[Target]:
    if setup.texts is not None:
        return setup.texts.examples.targets
    if not stored:
        return ()
    quality = stored[0].quality
    return _renamed(quality.targets, quality.as_task, setup.candidate.task)


def _renamed(values: Sequence[Target], task: Task, wanted: Task) -> tuple[Target, ...]:
    """Turn indexes into the labels of one task into indexes into another's, which has the same in some order."""
    if task.kind is TaskKind.REGRESSION:
        return tuple(values)
    index = [wanted.labels.index(label) for label in task.labels]
    return tuple(
        tuple(sorted(index[one] for one in value)) if isinstance(value, tuple) else index[int(value)]
        for value in values
    )


def _known(value: Number | None) -> tuple[Number, ...]:
    return () if value is None else (value,)


def _facts(side: Side, setup: Setup, lab: Lab) -> Facts:
    wanted = setup.candidate.task
    if side.result is not None:
        quality = side.result.quality
        return Facts(
            size_bytes=side.result.size_bytes,
            predictions=_renamed(quality.predictions, quality.as_task, wanted) or None,
            load_times_s=_known(side.result.load_time_s),
            peak_rss_bytes=_known(side.result.memory.peak_rss_bytes),
            stored=True,
        )
    if side.bundle is None or setup.texts is None:
        return Facts(size_bytes=side.size_bytes)
    chosen = choose(side.task, lab.logits(side.bundle), side.calibration)
    return Facts(size_bytes=side.size_bytes, predictions=_renamed(chosen, side.task, wanted))
