"""Everything the rules are decided on, in one place; nothing here measures or judges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgekd.analysis.bootstrap import clusters
from edgekd.analysis.paired import Rounds
from edgekd.tasks import Task, TaskKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.data.types import Target
    from edgekd.gate.records import ProcessSamples
    from edgekd.results import Evidence, Samples

NO_LABELS = Task(TaskKind.SINGLE_LABEL, ())


@dataclass(frozen=True)
class Facts:
    """What is known of one side besides its latency."""

    size_bytes: int
    predictions: tuple[Target, ...] | None = None  # indexes into the candidate's labels, or values
    load_times_s: tuple[float, ...] = ()  # one per process
    peak_rss_bytes: tuple[int, ...] = ()  # one per process
    instructions: float | None = None  # executed for a text, mean of a few; only counted when a rule asks
    instructions_problem: str = ""  # why they could not be counted
    instructions_advice: str = ""  # what to do about that
    stored: bool = False  # from a result file: one process, loaded and used as the bench does


@dataclass(frozen=True)
class Comparison:
    """Candidate and baseline, measured."""

    candidate: Facts
    evidence: Evidence
    task: Task = NO_LABELS  # with the candidate's labels
    targets: tuple[Target, ...] = ()
    baseline: Facts | None = None
    paired: Rounds | None = None  # side 0 the baseline, side 1 the candidate
    margin: float = 0.0  # share by which a latency must be beyond its limit to fail; see edgekd.gate.margin
    counter: str = ""  # what counted instructions on both sides: tool, core, texts
    counter_evidence: Evidence | None = None
    stored: bool = False  # the pairs are those of two result files of one session
    alone: Rounds | None = None  # the candidate without the baseline in its process
    baseline_alone: Rounds | None = None  # only when the two could not take turns


def rounds_of(processes: Sequence[ProcessSamples]) -> Rounds | None:
    """Join the samples of several processes; None when nothing was measured."""
    filled = [samples for samples in processes if samples.text_index]
    if not filled:
        return None
    sides = len(filled[0].seconds)
    numbers, process_of_round, first = [], [], 0
    for number, samples in enumerate(filled):
        count = max(samples.round) + 1
        numbers.append(np.asarray(samples.round, dtype=np.int64) + first)
        process_of_round += [number] * count
        first += count
    return Rounds(
        seconds=tuple(np.concatenate([np.asarray(s.seconds[side]) for s in filled]) for side in range(sides)),
        round=np.concatenate(numbers),
        process=np.asarray(process_of_round, dtype=np.int64),
    )


def rounds_of_stored(*samples: Samples) -> Rounds | None:
    """Turn stored samples, one or two sides over the same texts, into rounds of their processes."""
    if not samples[0].total_s:
        return None
    cluster = clusters(samples[0])
    process = np.asarray(samples[0].process or [0] * len(cluster), dtype=np.int64)
    pairs, number = np.unique(np.stack([process, cluster]), axis=1, return_inverse=True)
    return Rounds(
        seconds=tuple(np.asarray(side.total_s) for side in samples),
        round=number.reshape(-1).astype(np.int64),
        process=np.unique(pairs[0], return_inverse=True)[1].astype(np.int64),
    )
