"""A report as CSV, for spreadsheets: raw values in seconds, bytes and shares; empty where a number is unknown."""

from __future__ import annotations

import csv
import io
import math
from statistics import fmean
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgekd.decisions import Confirmation, Decision
    from edgekd.proof import Proof
    from edgekd.report.cells import Cell
    from edgekd.report.model import Report, Section
    from edgekd.report.table import Row

PROOF_FACTS = (
    *("kd_seeds", "kd_student_mean", "kd_control_mean", "kd_transfer_control_mean"),
    *("kd_more_data", "kd_more_data_low", "kd_more_data_high"),
    *("kd_softer_targets", "kd_softer_targets_low", "kd_softer_targets_high", "kd_verdict"),
)
DECISION_FACTS = (
    *("target", "model", "variant", "base", "status", "kept", "evidence", "texts", "size_bytes", "base_size_bytes"),
    *("p50_s", "p95_s", "peak_rss_bytes", "metric", "score", "proven", "why", "reason"),
)
FACTS = ("target", "variant", "role", "kind", "precision", "backend", "evidence")
CHOICE_FACTS = ("recommended", "fits_budget", "front")  # front: the costs for which no variant is better in both


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def to_csv(report: Report) -> str:
    """Return one line per variant: facts, then value, low and high of every column, then the proof of its student.

    A report of several tasks has the columns of all of them; those of another task are empty.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    keys = list(dict.fromkeys(column.key for section in report.sections for column in section.table.columns))
    spread = [name for key in keys for name in (key, f"{key}_low", f"{key}_high")]
    tail_names = ("samples", "texts", "data", "machine", "session", "task", *CHOICE_FACTS)
    writer.writerow([*FACTS, *spread, *PROOF_FACTS, *tail_names])
    for section in report.sections:
        for row in section.table.rows:
            r = row.result
            facts = [
                r.target,
                row.name,
                r.role.value,
                r.kind,
                r.precision,
                r.backend,
                row.evidence,
            ]
            numbers = [
                "" if (shown := _finite(value)) is None else shown
                for key in keys
                for value in _values(row.cells.get(key))
            ]
            texts = len(r.quality.targets)
            task = r.quality.task.value
            tail = [row.summary.samples, texts, r.data_name, r.machine.fingerprint, r.session, task]
            tail += _choice(section, row)
            writer.writerow([*facts, *numbers, *_proof_facts(r.proof), *tail])
    return out.getvalue()


def _choice(section: Section, row: Row) -> list[Any]:
    """Return whether the row is the recommended one and fits the budget (of that one only), and its fronts."""
    found = section.recommendation
    recommended = found is not None and found.variant == row.name
    fits = _known(found.fits) if found is not None and recommended and found.checks else ""
    return [recommended, fits, " ".join(cost for cost, names in section.fronts.items() if row.name in names)]


def to_decisions_csv(report: Report) -> str:
    """Return one line per decision: what was tried, its numbers, and why it was kept or dropped."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    spans = [f"{prefix}{name}" for prefix in ("", "test_") for name in ("latency_ratio", "score_change")]
    spread = [column for name in spans for column in (name, f"{name}_low", f"{name}_high")]
    writer.writerow([*DECISION_FACTS, "steps", "size_ratio", *spread, "confirmed"])
    for section in report.sections:
        for decision in section.decisions:
            facts = [_known(getattr(decision, name)) for name in DECISION_FACTS]
            sides = (decision, decision.test)
            numbers = [
                value for side in sides for value in (*_span(side, "latency_ratio"), *_span(side, "score_change"))
            ]
            confirmed = decision.test.confirmed if decision.test else None
            steps = " ".join(decision.steps)
            writer.writerow([*facts, steps, _known(decision.size_ratio), *numbers, _known(confirmed)])
    return out.getvalue()


def _span(side: Decision | Confirmation | None, name: str) -> tuple[Any, Any, Any]:
    found = getattr(side, name, None)
    return ("", "", "") if found is None else (found.value, _known(found.low), _known(found.high))


def _known(value: Any) -> Any:
    return "" if value is None else value


def _values(cell: Cell | None) -> tuple[float | None, float | None, float | None]:
    return (None, None, None) if cell is None else (cell.value, cell.low, cell.high)


def _proof_facts(proof: Proof | None) -> list[str | float]:
    """Return the values of :data:`PROOF_FACTS`; empty strings for what is unknown."""
    if proof is None:
        return [""] * len(PROOF_FACTS)
    arms = [fmean(scores) if scores else "" for scores in (proof.student, proof.control, proof.transfer_control)]
    gains = [
        value
        for gain in (proof.more_data, proof.softer_targets)
        for value in ((gain.value, gain.low, gain.high) if gain else ("", "", ""))
    ]
    return [len(proof.seeds), *arms, *gains, proof.verdict.value]
