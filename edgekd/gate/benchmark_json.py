"""The gate over files of pytest-benchmark: every rule is judged for every test. Measures nothing.

Such files hold times only, so other metrics are refused. The two suites did not take turns, so the drift that the
gate allows for between stored results is allowed for here. A test of the baseline that the candidate lacks is
invalid: a test that was removed must not read as one that passed.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from edgekd import __version__
from edgekd.analysis.benchmark_changes import FEWEST_ROUNDS, KEEP_ROUNDS, Unknown, change_of, value_of
from edgekd.analysis.benchmark_json import is_benchmark_json, load_benchmark_json
from edgekd.analysis.benchmark_pairing import check_same_machine, check_same_setting, common_tests, labels_of
from edgekd.errors import ConfigError
from edgekd.gate.grammar import METRICS, Reference, parse_rules
from edgekd.gate.latency import NOT_IN_TURNS, UNPAIRED_DRIFT
from edgekd.gate.looks import MIN_CALLS
from edgekd.gate.outcomes import STRADDLES, blank, by_interval, overall
from edgekd.gate.records import GateReport, Outcome, SideInfo
from edgekd.results import Evidence

if TYPE_CHECKING:
    from pathlib import Path

    from edgekd.analysis.benchmark_json import BenchmarkFile, TimedTest
    from edgekd.analysis.paired import Interval
    from edgekd.gate.grammar import Rule
    from edgekd.gate.job import GateJob
    from edgekd.gate.records import RuleResult

MEDIAN = 0.5
SOURCE = "pytest-benchmark"
EXAMPLES = "Give --require 'p50<+3%' with --baseline OLD.json, or --require 'p50<20ms'."
MORE_ROUNDS = "Raise --benchmark-min-rounds or --benchmark-max-time, use a quieter machine, or choose a wider limit."
IN_TURNS = "To judge bundles, give them instead: edgekd gate BUNDLE --baseline BUNDLE measures them in turns."
GONE = "the test is in the baseline and not in the candidate"
RUN_IT = "Run the same tests, or write the baseline's file again without it."


def is_benchmark_job(job: GateJob) -> bool:
    """Tell whether the candidate is a file of pytest-benchmark."""
    return is_benchmark_json(job.candidate)


def judge_benchmarks(job: GateJob) -> GateReport:
    """Judge the tests of a file of pytest-benchmark, alone or against those of another.

    Raises:
        ConfigError: for rules about something else than latency, or that need a baseline when there is none.
        DataError: when a file is something else.
        Incomparable: when the files are of different machines or settings, or have no test in common.
        InvalidArtifact: when a file is damaged.
    """
    rules = _rules(job)
    candidate = load_benchmark_json(job.candidate)
    baseline = _baseline(job.baseline)
    notes = list(candidate.warnings)
    labels = labels_of(*([baseline] if baseline else []), candidate)
    results = []
    if baseline is None:
        pairs: list[tuple[TimedTest | None, TimedTest]] = [(None, test) for test in candidate.tests.values()]
    else:
        check_same_machine(baseline, candidate)
        pairs = [(baseline.tests[name], candidate.tests[name]) for name in common_tests(baseline, candidate)]
        results += [
            _gone(rule, labels[name]) for name in baseline.tests if name not in candidate.tests for rule in rules
        ]
        notes += [*baseline.warnings, *_new_tests(rules, labels, baseline, candidate)]
        pairs += [(None, candidate.tests[name]) for name in candidate.tests if name not in baseline.tests]
    for before, after in pairs:
        if before is not None:
            check_same_setting(before, after)
        judged = [rule for rule in rules if not (rule.needs_baseline and before is None)]
        results += [_judge(rule, labels[after.name], before, after) for rule in judged]
    return GateReport(
        edgekd_version=__version__,
        created_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        verdict=overall(results),
        report_only=job.report_only,
        candidate=_side(candidate),
        baseline=_side(baseline) if baseline else None,
        target=_common([test.facts.target for test in candidate.tests.values()]) or "unknown",
        threads=_threads(candidate),
        rules=results,
        notes=[*notes, *_of_machine(candidate)],
    )


def _rules(job: GateJob) -> list[Rule]:
    if job.self_test:
        raise ConfigError("--self-test measures a bundle against itself; the candidate is a file of pytest-benchmark.")
    given = [*job.rules, *job.file_rules]
    if not given:
        raise ConfigError(f"'{job.candidate}' is a file of pytest-benchmark, and no rule is given.", hint=EXAMPLES)
    rules = parse_rules(given)
    other = [rule.text for rule in rules if rule.metric.percentile is None]
    if other:
        times = ", ".join(name for name, metric in METRICS.items() if metric.percentile is not None)
        raise ConfigError(
            f"A file of pytest-benchmark holds times only; it cannot decide {', '.join(other)}. It can decide {times}.",
            hint="Give the bundle for the other rules: edgekd gate BUNDLE.",
        )
    needy = [rule.text for rule in rules if rule.needs_baseline]
    if needy and job.baseline is None:
        raise ConfigError(
            f"These rules compare with a baseline, and none is given: {', '.join(needy)}.",
            hint="Give --baseline OLD.json, or absolute rules such as --require 'p50<20ms'.",
        )
    return rules


def _baseline(path: Path | None) -> BenchmarkFile | None:
    if path is None:
        return None
    if path.is_dir():
        raise ConfigError(
            f"The candidate is a file of pytest-benchmark; the baseline must be one too, and '{path}' is a folder.",
            hint=IN_TURNS,
        )
    return load_benchmark_json(path)


def _gone(rule: Rule, name: str) -> RuleResult:
    update = {"rule": f"{name}: {rule.text}", "problem": GONE, "advice": RUN_IT}
    return blank(rule, Evidence.HOST).model_copy(update=update)


def _new_tests(
    rules: list[Rule], labels: dict[str, str], baseline: BenchmarkFile, candidate: BenchmarkFile
) -> list[str]:
    new = [name for name in candidate.tests if name not in baseline.tests]
    relative = [rule.text for rule in rules if rule.needs_baseline]
    if not new or not relative:
        return []
    listed = ", ".join(labels[name] for name in new)
    return [f"Not in the baseline, so not judged by {', '.join(relative)}: {listed}."]


def _judge(rule: Rule, label: str, before: TimedTest | None, after: TimedTest) -> RuleResult:
    """Decide one rule for one test."""
    q = rule.metric.percentile
    assert q is not None
    evidence = _evidence(after)
    empty = blank(rule, evidence).model_copy(update={"rule": f"{label}: {rule.text}"})
    if evidence is Evidence.EMULATED:
        return empty.model_copy(
            update={"problem": "an emulator shows no time", "advice": "Run the tests on a machine."}
        )
    found = _interval(rule, before, after, q)
    if isinstance(found, Unknown):
        return empty.model_copy(update={"problem": found.problem, "advice": found.advice})
    sides = [value_of(test, q) for test in (before, after) if test is not None]
    values = [side.value for side in sides if not isinstance(side, Unknown)]
    outcome, problem, advice = by_interval(rule, found.low, found.high), "", ""
    relative = rule.reference is not Reference.ABSOLUTE
    needed = FEWEST_ROUNDS if q == MEDIAN else MIN_CALLS[q]
    if found.n < needed:
        outcome, problem, advice = Outcome.UNDECIDED, f"too few rounds: {found.n}, needs {needed}", MORE_ROUNDS
    elif outcome is Outcome.UNDECIDED:
        problem = f"{STRADDLES}; {NOT_IN_TURNS}" if relative else STRADDLES
        advice = IN_TURNS if relative else MORE_ROUNDS
    elif outcome is Outcome.FAIL and relative:
        advice = IN_TURNS
    return empty.model_copy(
        update={
            "outcome": outcome,
            "baseline": values[0] if before is not None else None,
            "candidate": values[-1],
            "value": found.value,
            "low": found.low,
            "high": found.high,
            "confidence": found.confidence,
            "count": found.n,
            "method": _method(before, after),
            "problem": problem,
            "advice": advice,
        }
    )


def _interval(rule: Rule, before: TimedTest | None, after: TimedTest, q: float) -> Interval | Unknown:
    if rule.reference is Reference.ABSOLUTE or before is None:
        return value_of(after, q)
    relative = rule.reference is Reference.PERCENT
    return change_of(before, after, q, drift=UNPAIRED_DRIFT, relative=relative)


def _method(before: TimedTest | None, after: TimedTest) -> str:
    tests = [test for test in (before, after) if test is not None]
    how = "bootstrap over stretches of rounds"
    if any(test.seconds is None for test in tests):
        how = "approximate, from median, interquartile range and number of rounds"
    return how if before is None else f"not in turns; {how}, widened for drift"


def _evidence(test: TimedTest) -> Evidence:
    """Return what a test says of itself; a time is of the machine it was taken on unless it says less."""
    known = {evidence.value: evidence for evidence in Evidence}
    return known.get(test.facts.evidence, Evidence.HOST)


def _common(values: list[str]) -> str:
    return values[0] if len(set(values)) == 1 else ""


def _side(file: BenchmarkFile) -> SideInfo:
    tests = list(file.tests.values())
    return SideInfo(
        path=str(file.path),
        name=_common([test.facts.variant for test in tests]) or file.path.name,
        source=SOURCE,
        artifact_hash=_common([test.facts.artifact_hash for test in tests]),
    )


def _threads(file: BenchmarkFile) -> int | None:
    """Return the number of threads; None where the tests do not agree or do not say it."""
    known = {test.facts.threads for test in file.tests.values()}
    return known.pop() if len(known) == 1 else None


def _of_machine(file: BenchmarkFile) -> list[str]:
    where = ", ".join(f"{name} {value}" for name, value in file.machine.items())
    lines = [f"Timed by pytest-benchmark {file.version} on {where or 'an unknown machine'}."]
    if any(test.seconds is None for test in file.tests.values()):
        lines.append(f"The file has no times of single rounds. {KEEP_ROUNDS}")
    return lines
