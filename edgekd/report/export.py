"""A report as JSON: every number raw (seconds, bytes, shares) and as shown, with its evidence.

The keys are described in docs/reports.md and by docs/report.schema.json. A number that is unknown is ``null``, never
NaN.
"""

from __future__ import annotations

import math
from dataclasses import asdict, fields, is_dataclass
from typing import TYPE_CHECKING, Any

from edgekd.report import calibration, parity
from edgekd.report.cells import Cell
from edgekd.report.scenario_text import to_json_part
from edgekd.results import Evidence
from edgekd.tasks import MAIN_METRIC

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.report.model import Report, Section
    from edgekd.report.table import Row

# 2: recommendation, lineage, parity, calibration, confusion, flips; ``name`` of a section. Everything of 1 is there.
SCHEMA_VERSION = 2


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _metric(cell: Cell) -> dict[str, Any]:
    return {
        "value": _finite(cell.value),
        "low": _finite(cell.low),
        "high": _finite(cell.high),
        "n": cell.n,
        "text": cell.text,
        "interval": cell.interval or None,
        "missing": cell.missing or None,
    }


def _plain(value: Any) -> Any:
    """Turn records with cells into JSON-able values, whatever their fields are."""
    if isinstance(value, Cell):
        return _metric(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _by_heading(headings: Sequence[str], name: str, cells: Sequence[Cell]) -> dict[str, Any]:
    """Return a row of a table whose first column is a name."""
    return {"name": name, "values": {h: _metric(c) for h, c in zip(headings[1:], cells, strict=True)}}


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
        "name": section.name,
        "target": section.target,
        "task": section.table.task.value,
        "main_metric": MAIN_METRIC[section.table.task],
        "heading": section.heading,
        "statement": section.statement,
        "on_target": section.on_target,
        "headline": section.headline,
        "recommendation": _plain(section.recommendation),
        "reference": reference.name if reference else None,
        "fronts": section.fronts,
        "gains": section.gains,
        "proofs": {row.name: row.proof.model_dump(mode="json") for row in section.proofs},
        "decisions": [decision.model_dump(mode="json") for decision in section.decisions],
        "choice": section.choice,
        "lineage": _plain(section.lineage),
        "parity": [_by_heading(parity.HEADINGS, row.name, row.cells) for row in section.parity],
        "calibration": [_by_heading(calibration.HEADINGS, row.name, row.cells) for row in section.calibrations],
        "confusion": _plain(section.confusions),
        "flips": _plain(section.flips),
        "texts_note": section.texts_note,
        "method": section.method,
        "machine": dict(section.machine),
        "notes": section.notes,
        "findings": {name: [asdict(finding) for finding in found] for name, found in section.findings.items()},
        "scenarios": {part.key: to_json_part(part, _metric) for part in section.scenarios},
        "rows": [_row(row) for row in section.table.rows],
    }


def to_json_value(report: Report) -> dict[str, Any]:
    """Return the report as a JSON-able value; see docs/reports.md."""
    return {
        "schema_version": SCHEMA_VERSION,
        "title": report.title,
        "edgekd_version": report.edgekd_version,
        "measured_at": report.measured_at,
        "run": report.run,
        "commands": report.commands,
        "sections": [_section(section) for section in report.sections],
    }
