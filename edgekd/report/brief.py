"""What a short format says of a section: which rows, which columns, and what is behind the fold. Text, unescaped."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgekd.analysis.finding import Severity
from edgekd.report.evidence import LEGEND
from edgekd.report.findings import TITLE as FINDINGS_TITLE
from edgekd.report.findings import finding_lines
from edgekd.report.fit import spread
from edgekd.report.ladders import STATUS_WORDS
from edgekd.report.proofs import TITLE as GAIN_TITLE
from edgekd.results import Evidence
from edgekd.tasks import MAIN_METRIC

if TYPE_CHECKING:
    from edgekd.report.cells import Column
    from edgekd.report.model import Section
    from edgekd.report.recommendation import BudgetCheck
    from edgekd.report.table import Row

COSTS = ("speed_up", "p50_s", "p95_s", "size_bytes", "peak_rss_bytes")
FITS_WORDS = {True: "fits", False: "does NOT fit", None: "cannot tell"}
DECISIONS_TITLE = "What was tried to compress"
NO_CONTROL = "No control was trained, so the gain is unknown."
NO_DECISION = "No decision was recorded with these results."
MACHINE_FACTS = ("processor", "memory", "system", "Python", "libraries", "CPU governor")


@dataclass(frozen=True)
class Topic:
    """One thing that is told behind the fold; ``weight`` says what goes first when lines are few (the highest)."""

    title: str
    sentences: tuple[str, ...]
    weight: int


def ranked_rows(section: Section) -> list[Row]:
    """Return the rows worth a line, the most important first.

    The teacher and the recommended variant, then the students on the front of the main score against latency, spread
    over it (the fastest, the most accurate, the middle...), then those on the front against size, then other teachers
    on a front. Without any front, all rows.
    """
    by_name = {row.name: row for row in section.table.rows}
    fronts = [section.fronts.get(cost, []) for cost in ("p50_s", "size_bytes")]
    students = [[name for name in front if name in by_name and not by_name[name].is_teacher] for front in fronts]
    names = [section.table.reference.name] if section.table.reference else []
    names += [section.recommendation.variant] if section.recommendation else []
    names += [name for front in students for name in spread(front)]
    names += [name for front in fronts for name in front]
    if not any(fronts):
        names += by_name
    return [by_name[name] for name in dict.fromkeys(names) if name in by_name]


def main_columns(section: Section) -> list[Column]:
    """Return the columns of the short table: the score that decides and what it costs, as far as measured."""
    main = MAIN_METRIC[section.table.task]
    return [
        column
        for column in section.table.columns
        if column.key == main
        or (column.key in COSTS and not all(row.cells[column.key].missing for row in section.table.rows))
    ]


def check_words(check: BudgetCheck) -> str:
    """Say one budget: what was measured, what is allowed, and whether it fits."""
    why = check.note or check.evidence
    verdict = f"{FITS_WORDS[check.fits]} ({why})" if why else FITS_WORDS[check.fits]
    return f"{check.name} {check.measured.text}, limit {check.limit.text}: {verdict}"


def budget_words(section: Section) -> str:
    """Say all budgets of the recommended variant in one sentence; empty without any."""
    checks = section.recommendation.checks if section.recommendation else []
    return f"Budget: {'; '.join(check_words(check) for check in checks)}." if checks else ""


def invalid_findings(section: Section) -> list[str]:
    """Return what makes numbers of this section worthless; such a warning is never folded away."""
    return [line.sentence for line in finding_lines(section.findings) if line.severity is Severity.INVALID]


def topics(section: Section) -> list[Topic]:
    """Return what is told behind the fold, in the order of reading."""
    findings = [f"{line.severity.value}: {line.sentence}" for line in finding_lines(section.findings)]
    facts = {label: value for label, value in section.machine if label in MACHINE_FACTS}
    machine = "; ".join(f"{label} {facts[label]}" for label in MACHINE_FACTS if label in facts)
    labels = sorted({row.evidence for row in section.table.rows})
    meaning = [f"'{label}': {LEGEND[Evidence(label)]}." for label in labels]
    chosen = section.recommendation
    reasons = (*chosen.reasons, *([chosen.rule] if chosen.rule else [])) if chosen else ()
    found = [
        Topic("Why this variant", reasons, 3),
        Topic(GAIN_TITLE, tuple(section.gains) or (NO_CONTROL,), 4),
        Topic(DECISIONS_TITLE, tuple(decisions(section)), 2),
        Topic(FINDINGS_TITLE, tuple(findings), 5),
        Topic("Machine and evidence", (f"{machine}.", *meaning), 1),
    ]
    return [topic for topic in found if topic.sentences]


def decisions(section: Section) -> list[str]:
    """Say the choice, and count what became of the candidates."""
    if not section.decisions:
        return [NO_DECISION]
    tried = [decision for decision in section.decisions if not decision.is_choice and not decision.is_base]
    counts = Counter(decision.status for decision in tried)
    words = [f"{count} {STATUS_WORDS.get(status, status)}" for status, count in counts.most_common()]
    models = len({decision.model for decision in tried if decision.model})
    what = "candidate" if len(tried) == 1 else "candidates"
    of_models = f" of {models} model{'s' if models != 1 else ''}" if models else ""
    told = [f"{len(tried)} {what}{of_models}: {', '.join(words)}."] if tried else []
    best = [d for d in tried if d.status == "best"]
    reasons = [f"{d.variant}: {d.reason.rstrip('.')}." for d in best]
    return [*([section.choice] if section.choice else []), *told, *reasons]
