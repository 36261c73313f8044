"""A report as data: everything that is shown, before it has a format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgekd.analysis.bootstrap import RESAMPLES
from edgekd.errors import DataError
from edgekd.report import emulated
from edgekd.report.counts import count_parts
from edgekd.report.evidence import statement
from edgekd.report.findings import row_findings
from edgekd.report.ladders import Ladder, choice_of, choice_words, ladders, other_decisions
from edgekd.report.method import machine_facts, method_sentences
from edgekd.report.proofs import ProofRow, gains, proof_rows
from edgekd.report.resources import resource_parts
from edgekd.report.scenarios import Part, scenario_parts
from edgekd.report.table import Table, build_table
from edgekd.report.words import front_of, headline
from edgekd.results import Evidence

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from edgekd.analysis.findings import Finding
    from edgekd.decisions import Decision
    from edgekd.results import BenchResult, Machine

FRONT_COSTS = {"p50_s": "latency", "size_bytes": "size"}


@dataclass(frozen=True)
class Section:
    """One target on one machine with one task and set of texts."""

    name: str  # unique within the report, fit for a file name
    target: str
    heading: str
    statement: str  # where the numbers come from
    on_target: bool  # False when a reader could take the numbers for those of another device
    headline: list[str]
    table: Table
    fronts: dict[str, list[str]]  # cost column -> names of the rows on the front, cheapest first
    gains: list[str]  # did the teacher help? a sentence or more for each student
    proofs: list[ProofRow]
    decisions: list[Decision]  # all of them
    choice: str  # among all models: which variant and why; empty when none was recorded
    ladders: list[Ladder]
    other_decisions: list[Decision]  # those in no ladder
    scenarios: list[Part]  # besides single texts, as far as they were measured
    findings: dict[str, list[Finding]]  # what speaks against the numbers of each row
    method: list[str]
    machine: list[tuple[str, str]]
    notes: list[str]


@dataclass(frozen=True)
class Report:
    """All sections, and how the run was made."""

    title: str
    edgekd_version: str
    measured_at: str  # of the newest result
    sections: list[Section]
    run: dict[str, Any]

    @property
    def commands(self) -> list[str]:
        """Commands that reproduce the run; from ``run["commands"]``, or rebuilt from the results."""
        given = self.run.get("commands")
        if isinstance(given, list):
            return [str(command) for command in given]
        return [_bench_command(section) for section in self.sections]


def _bench_command(section: Section) -> str:
    import shlex

    bundles = [row.result.artifact for row in section.table.rows if row.result.backend != "torch"]
    return shlex.join(["edgekd", "bench", *bundles, "--target", section.target])


def _slug(text: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "-" for c in text).strip("-") or "target"


def _host_targets() -> set[str]:
    from edgekd.devices import load_profiles

    return {profile.name for profile in load_profiles().values() if profile.is_this_machine}


def _groups(results: Sequence[BenchResult]) -> list[list[BenchResult]]:
    """Group results that may stand in one table: same target, machine, board, threads, texts and task.

    Two boards of a kind have the same fingerprint, and are two all the same.
    """
    groups: dict[tuple[str, str, str, int, str, str], list[BenchResult]] = {}
    for result in results:
        task = result.quality.task.value
        board = result.board or ""
        key = (result.target, result.machine.fingerprint, board, result.threads, result.data_hash, task)
        groups.setdefault(key, []).append(result)
    return list(groups.values())


def _heading(group: Sequence[BenchResult], groups: Sequence[Sequence[BenchResult]]) -> str:
    """Name the target, and what sets this group apart from others of the same target."""
    first: BenchResult = group[0]
    others = [g[0] for g in groups if g[0].target == first.target]
    parts = [first.target]
    machines: set[str] = {other.machine.fingerprint for other in others}
    if len({other.data_hash for other in others}) > 1:
        parts.append(f"{first.data_name} ({first.data_hash[:8]})")
    if len(machines) > 1:
        parts.append(_machine_name(first.machine))
    elif first.board is not None and len({other.board for other in others}) > 1:
        parts.append(first.board)
    if len({other.quality.task for other in others}) > 1:
        parts.append(first.quality.task.value)
    if len({other.threads for other in others}) > 1:
        parts.append(f"{first.threads} threads")
    return ", ".join(parts)


def _machine_name(machine: Machine) -> str:
    return f"{machine.cpu_model} ({machine.fingerprint[:8]})"


def _section(
    group: list[BenchResult],
    *,
    heading: str,
    name: str,
    decisions: Sequence[Decision],
    host_targets: Collection[str],
    resamples: int,
) -> Section:
    table = build_table(group, resamples=resamples)
    target = group[0].target
    mine = [decision for decision in decisions if decision.target == target]
    dropped = frozenset(decision.variant for decision in mine if not decision.kept)
    evidence = {result.evidence for result in group}
    is_this_machine = target in host_targets
    notes = _notes(group)
    return Section(
        name=name,
        target=target,
        heading=heading,
        statement=statement(target, evidence, is_this_machine=is_this_machine),
        on_target=(is_this_machine and Evidence.EMULATED not in evidence) or evidence == {Evidence.DEVICE},
        headline=emulated.headline(group) if emulated.all_emulated(group) else headline(table, dropped),
        table=table,
        fronts={cost: [row.name for row in front_of(table.rows, cost)] for cost in FRONT_COSTS},
        gains=gains(table),
        proofs=proof_rows(table),
        decisions=mine,
        choice=choice_words(choice) if (choice := choice_of(mine)) else "",
        ladders=ladders(mine),
        other_decisions=other_decisions(mine),
        scenarios=[*scenario_parts(table.rows), *resource_parts(table.rows), *count_parts(table.rows)],
        findings=row_findings(table.rows),
        method=emulated.method(group) if emulated.all_emulated(group) else method_sentences(group),
        machine=machine_facts(group[0].machine, group),
        notes=notes,
    )


def _notes(group: Sequence[BenchResult]) -> list[str]:
    """Return each note once, after the variants it is about; a note about all of them stands alone."""
    about: dict[str, list[str]] = {}
    for result in group:
        for note in result.notes:
            about.setdefault(note, []).append(result.variant)
    return [
        note if len(variants) == len(group) else f"{', '.join(variants)}: {note}" for note, variants in about.items()
    ]


def build_report(
    results: Sequence[BenchResult],
    *,
    decisions: Sequence[Decision] = (),
    title: str,
    run: Mapping[str, Any] | None = None,
    host_targets: Collection[str] | None = None,
    resamples: int = RESAMPLES,
) -> Report:
    """Compute a report. The same results always give the same report.

    Args:
        results: what was measured; targets, machines, texts and tasks may be mixed, each combination gets a section.
        decisions: what was kept and dropped.
        title: the heading.
        run: facts about the run; ``commands`` (a list of strings) is shown under "How to reproduce".
        host_targets: targets that stand for this machine; those of the shipped profiles by default.
        resamples: of each bootstrap.

    Raises:
        DataError: when there is no result.
    """
    if not results:
        raise DataError("There is no result to report.", hint="Measure first with 'edgekd bench ... --out DIR'.")
    hosts = _host_targets() if host_targets is None else host_targets
    groups = _groups(results)
    sections: list[Section] = []
    for group in groups:
        heading = _heading(group, groups)
        sections.append(
            _section(
                group,
                heading=heading,
                name=_slug(heading),
                decisions=decisions,
                host_targets=hosts,
                resamples=resamples,
            )
        )
    newest = max(results, key=lambda r: r.created_at)
    return Report(title, newest.edgekd_version, newest.created_at, sections, dict(run or {}))
