"""A report as data: everything that is shown, before it has a format."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from edgekd.analysis.bootstrap import RESAMPLES
from edgekd.devices import load_profiles
from edgekd.errors import DataError
from edgekd.report import emulated
from edgekd.report.calibration import calibration_rows
from edgekd.report.commands import bench_command
from edgekd.report.confusion import confusions
from edgekd.report.counts import count_parts
from edgekd.report.evidence import statement
from edgekd.report.findings import row_findings
from edgekd.report.flips import flips
from edgekd.report.groups import group_results, heading_of, notes_of, slug
from edgekd.report.ladders import Ladder, choice_of, choice_words, ladders, other_decisions
from edgekd.report.lineage import lineages
from edgekd.report.method import machine_facts, method_sentences
from edgekd.report.parity import parity_rows
from edgekd.report.proofs import ProofRow, gains, proof_rows
from edgekd.report.recommend import recommend
from edgekd.report.resources import resource_parts
from edgekd.report.scenarios import Part, scenario_parts
from edgekd.report.selection import select
from edgekd.report.table import Table, build_table
from edgekd.report.texts import Texts
from edgekd.report.words import front_of, headline
from edgekd.results import Evidence

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from edgekd.analysis.findings import Finding
    from edgekd.decisions import Decision
    from edgekd.devices import DeviceProfile
    from edgekd.report.calibration import CalibrationRow
    from edgekd.report.confusion import Confusion
    from edgekd.report.flips import Flip
    from edgekd.report.lineage import Lineage
    from edgekd.report.parity import ParityRow
    from edgekd.report.recommendation import Recommendation
    from edgekd.results import BenchResult

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
    recommendation: Recommendation | None = None  # None: nothing to choose from
    lineage: list[Lineage] = field(default_factory=list)
    parity: list[ParityRow] = field(default_factory=list)
    calibrations: list[CalibrationRow] = field(default_factory=list)
    confusions: list[Confusion] = field(default_factory=list)
    flips: list[Flip] = field(default_factory=list)  # by variant, the most confident first
    texts_note: str = ""  # why flips carry no texts; empty where they do
    texts_source: str | None = None  # the user's file, where the texts come from it


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
        return [bench_command([row.result for row in s.table.rows], s.texts_source) for s in self.sections]


def _section(
    group: list[BenchResult],
    *,
    heading: str,
    name: str,
    decisions: Sequence[Decision],
    profile: DeviceProfile | None,
    is_this_machine: bool,
    texts: Texts,
    resamples: int,
) -> Section:
    table = build_table(group, resamples=resamples)
    target = group[0].target
    mine = [decision for decision in decisions if decision.target == target]
    dropped = frozenset(decision.variant for decision in mine if not decision.kept)
    evidence = {result.evidence for result in group}
    fronts = {cost: [row.name for row in front_of(table.rows, cost)] for cost in FRONT_COSTS}
    findings = row_findings(table.rows)
    recommendation = recommend(
        table,
        target=target,
        decisions=mine,
        dropped=dropped,
        budgets=profile.budgets if profile is not None else None,
        is_this_machine=is_this_machine,
        findings=findings,
    )
    names = select(table, recommendation, fronts)
    known = texts.by_hash.get(group[0].data_hash)
    found = flips(table.rows, names, table.reference, known)
    return Section(
        name=name,
        target=target,
        heading=heading,
        statement=statement(target, evidence, is_this_machine=is_this_machine),
        on_target=(is_this_machine and Evidence.EMULATED not in evidence) or evidence == {Evidence.DEVICE},
        headline=emulated.headline(group) if emulated.all_emulated(group) else headline(table, dropped, recommendation),
        table=table,
        fronts=fronts,
        gains=gains(table),
        proofs=proof_rows(table),
        decisions=mine,
        choice=choice_words(choice) if (choice := choice_of(mine)) else "",
        ladders=ladders(mine),
        other_decisions=other_decisions(mine),
        scenarios=[*scenario_parts(table.rows), *resource_parts(table.rows), *count_parts(table.rows)],
        findings=findings,
        method=emulated.method(group) if emulated.all_emulated(group) else method_sentences(group),
        machine=machine_facts(group[0].machine, group),
        notes=notes_of(group),
        recommendation=recommendation,
        lineage=lineages(table.rows, names),
        parity=parity_rows(table.rows),
        calibrations=calibration_rows(table.rows),
        confusions=confusions(table.rows, names),
        flips=found,
        texts_note=texts.note if found and known is None else "",
        texts_source=texts.sources.get(group[0].data_hash),
    )


def build_report(
    results: Sequence[BenchResult],
    *,
    decisions: Sequence[Decision] = (),
    title: str,
    run: Mapping[str, Any] | None = None,
    host_targets: Collection[str] | None = None,
    profiles: Mapping[str, DeviceProfile] | None = None,
    texts: Texts | None = None,
    resamples: int = RESAMPLES,
) -> Report:
    """Compute a report. The same results always give the same report.

    Args:
        results: what was measured; targets, machines, texts and tasks may be mixed, each combination gets a section.
        decisions: what was kept and dropped.
        title: the heading.
        run: facts about the run; ``commands`` (a list of strings) is shown under "How to reproduce".
        host_targets: targets that stand for this machine; by default as the profiles say.
        profiles: of the targets, for their budgets; the shipped ones by default.
        texts: evaluation texts, for the worst flips; None: there are none.
        resamples: of each bootstrap.

    Raises:
        DataError: when there is no result.
    """
    if not results:
        raise DataError("There is no result to report.", hint="Measure first with 'edgekd bench ... --out DIR'.")
    known = load_profiles() if profiles is None else profiles
    hosts = {name for name, one in known.items() if one.is_this_machine} if host_targets is None else host_targets
    groups = group_results(results)
    sections: list[Section] = []
    for group in groups:
        heading = heading_of(group, groups)
        sections.append(
            _section(
                group,
                heading=heading,
                name=slug(heading),
                decisions=decisions,
                profile=known.get(group[0].target),
                is_this_machine=group[0].target in hosts,
                texts=texts or Texts(),
                resamples=resamples,
            )
        )
    newest = max(results, key=lambda r: r.created_at)
    return Report(title, newest.edgekd_version, newest.created_at, sections, dict(run or {}))
