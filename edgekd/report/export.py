"""A report for machines: JSON and CSV with raw values in seconds, bytes and shares.

JSON keys, schema version 1:
    ``schema_version``, ``title``, ``edgekd_version``, ``measured_at``, ``run``, ``commands``, ``sections``.
    A section is one target on one machine with one task and set of texts: ``target``, ``task``, ``main_metric`` (the
    score that decides), ``heading``, ``statement``, ``headline``, ``reference`` (the row that speed-ups refer to),
    ``fronts`` (cost -> names on the Pareto front, cheapest first), ``gains`` (sentences), ``proofs`` (student ->
    scores of its arms by seed, gains, verdict, words), ``decisions``, ``choice`` (a sentence, or empty), ``method``,
    ``machine``, ``notes``, ``findings`` (row -> what speaks against its numbers: ``name``, ``severity``, ``measured``,
    ``wanted``, ``advice``), ``scenarios`` (by name: title, method, rows with values by heading, sentences), ``rows``.
    A decision: the fields of :class:`edgekd.decisions.Decision`, seconds, bytes, shares; a ``null`` was not measured.
    A row: ``name``, ``variant``, ``role``, ``kind``, ``precision``, ``backend``, ``evidence``, ``session``,
    ``artifact``, ``artifact_hash``, ``metrics`` (the columns of the task), ``scores`` (all scores of the task, see
    docs/metrics.md), ``fidelity`` (against the teacher), ``estimates`` (latencies that were computed, not measured).
    A metric: ``value``, ``low``, ``high`` (95 % interval), ``n`` (observations), ``text`` (as shown),
    ``missing`` (why there is no value).

A number that is unknown is ``null`` in JSON and empty in CSV, never NaN.
"""

from __future__ import annotations

import csv
import io
import math
from dataclasses import asdict
from statistics import fmean
from typing import TYPE_CHECKING, Any

from edgekd.report.scenario_text import to_json_part
from edgekd.results import Evidence
from edgekd.tasks import MAIN_METRIC

if TYPE_CHECKING:
    from edgekd.decisions import Confirmation, Decision
    from edgekd.proof import Proof
    from edgekd.report.cells import Cell
    from edgekd.report.model import Report, Section
    from edgekd.report.table import Row

SCHEMA_VERSION = 1
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


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _metric(cell: Cell) -> dict[str, Any]:
    return {
        "value": _finite(cell.value),
        "low": _finite(cell.low),
        "high": _finite(cell.high),
        "n": cell.n,
        "text": cell.text,
        "missing": cell.missing or None,
    }


def _row(row: Row) -> dict[str, Any]:
    result = row.result
    return {
        "name": row.name,
        "variant": result.variant,
        "role": result.role.value,
        "kind": result.kind,
        "precision": result.precision,
        "backend": result.backend,
        "evidence": row.evidence,
        "session": result.session,
        "artifact": result.artifact,
        "artifact_hash": result.artifact_hash,
        "metrics": {key: _metric(cell) for key, cell in row.cells.items()},
        "scores": {name: _finite(value) for name, value in row.summary.scores.items()},
        "fidelity": {name: _finite(value) for name, value in row.summary.fidelity.items()},
        "estimates": [
            {**estimate.model_dump(mode="json"), "evidence": Evidence.ESTIMATED.value} for estimate in result.estimates
        ],
    }


def _section(section: Section) -> dict[str, Any]:
    reference = section.table.reference
    return {
        "target": section.target,
        "task": section.table.task.value,
        "main_metric": MAIN_METRIC[section.table.task],
        "heading": section.heading,
        "statement": section.statement,
        "headline": section.headline,
        "reference": reference.name if reference else None,
        "fronts": section.fronts,
        "gains": section.gains,
        "proofs": {row.name: row.proof.model_dump(mode="json") for row in section.proofs},
        "decisions": [decision.model_dump(mode="json") for decision in section.decisions],
        "choice": section.choice,
        "method": section.method,
        "machine": dict(section.machine),
        "notes": section.notes,
        "findings": {name: [asdict(finding) for finding in found] for name, found in section.findings.items()},
        "scenarios": {part.key: to_json_part(part, _metric) for part in section.scenarios},
        "rows": [_row(row) for row in section.table.rows],
    }


def to_json_value(report: Report) -> dict[str, Any]:
    """Return the report as a JSON-able value; the keys are described at the top of this module."""
    return {
        "schema_version": SCHEMA_VERSION,
        "title": report.title,
        "edgekd_version": report.edgekd_version,
        "measured_at": report.measured_at,
        "run": report.run,
        "commands": report.commands,
        "sections": [_section(section) for section in report.sections],
    }


def to_csv(report: Report) -> str:
    """Return one line per variant: facts, then value, low and high of every column, then the proof of its student.

    A report of several tasks has the columns of all of them; those of another task are empty.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    keys = list(dict.fromkeys(column.key for section in report.sections for column in section.table.columns))
    spread = [name for key in keys for name in (key, f"{key}_low", f"{key}_high")]
    writer.writerow([*FACTS, *spread, *PROOF_FACTS, "samples", "texts", "data", "machine", "session", "task"])
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
            writer.writerow([*facts, *numbers, *_proof_facts(r.proof), *tail])
    return out.getvalue()


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
