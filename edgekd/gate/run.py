"""The order of a gate: correctness first, then fresh processes, then time in turns, then the verdict."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from edgekd import __version__
from edgekd.analysis.agreement import agreement
from edgekd.analysis.sums import text_sums
from edgekd.bench.affinity import choose_cpus
from edgekd.gate.correctness import compare_answers
from edgekd.gate.fresh import PROCESSES
from edgekd.gate.job import is_fresh
from edgekd.gate.lab import Lab
from edgekd.gate.outcomes import overall
from edgekd.gate.records import GateReport, SideInfo
from edgekd.gate.self_test import judge_self_test
from edgekd.gate.setup import prepare
from edgekd.gate.timing import measure_latency
from edgekd.gate.verdict import decide
from edgekd.progress import Silent
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.data.types import Target
    from edgekd.gate.evidence import Comparison, Facts
    from edgekd.gate.job import GateJob
    from edgekd.gate.records import Fresh, ProcessSamples, RuleResult
    from edgekd.gate.setup import Setup
    from edgekd.gate.sides import Side
    from edgekd.progress import Progress
    from edgekd.tasks import Task


def run_gate(job: GateJob, progress: Progress | None = None) -> GateReport:
    """Measure what the rules need and decide them.

    Raises:
        ConfigError: for wrong options.
        DataError: for texts that cannot be used.
        Incomparable: when a stored result does not fit the other side.
        InvalidArtifact: for a damaged bundle or one that does not run.
    """
    progress = progress or Silent()
    setup = prepare(job)
    lab = Lab(
        threads=setup.threads,
        affinity=choose_cpus(setup.threads),
        texts=setup.texts.examples.texts if setup.texts else [],
        warm_up=setup.texts.warm_up if setup.texts else [],
        seed=job.seed,
    )
    comparison = compare_answers(setup, lab, progress)
    comparison, fresh = _start_afresh(setup, lab, comparison, progress)
    comparison, raw = measure_latency(setup, lab, comparison, progress)
    results = [decide(rule, comparison) for rule in setup.rules]
    if job.self_test:
        results = [judge_self_test(result) for result in results]
    return _report(setup, lab, comparison, results, fresh, raw)


def _start_afresh(
    setup: Setup, lab: Lab, comparison: Comparison, progress: Progress
) -> tuple[Comparison, dict[str, list[Fresh]]]:
    """Start each bundle several times, alternating, when a rule is about load time or peak memory."""
    found: dict[str, list[Fresh]] = {}
    if not any(is_fresh(rule) for rule in setup.rules):
        return comparison, found
    sides = [("candidate", setup.candidate), ("baseline", setup.baseline)]
    bundles = [(name, side.bundle) for name, side in sides if side is not None and side.bundle is not None]
    progress.start("load time and memory", PROCESSES)
    for number in range(PROCESSES):
        for name, bundle in bundles if number % 2 else bundles[::-1]:
            found.setdefault(name, []).append(lab.fresh(bundle))
        progress.update(number + 1)
    progress.finish()
    baseline = comparison.baseline
    return replace(
        comparison,
        candidate=_with_fresh(comparison.candidate, found.get("candidate")),
        baseline=_with_fresh(baseline, found.get("baseline")) if baseline else None,
    ), found


def _with_fresh(facts: Facts, found: Sequence[Fresh] | None) -> Facts:
    if not found:
        return facts
    return replace(
        facts,
        load_times_s=tuple(fresh.load_time_s for fresh in found),
        peak_rss_bytes=tuple(fresh.peak_rss_bytes for fresh in found),
    )


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


def _report(
    setup: Setup,
    lab: Lab,
    comparison: Comparison,
    results: list[RuleResult],
    fresh: dict[str, list[Fresh]],
    raw: dict[str, list[ProcessSamples]],
) -> GateReport:
    after = comparison.candidate.predictions
    before = comparison.baseline.predictions if comparison.baseline else None
    stored = setup.candidate.result or (setup.baseline.result if setup.baseline else None)
    measured_now = setup.texts is not None
    baseline = None
    if setup.baseline is not None and comparison.baseline is not None:
        baseline = _side_info(setup.baseline, comparison.baseline, comparison)
    return GateReport(
        edgekd_version=__version__,
        created_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        verdict=overall(results),
        self_test=setup.job.self_test,
        default_rules=not setup.job.rules,
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
        rules=results,
        notes=setup.notes,
        machine=stored.machine if stored and not measured_now else setup.machine,
        candidate_predictions=list(after or ()),
        baseline_predictions=list(before or ()),
        paired=raw.get("paired", []),
        alone=raw.get("alone", []),
        baseline_alone=raw.get("baseline_alone", []),
        candidate_fresh=fresh.get("candidate", []),
        baseline_fresh=fresh.get("baseline", []),
    )
