"""A gate report as Markdown, for a pull request or a job summary."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd.gate.records import Outcome
from edgekd.gate.words import COLUMNS, facts, headline, rows_of
from edgekd.report.markdown import escape

if TYPE_CHECKING:
    from edgekd.gate.records import GateReport


def gate_markdown(report: GateReport) -> str:
    """Write the verdict, the table, the reasons and the facts."""
    rows = rows_of(report)
    lines = [f"## edgekd gate: {escape(headline(report))}", ""]
    lines.append("| " + " | ".join(COLUMNS) + " |")
    lines.append("|---|--:|--:|---|---|---|")
    lines += ["| " + " | ".join(escape(cell) for cell in row.cells) + " |" for row in rows]
    reasons = [row for row in rows if row.outcome is not Outcome.PASS]
    if reasons:
        lines.append("")
    for row in reasons:
        reason = row.reason
        advice = f" {escape(reason.advice)}" if reason.advice else ""
        lines.append(
            f"- **{escape(row.rule)}**: measured {escape(reason.measured)}; wanted {escape(reason.wanted)}.{advice}"
        )
    lines += ["", *(f"- {escape(line)}" for line in [*facts(report), *report.notes])]
    return "\n".join(lines) + "\n"


def problem_markdown(message: str, hint: str | None) -> str:
    """Write that a gate could not be run."""
    advice = f"\n\n{escape(hint)}" if hint else ""
    return f"## edgekd gate: INVALID\n\n{escape(message)}{advice}\n"
