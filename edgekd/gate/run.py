"""The order of a gate: correctness, instructions, fresh processes, time in turns, and then the verdict."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from edgekd.artifacts import write_text_atomic
from edgekd.bench.affinity import choose_cpus
from edgekd.errors import EXIT_INVALID, ConfigError, EdgekdError
from edgekd.gate.account import AGAIN, NOT_DECIDED, Raw, report_of, report_of_problem, run_of
from edgekd.gate.benchmark_json import is_benchmark_job, judge_benchmarks
from edgekd.gate.correctness import compare_answers
from edgekd.gate.fresh import PROCESSES
from edgekd.gate.instructions import count_instructions
from edgekd.gate.job import is_fresh
from edgekd.gate.lab import Lab
from edgekd.gate.self_test import judge_self_test
from edgekd.gate.setup import prepare
from edgekd.gate.timing import measure_latency
from edgekd.gate.verdict import decide
from edgekd.progress import Silent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edgekd.gate.evidence import Comparison, Facts
    from edgekd.gate.job import GateJob
    from edgekd.gate.records import Fresh, GateReport, GateRun, ProcessSamples
    from edgekd.gate.setup import Setup
    from edgekd.progress import Progress

    Keep = Callable[[GateReport], None]
    Plan = Callable[[Keep], GateReport]

T = TypeVar("T")


def run_gate(job: GateJob, progress: Progress | None = None) -> GateReport:
    """Measure what the rules of one target need and decide them.

    Raises:
        ConfigError: for wrong options.
        DataError: for texts that cannot be used.
        Incomparable: when a stored result does not fit the other side.
        InvalidArtifact: for a damaged bundle or one that does not run.
    """
    with tempfile.TemporaryDirectory(prefix="edgekd-gate-") as folder:
        return _plan(job, Path(folder), progress or Silent())(lambda report: None)


def run_gates(jobs: Sequence[GateJob], progress: Progress | None = None, out: Path | None = None) -> GateRun:
    """Judge targets one after another.

    All are checked before the first is measured. One that cannot be judged does not stop the others: its report is
    invalid and says why.

    Args:
        jobs: at least one.
        progress: hears of every step.
        out: JSON file of the run. It is written again whenever something was measured, and invalid until all is judged:
            a run that ends early neither loses its samples nor reads as a pass.

    Raises:
        ConfigError: for wrong options of any target.
        DataError: for texts that cannot be used.
    """
    progress = progress or Silent()
    reports = [report_of_problem(job, NOT_DECIDED, AGAIN) for job in jobs]

    def keep(number: int, report: GateReport) -> None:
        reports[number] = report
        if out is not None:
            write_text_atomic(out, run_of(reports).model_dump_json() + "\n")

    def attempt(number: int, action: Callable[[], T]) -> T | None:
        try:
            return action()
        except EdgekdError as error:
            if error.exit_code == EXIT_INVALID:  # what was measured before stays
                why = {"problem": error.message, "advice": error.hint or ""}
                keep(number, reports[number].model_copy(update=why))
                return None
            if len(jobs) == 1:
                raise
            raise ConfigError(f"{_called(jobs[number])}: {error.message}", hint=error.hint) from error

    with ExitStack() as stack:
        folders = [Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="edgekd-gate-"))) for _ in jobs]
        plans = [attempt(number, partial(_plan, job, folders[number], progress)) for number, job in enumerate(jobs)]
        for number, plan in enumerate(plans):
            if len(jobs) > 1:
                progress.say(f"Gate {number + 1} of {len(jobs)}: {_called(jobs[number])}")
            if plan is None:
                continue
            keep(number, reports[number])
            judged = attempt(number, partial(plan, partial(keep, number)))
            if judged is not None:
                keep(number, judged)
    return run_of(reports)


def _called(job: GateJob) -> str:
    return f"{job.candidate} for {job.target}" if job.target else str(job.candidate)


def _plan(job: GateJob, folder: Path, progress: Progress) -> Plan:
    """Check a job and return what judges it."""
    if is_benchmark_job(job):
        return lambda keep: judge_benchmarks(job)
    return partial(_judge, prepare(job, folder), progress)


def _judge(setup: Setup, progress: Progress, keep: Keep) -> GateReport:
    lab = Lab(
        threads=setup.threads,
        affinity=choose_cpus(setup.threads),
        texts=setup.texts.examples.texts if setup.texts else [],
        warm_up=setup.texts.warm_up if setup.texts else [],
        seed=setup.job.seed,
    )
    raw = Raw()
    comparison = replace(compare_answers(setup, lab, progress), margin=setup.job.margin)
    comparison = count_instructions(setup, lab, comparison, progress)
    comparison = _start_afresh(setup, lab, comparison, raw, progress)

    def measured(name: str, samples: Sequence[ProcessSamples]) -> None:
        setattr(raw, name, list(samples))
        keep(report_of(setup, lab, comparison, raw, None))

    keep(report_of(setup, lab, comparison, raw, None))
    comparison = measure_latency(setup, lab, comparison, progress, measured)
    results = [decide(rule, comparison) for rule in setup.rules]
    if setup.job.self_test:
        results = [judge_self_test(result) for result in results]
    return report_of(setup, lab, comparison, raw, results)


def _start_afresh(setup: Setup, lab: Lab, comparison: Comparison, raw: Raw, progress: Progress) -> Comparison:
    """Start each bundle several times, alternating, when a rule is about load time or peak memory."""
    sides = [(raw.candidate_fresh, setup.candidate), (raw.baseline_fresh, setup.baseline)]
    bundles = [(found, side.bundle) for found, side in sides if side is not None and side.bundle is not None]
    if not bundles or not any(is_fresh(rule) for rule in setup.rules):
        return comparison
    progress.start("load time and memory", PROCESSES)
    for number in range(PROCESSES):
        for found, bundle in bundles if number % 2 else bundles[::-1]:
            found.append(lab.fresh(bundle))
        progress.update(number + 1)
    progress.finish()
    baseline = comparison.baseline
    return replace(
        comparison,
        candidate=_with_fresh(comparison.candidate, raw.candidate_fresh),
        baseline=_with_fresh(baseline, raw.baseline_fresh) if baseline else None,
    )


def _with_fresh(facts: Facts, found: Sequence[Fresh]) -> Facts:
    if not found:
        return facts
    return replace(
        facts,
        load_times_s=tuple(fresh.load_time_s for fresh in found),
        peak_rss_bytes=tuple(fresh.peak_rss_bytes for fresh in found),
    )
