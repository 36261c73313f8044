"""What both sides answer, before anything is timed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd.gate.evidence import Comparison, Facts
from edgekd.results import Evidence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.gate.lab import Lab
    from edgekd.gate.setup import Setup
    from edgekd.gate.sides import Side
    from edgekd.progress import Progress
    from edgekd.results import BenchResult


def compare_answers(setup: Setup, lab: Lab, progress: Progress) -> Comparison:
    """Label all texts with every side that is not already measured."""
    sides = [setup.candidate] if setup.baseline is None else [setup.candidate, setup.baseline]
    progress.start("labels of all texts", len(sides))
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
        labels=setup.candidate.labels,
        targets=tuple(_targets(setup, stored)),
    )


def _targets(setup: Setup, stored: Sequence[BenchResult]) -> Sequence[int]:
    if setup.texts is not None:
        return setup.texts.examples.targets
    if not stored:
        return ()
    quality = stored[0].quality
    return _renamed(quality.targets, quality.labels, setup.candidate.labels)


def _renamed(values: Sequence[int], labels: Sequence[str], names: Sequence[str]) -> tuple[int, ...]:
    """Turn indexes into ``labels`` into indexes into ``names``, which hold the same labels in some order."""
    index = [names.index(label) for label in labels]
    return tuple(index[value] for value in values)


def _facts(side: Side, setup: Setup, lab: Lab) -> Facts:
    names = setup.candidate.labels
    if side.result is not None:
        quality = side.result.quality
        return Facts(
            size_bytes=side.result.size_bytes,
            predictions=_renamed(quality.predictions, quality.labels, names) or None,
            load_times_s=(side.result.load_time_s,),
            peak_rss_bytes=(side.result.memory.peak_rss_bytes,),
            stored=True,
        )
    if side.bundle is None or setup.texts is None:
        return Facts(size_bytes=side.size_bytes)
    return Facts(size_bytes=side.size_bytes, predictions=_renamed(lab.labels(side.bundle), side.labels, names))
