"""From what was asked, measured and decided to the record of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from edgekd import __version__
from edgekd.analysis.agreement import agreement
from edgekd.analysis.sums import text_sums
from edgekd.gate.outcomes import overall, worst
from edgekd.gate.records import GateReport, GateRun, Outcome, SideInfo
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edgekd.data.types import Target
    from edgekd.gate.evidence import Comparison, Facts
    from edgekd.gate.job import GateJob
    from edgekd.gate.lab import Lab
    from edgekd.gate.records import Fresh, ProcessSamples, RuleResult
    from edgekd.gate.setup import Setup
    from edgekd.gate.sides import Side
    from edgekd.tasks import Task

NOT_DECIDED = "the run ended before this was judged"
AGAIN = "Run the gate again."


@dataclass
class Raw:
    """What was measured so far, by the names of the fields of a report."""

    paired: list[ProcessSamples] = field(default_factory=list)
    alone: list[ProcessSamples] = field(default_factory=list)
    baseline_alone: list[ProcessSamples] = field(default_factory=list)
    candidate_fresh: list[Fresh] = field(default_factory=list)
    baseline_fresh: list[Fresh] = field(default_factory=list)


def now() -> str:
    """Return the time as ISO 8601 in UTC."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def report_of(
    setup: Setup, lab: Lab, comparison: Comparison, raw: Raw, results: Sequence[RuleResult] | None
) -> GateReport:
    """Write the report of a target; without results it is invalid, because nothing was judged yet."""
    after = comparison.candidate.predictions
    before = comparison.baseline.predictions if comparison.baseline else None
    stored = setup.candidate.result or (setup.baseline.result if setup.baseline else None)
    measured_now = setup.texts is not None
    baseline = None
    if setup.baseline is not None and comparison.baseline is not None:
        baseline = _side_info(setup.baseline, comparison.baseline, comparison)
    return GateReport(
        created_at=now(),
        edgekd_version=__version__,
        verdict=Outcome.INVALID if results is None else overall(results),
        problem=NOT_DECIDED if results is None else "",
        advice=AGAIN if results is None else "",
        self_test=setup.job.self_test,
        report_only=setup.job.report_only,
        candidate=_side_info(setup.candidate, comparison.candidate, comparison),
        baseline=baseline,
        target=setup.profile.name,
        threads=setup.threads,
        affinity=lab.affinity if measured_now else [],
        data_name=setup.texts.name if setup.texts else (stored.data_name if stored else ""),
        data_hash=setup.texts.examples.hash() if setup.texts else (stored.data_hash if stored else ""),
        texts=len(comparison.targets),
        task=comparison.task.kind,
        labels=list(comparison.task.labels),
        agreement=_agreement(comparison.task, before, after),
        rules=list(results or ()),
        notes=setup.notes,
        machine=stored.machine if stored and not measured_now else setup.machine,
        candidate_predictions=list(after or ()),
        baseline_predictions=list(before or ()),
        paired=raw.paired,
        alone=raw.alone,
        baseline_alone=raw.baseline_alone,
        candidate_fresh=raw.candidate_fresh,
        baseline_fresh=raw.baseline_fresh,
    )


def report_of_problem(job: GateJob, problem: str, advice: str) -> GateReport:
    """Write the report of a target that was not judged at all."""
    return GateReport(
        created_at=now(),
        edgekd_version=__version__,
        verdict=Outcome.INVALID,
        problem=problem,
        advice=advice,
        self_test=job.self_test,
        report_only=job.report_only,
        candidate=_unopened(job.candidate),
        baseline=_unopened(job.baseline) if job.baseline else None,
        target=job.target or "",
        threads=None,
    )


def run_of(reports: Sequence[GateReport]) -> GateRun:
    """Join the reports of the targets; the verdict is the worst of theirs."""
    return GateRun(
        edgekd_version=__version__,
        created_at=now(),
        verdict=worst(report.verdict for report in reports),
        report_only=any(report.report_only for report in reports),
        gates=list(reports),
    )


def _unopened(path: Path) -> SideInfo:
    return SideInfo(path=str(path), name=path.name)


def _side_info(side: Side, facts: Facts, comparison: Comparison) -> SideInfo:
    task, targets = comparison.task, comparison.targets
    score = correct = None
    if facts.predictions and targets:
        score = text_sums(task, targets, facts.predictions).value()
        if task.kind is TaskKind.SINGLE_LABEL:
            correct = sum(p == t for p, t in zip(facts.predictions, targets, strict=True))
    return SideInfo(
        path=str(side.path),
        name=side.name,
        source="bundle" if side.bundle else "result",
        artifact_hash=side.artifact_hash,
        size_bytes=side.size_bytes,
        correct=correct,
        accuracy=None if correct is None else correct / len(targets),
        score=score,
    )


def _agreement(task: Task, before: Sequence[Target] | None, after: Sequence[Target] | None) -> float | None:
    """Return the share of equal answers; a regression has no answers that could be counted as equal."""
    if not before or not after or task.kind is TaskKind.REGRESSION:
        return None
    return agreement(task, before, after).value
