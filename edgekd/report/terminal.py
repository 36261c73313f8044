"""A report for the terminal: headline, recommendation, the table as far as it fits, and what was left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from edgekd.report import brief
from edgekd.report.estimates import render_estimates
from edgekd.report.findings import finding_lines, render_findings
from edgekd.report.fit import wrap_name
from edgekd.report.ladder_terminal import render_decisions
from edgekd.report.method import harness_sentence
from edgekd.report.proofs import TITLE, over_seeds
from edgekd.report.scenario_text import terminal_parts
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from collections.abc import Sequence

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
ALL_ROWS = 10  # more variants than this, and only the teacher, the recommended one and the fronts are shown
ALL_DECISIONS = 10
NAME_SHARE, NAME_LEAST = 0.3, 20  # of the width, and characters: a longer name goes on in the next line


def _cell(cell: Cell) -> Text:
    if cell.missing:
        return Text(cell.text, style="dim")
    text = Text(cell.text)
    if cell.interval:
        text.append(f"\n{cell.interval}", style="dim")
    return text


def _name(row: Row, section: Section, width: int) -> Text:
    dropped = row.result.variant in {d.variant for d in section.decisions if not d.kept}
    chosen = section.recommendation is not None and row.name == section.recommendation.variant
    style = "strike dim" if dropped else "bold cyan" if row.is_teacher else "bold green" if chosen else "bold"
    facts = [row.result.role.value, row.result.precision]
    facts += [row.result.backend] if row.result.backend != "onnxruntime" else []
    text = Text("\n".join(wrap_name(row.name, width)), style=style)
    text.append(f"\n{', '.join(facts)}", style="dim not bold not strike")
    if chosen:
        text.append("\nrecommended", style="green not bold not strike")
    return text


def _width(cells: Sequence[Text], heading: str) -> int:
    return max([len(heading), *(len(line) for cell in cells for line in cell.plain.split("\n"))])


def _is_shown(key: str, section: Section) -> bool:
    """Tell whether a column may be shown; beside accuracy, macro F1 says little that is new."""
    return key in SHOWN and not (key == "macro_f1" and section.table.task is TaskKind.SINGLE_LABEL)


def shown_rows(section: Section) -> list[Row]:
    """Return the rows of the table in their order: all of a few, else the teacher, the recommended one, the fronts."""
    rows = section.table.rows
    if len(rows) <= ALL_ROWS:
        return list(rows)
    chosen = {row.name for row in brief.ranked_rows(section)[:ALL_ROWS]}
    return [row for row in rows if row.name in chosen]


def section_table(section: Section, width: int) -> tuple[Table, list[str]]:
    """Build the table with as many columns as ``width`` characters hold.

    Returns:
        The table, and the headings of the columns that were left out.
    """
    rows = shown_rows(section)
    names = [_name(row, section, max(NAME_LEAST, int(NAME_SHARE * width))) for row in rows]
    labels = [Text(row.evidence, style="dim") for row in rows] if len({row.evidence for row in rows}) > 1 else []
    columns = {
        c.key: (SHORT.get(c.key, c.heading), [_cell(row.cells[c.key]) for row in rows])
        for c in section.table.columns
        if _is_shown(c.key, section) and not all(row.cells[c.key].missing for row in rows)
    }
    used = _width(names, "variant") + EDGES + (_width(labels, "evidence") + GAP if labels else 0)
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
    if labels:
        table.add_column("evidence", no_wrap=True)
    for i, name in enumerate(names):
        cells = [cells[i] for key, (_, cells) in columns.items() if key in kept]
        table.add_row(name, *cells, *labels[i : i + 1])
    return table, [heading for key, (heading, _) in columns.items() if key not in kept]


class FittingTable:
    """A section's table that chooses its columns when Rich says how wide the terminal is."""

    def __init__(self, section: Section) -> None:
        self.section = section

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        table, left_out = section_table(self.section, options.max_width)
        yield table
        if left_out:
            yield Text(f"No room for: {', '.join(left_out)}.", style="dim")


def render_terminal(report: Report) -> list[RenderableType]:
    """Return the report for the terminal: headline, recommendation, tables, gains, and what was dropped."""
    parts: list[RenderableType] = []
    for section in report.sections:
        parts.append(Text(section.heading, style="bold"))
        parts.append(Text(section.statement, style="dim" if section.on_target else "yellow"))
        parts += [Text(sentence) for sentence in section.headline]
        parts += _recommendation(section)
        parts.append(FittingTable(section))
        parts.append(Text(_small_print(section), style="dim"))
        if section.gains:
            parts.append(Text(TITLE, style="bold"))
        parts += [Text(sentence) for sentence in [*section.gains, *over_seeds(section.proofs)]]
        parts += _decisions(section)
        parts += render_estimates(section.table)
        parts.append(Text(""))
        parts += terminal_parts(section.scenarios)
        parts += render_findings(finding_lines(section.findings))
    return parts


def _recommendation(section: Section) -> list[RenderableType]:
    found = section.recommendation
    if found is None:
        return []
    text = Text("Recommendation: ", style="bold green")
    text.append(found.sentence, style="default bold")
    budget = brief.budget_words(section)
    parts: list[RenderableType] = [text, *([Text(budget, style="" if found.fits else "yellow")] if budget else [])]
    return parts + [Text(reason, style="dim") for reason in found.reasons]


def _decisions(section: Section) -> list[RenderableType]:
    """Return what was tried; of many candidates the choice and how many became what."""
    if len(section.decisions) <= ALL_DECISIONS:
        return render_decisions(section.decisions)
    told = brief.decisions(section)
    return [Text(brief.DECISIONS_TITLE, style="bold"), *(Text(sentence) for sentence in told)]


def _small_print(section: Section) -> str:
    rows = shown_rows(section)
    missing = dict.fromkeys(
        f"{SHORT.get(c.key, c.heading)} {cell.text}: {cell.missing}"
        for c in section.table.columns
        for row in rows
        if _is_shown(c.key, section) and (cell := row.cells[c.key]).missing and cell.text != "-"
    )
    labels = ", ".join(dict.fromkeys(row.evidence for row in rows))
    harness = harness_sentence([row.result for row in section.table.rows])
    lines = [f"Evidence: {labels}. Below each number: its 95 % interval.", *([harness] if harness else [])]
    if section.table.reference:
        lines.append(f"Speed-up refers to {section.table.reference.name}.")
    left_out = [row.name for row in section.table.rows if row not in rows]
    if left_out:
        lines.append(f"Left out: {', '.join(left_out)}; 'edgekd report' writes all of them.")
    return " ".join([*lines, *(f"{reason}." for reason in missing)])
