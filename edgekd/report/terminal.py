"""The table of a section for the terminal: the columns that fit, intervals below the numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from edgekd.report.estimates import render_estimates
from edgekd.report.findings import finding_lines, render_findings
from edgekd.report.ladder_terminal import render_decisions
from edgekd.report.method import harness_sentence
from edgekd.report.proofs import TITLE, over_seeds
from edgekd.report.scenario_text import terminal_parts
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

    from edgekd.report.cells import Cell
    from edgekd.report.model import Report, Section
    from edgekd.report.table import Row

# In the order of the report; the number is what to give up first when the terminal is narrow.
SHOWN = {
    "accuracy": 0,
    "pearson": 0,
    "macro_f1": 0,
    "micro_f1": 6,
    "map": 9,
    "rmse": 4,
    "agreement": 4,
    "teacher_pearson": 5,
    "kd_gain": 5,
    "speed_up": 1,
    "p50_s": 0,
    "p95_s": 2,
    "p99_s": 8,
    "tokenize_p50_s": 7,
    "infer_p50_s": 7,
    "post_p50_s": 9,
    "peak_rss_bytes": 3,
    "steady_rss_bytes": 9,
    "size_bytes": 1,
}
SHORT = {
    "agreement": "agrees",
    "teacher_pearson": "follows",
    "tokenize_p50_s": "tokenize",
    "infer_p50_s": "infer",
    "post_p50_s": "post",
}
GAP = 2  # between columns: one of padding, one drawn by the box
EDGES = 2


def _cell(cell: Cell) -> Text:
    if cell.missing:
        return Text(cell.text, style="dim")
    text = Text(cell.text)
    if cell.interval:
        text.append(f"\n{cell.interval}", style="dim")
    return text


def _name(row: Row, dropped: bool) -> Text:
    text = Text(row.name, style="strike dim" if dropped else "bold" if not row.is_teacher else "bold cyan")
    text.append(f"\n{row.result.role.value}, {row.result.precision}", style="dim not bold not strike")
    if row.result.backend != "onnxruntime":
        text.append(f", {row.result.backend}", style="dim not bold not strike")
    return text


def _width(cells: list[Text], heading: str) -> int:
    return max([len(heading), *(len(line) for cell in cells for line in cell.plain.split("\n"))])


def _is_shown(key: str, section: Section) -> bool:
    """Tell whether a column may be shown; beside accuracy, macro F1 says little that is new."""
    return key in SHOWN and not (key == "macro_f1" and section.table.task is TaskKind.SINGLE_LABEL)


def section_table(section: Section, width: int) -> Table:
    """Build the table with as many columns as ``width`` characters hold."""
    dropped = {d.variant for d in section.decisions if not d.kept}
    rows = section.table.rows
    names = [_name(row, row.result.variant in dropped) for row in rows]
    evidence = [Text(row.evidence, style="dim") for row in rows]
    columns = {
        c.key: (SHORT.get(c.key, c.heading), [_cell(row.cells[c.key]) for row in rows])
        for c in section.table.columns
        if _is_shown(c.key, section) and not all(row.cells[c.key].missing for row in rows)
    }
    used = _width(names, "variant") + _width(evidence, "evidence") + GAP + EDGES
    kept = set()
    for key in sorted(columns, key=lambda k: SHOWN[k]):
        needed = _width(columns[key][1], columns[key][0]) + GAP
        if used + needed <= width:
            used += needed
            kept.add(key)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("variant", no_wrap=True)
    for key in columns:
        if key in kept:
            table.add_column(columns[key][0], justify="right", no_wrap=True)
    table.add_column("evidence", no_wrap=True)
    for i, name in enumerate(names):
        table.add_row(name, *(cells[i] for key, (_, cells) in columns.items() if key in kept), evidence[i])
    return table


class FittingTable:
    """A section's table that chooses its columns when Rich says how wide the terminal is."""

    def __init__(self, section: Section) -> None:
        self.section = section

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield section_table(self.section, options.max_width)


def render_terminal(report: Report) -> list[RenderableType]:
    """Return the report for the terminal: headline, tables, gains, and what was dropped."""
    parts: list[RenderableType] = []
    for section in report.sections:
        parts.append(Text(section.heading, style="bold"))
        parts.append(Text(section.statement, style="dim" if section.on_target else "yellow"))
        parts += [Text(sentence) for sentence in section.headline]
        parts.append(FittingTable(section))
        if section.gains:
            parts.append(Text(TITLE, style="bold"))
        parts += [Text(sentence) for sentence in [*section.gains, *over_seeds(section.proofs)]]
        parts += render_decisions(section.decisions)
        parts.append(Text(_small_print(section), style="dim"))
        parts += render_estimates(section.table)
        parts.append(Text(""))
        parts += terminal_parts(section.scenarios)
        parts += render_findings(finding_lines(section.findings))
    return parts


def _small_print(section: Section) -> str:
    missing = dict.fromkeys(
        f"{SHORT.get(c.key, c.heading)} {cell.text}: {cell.missing}"
        for c in section.table.columns
        for row in section.table.rows
        if _is_shown(c.key, section) and (cell := row.cells[c.key]).missing and cell.text != "-"
    )
    harness = harness_sentence([row.result for row in section.table.rows])
    lines = ["Below each number: its 95 % interval.", *([harness] if harness else [])]
    if section.table.reference:
        lines.append(f"Speed-up refers to {section.table.reference.name}.")
    return " ".join([*lines, *(f"{reason}." for reason in missing)])
