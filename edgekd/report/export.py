"""A report for machines: JSON and CSV with raw values in seconds, bytes and shares.

JSON keys, schema version 1:
    ``schema_version``, ``title``, ``edgekd_version``, ``measured_at``, ``run``, ``commands``, ``sections``.
    A section is one target on one machine with one set of texts: ``target``, ``heading``, ``statement``,
    ``headline``, ``reference`` (the row that speed-ups refer to), ``fronts`` (cost -> names on the Pareto
    front, cheapest first), ``gains``, ``decisions``, ``method``, ``machine``, ``notes``, ``rows``.
    A row: ``name``, ``variant``, ``role``, ``kind``, ``precision``, ``backend``, ``evidence``, ``session``,
    ``artifact``, ``artifact_hash``, ``metrics``.
    A metric: ``value``, ``low``, ``high`` (95 % interval), ``n`` (observations), ``text`` (as shown),
    ``missing`` (why there is no value).

A number that is unknown is ``null`` in JSON and empty in CSV, never NaN.
"""

from __future__ import annotations

import csv
import io
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgekd.report.model import Report, Section
    from edgekd.report.table import Cell, Row

SCHEMA_VERSION = 1
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
    }


def _section(section: Section) -> dict[str, Any]:
    reference = section.table.reference
    return {
        "target": section.target,
        "heading": section.heading,
        "statement": section.statement,
        "headline": section.headline,
        "reference": reference.name if reference else None,
        "fronts": section.fronts,
        "gains": section.gains,
        "decisions": [decision.model_dump(mode="json") for decision in section.decisions],
        "method": section.method,
        "machine": dict(section.machine),
        "notes": section.notes,
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
    """Return one line per variant: facts, then value, low and high of every column."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    columns = report.sections[0].table.columns
    spread = [name for c in columns for name in (c.key, f"{c.key}_low", f"{c.key}_high")]
    writer.writerow([*FACTS, *spread, "samples", "texts", "data", "machine", "session"])
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
                for c in columns
                for value in (row.cells[c.key].value, row.cells[c.key].low, row.cells[c.key].high)
            ]
            texts = len(r.quality.targets)
            tail = [row.summary.samples, texts, r.data_name, r.machine.fingerprint, r.session]
            writer.writerow([*facts, *numbers, *tail])
    return out.getvalue()
