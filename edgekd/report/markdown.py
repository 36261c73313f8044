"""A report as Markdown for GitHub; pictures are SVG files beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd.report.estimates import markdown_estimates
from edgekd.report.evidence import LEGEND
from edgekd.report.findings import finding_lines, markdown_findings
from edgekd.report.ladders import KEY as LADDER_KEY
from edgekd.report.ladders import TITLE as LADDER_TITLE
from edgekd.report.ladders import verdict
from edgekd.report.proofs import HEADINGS as PROOF_HEADINGS
from edgekd.report.proofs import KEY as PROOF_KEY
from edgekd.report.proofs import TITLE
from edgekd.report.scenario_text import markdown_parts
from edgekd.tasks import MAIN_METRIC

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edgekd.decisions import Decision
    from edgekd.report.cells import Cell
    from edgekd.report.ladders import Ladder
    from edgekd.report.model import Report, Section
    from edgekd.report.table import Row

HEADINGS = {
    "rmse": "RMSE [95 % CI]",
    "mae": "MAE [95 % CI]",
    "micro_f1": "micro F1 [95 % CI]",
    "p50_s": "p50 [95 % CI]",
    "p95_s": "p95 [95 % CI]",
    "speed_up": "speed-up [95 % CI]",
    "kd_gain": "KD gain [95 % CI]",
}
_SPECIAL = str.maketrans({c: f"\\{c}" for c in "\\`*_[]|#~"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"})


def escape(text: str) -> str:
    """Escape text so that GitHub shows it as it is, in a table cell too."""
    return " ".join(text.split()).translate(_SPECIAL)


def cell_text(cell: Cell) -> str:
    """Write a cell on one line: value, interval, or why there is none."""
    if cell.missing:
        return cell.text if cell.text == "-" else f"{cell.text}: {cell.missing}"
    return f"{cell.text} [{cell.interval}]" if cell.interval else cell.text


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _heading(key: str, heading: str, section: Section) -> str:
    if key == MAIN_METRIC[section.table.task]:
        return f"{heading} [95 % CI]"
    return HEADINGS.get(key, heading)


def _proofs(section: Section) -> list[str]:
    """Write the arms of the students; nothing when none has a gain with an interval."""
    if not section.proofs:
        return []
    align = ["---", "---:", *["---:"] * (len(PROOF_HEADINGS) - 3), "---"]
    rows = [_row([escape(cell) for cell in proof.cells]) for proof in section.proofs]
    return ["", _row(PROOF_HEADINGS), _row(align), *rows, "", PROOF_KEY]


def _table(section: Section) -> list[str]:
    columns = section.table.columns
    headings = [
        "variant",
        "role",
        "precision",
        *(_heading(c.key, c.heading, section) for c in columns),
        "evidence",
    ]
    align = ["---"] * 3 + ["---:"] * len(columns) + ["---"]

    def line(row: Row) -> str:
        dropped = row.result.variant in {d.variant for d in section.decisions if not d.kept}
        name = f"~~{escape(row.name)}~~" if dropped else f"**{escape(row.name)}**"
        backend = "" if row.result.backend == "onnxruntime" else f" ({escape(row.result.backend)})"
        numbers = [escape(cell_text(row.cells[c.key])) for c in columns]
        role = row.result.role.value + backend
        return _row([name, role, escape(row.result.precision), *numbers, row.evidence])

    return [_row(headings), _row(align), *(line(row) for row in section.table.rows)]


def _bullets(sentences: Sequence[str], otherwise: str) -> list[str]:
    return [f"- {sentence}" for sentence in sentences] or [otherwise]


def _decision(decision: Decision) -> str:
    told = f"{escape(decision.variant)}: {escape(decision.reason)} ({escape(decision.evidence)})"
    return f"**{verdict(decision)}** {told}"


def _ladder(ladder: Ladder) -> list[str]:
    """Write the candidates of one model."""
    test = ["on test"] if ladder.was_tested else []
    headings = ["candidate", *(escape(heading) for heading in ladder.headings), "verdict", *test, "evidence", "reason"]
    align = ["---", *["---:"] * len(ladder.headings), "---", *["---"] * len(test), "---", "---"]
    lines = []
    for row in ladder.rows:
        numbers = [escape(cell_text(cell)) for cell in row.cells]
        told = f"**{row.verdict}**" if row.decision.kept else row.verdict
        tested = [row.on_test] if test else []
        reason = escape(" ".join(row.sentences))
        lines.append(
            _row([escape(row.decision.variant), *numbers, told, *tested, escape(row.decision.evidence), reason])
        )
    return [f"#### {escape(ladder.model)}", "", _row(headings), _row(align), *lines, ""]


def _decisions(section: Section) -> list[str]:
    """Write the choice, what was tried for each model, and what older runs decided."""
    if not section.decisions:
        return ["No decision was recorded with these results."]
    lines = [f"**{escape(section.choice)}**", ""] if section.choice else []
    for ladder in section.ladders:
        lines += _ladder(ladder)
    if section.ladders:
        lines += [LADDER_KEY, ""]
    return lines + [f"- {_decision(decision)}" for decision in section.other_decisions]


def _section(section: Section, pictures: Sequence[tuple[str, str]]) -> list[str]:
    where = escape(section.statement)
    lines = [f"## {escape(section.heading)}", "", where if section.on_target else f"> **{where}**", ""]
    lines += [f"**{escape(section.headline[0])}**", ""]
    for sentence in section.headline[1:]:
        lines += [escape(sentence), ""]
    lines += [f"![{caption}]({file})" for caption, file in pictures]
    lines += ["", *_table(section), "", f"### {TITLE}", ""]
    lines += _bullets([escape(s) for s in section.gains], "No control was trained, so the gain is unknown.")
    lines += _proofs(section)
    lines += ["", f"### {LADDER_TITLE}", "", *_decisions(section)]
    lines += markdown_findings(finding_lines(section.findings), escape)
    lines += markdown_parts(section.scenarios, escape, cell_text)
    lines += markdown_estimates(section.table, escape)
    if section.notes:
        lines += ["", "### Notes", "", *_bullets([escape(note) for note in section.notes], "")]
    lines += ["", "### How it was measured", "", *_bullets([escape(s) for s in section.method], "")]
    lines += ["", "### Machine", ""]
    lines += _bullets([f"{escape(label)}: {escape(value)}" for label, value in section.machine], "")
    return lines


def to_markdown(report: Report, pictures: Mapping[str, Sequence[tuple[str, str]]]) -> str:
    """Write the report.

    Args:
        report: what to show.
        pictures: caption and file name of the pictures of each section, by section name.
    """
    measured = f"Measured {escape(report.measured_at)}, edgekd {escape(report.edgekd_version)}."
    lines = [f"# {escape(report.title)}", "", measured, ""]
    for section in report.sections:
        lines += [*_section(section, pictures.get(section.name, ())), ""]
    lines += ["## What the evidence labels mean", ""]
    lines += [f"- `{label.value}`: {meaning}" for label, meaning in LEGEND.items()]
    lines += ["", "## How to reproduce", "", *(f"    {command}" for command in report.commands)]
    facts = {key: value for key, value in report.run.items() if key != "commands"}
    if facts:
        lines += [
            "",
            "## Run",
            "",
            *(f"- {escape(key)}: {escape(str(value))}" for key, value in facts.items()),
        ]
    return "\n".join(lines) + "\n"
