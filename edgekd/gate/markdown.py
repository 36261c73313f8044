"""Gates as Markdown, for a pull request or a job summary."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd.gate.records import Outcome
from edgekd.gate.words import COLUMNS, facts, headline, overall_line, reason_line, report_only_line, rows_of
from edgekd.report.marks import escape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.gate.records import GateReport, GateRun

_RIGHT = ("baseline", "candidate")


def gate_markdown(run: GateRun) -> str:
    """Write the verdict, and for each target its table, the reasons and the facts.

    Of several targets an overview comes first; those that pass come last and are folded.
    """
    lines = [f"## edgekd gate: {escape(overall_line(run))}", ""]
    if run.report_only:
        lines += [f"**{escape(report_only_line(run))}**", ""]
    if len(run.gates) == 1:
        return "\n".join([*lines, *_body(run.gates[0])]) + "\n"
    lines += ["| target | candidate | verdict |", "|---|---|---|"]
    lines += [_row([report.target, report.candidate.name, headline(report)]) for report in run.gates]
    for report in sorted(run.gates, key=lambda one: one.verdict is Outcome.PASS):
        lines += ["", *_section(report)]
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(escape(cell) for cell in cells) + " |"


def _section(report: GateReport) -> list[str]:
    heading = f"{escape(report.target)}: {escape(report.candidate.name)}"
    if report.verdict is Outcome.PASS:
        # An empty line after the summary makes GitHub read what follows as Markdown again.
        return ["<details>", f"<summary>{heading}</summary>", "", *_body(report), "", "</details>"]
    return [f"### {heading}", "", *_body(report)]


def _body(report: GateReport) -> list[str]:
    rows = rows_of(report)
    lines = []
    if report.problem:
        lines += [escape(f"{report.problem} {report.advice}".rstrip()), ""]
    if rows:
        aligned = ["--:" if column in _RIGHT else "---" for column in COLUMNS]
        lines += [_row(COLUMNS), f"|{'|'.join(aligned)}|", *(_row(row.cells) for row in rows), ""]
    reasons = [f"- {escape(reason_line(row))}" for row in rows if row.outcome is not Outcome.PASS]
    if reasons:
        lines += [*reasons, ""]
    # A line between two lists keeps them two.
    return [*lines, "What was compared:", "", *(f"- {escape(line)}" for line in [*facts(report), *report.notes])]
