"""A report as Markdown for a pull request: at most sixty lines, whatever was measured.

In the open: where the numbers come from, the headline, the recommendation, a table of the teacher, the recommended
variant and the Pareto front, and one picture for each target. Behind a fold: did the teacher help, what was tried,
what speaks against the numbers, the machine, how to reproduce. The rest is in the other formats.

With more targets than that leaves room for, a line of one table for each target.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd.report import brief
from edgekd.report.fit import clip, fair_shares, short_names
from edgekd.report.markdown_folds import FOLDED, FRAME, all_topics, reproduce, topic_bullets
from edgekd.report.markdown_many import many_targets
from edgekd.report.marks import (
    INTERVAL_HEADING,
    LINES,
    NAME_LIMIT,
    TEXT_LIMIT,
    bullet,
    escape,
    fold,
    table_lines,
    two_lines,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edgekd.report.model import Report, Section
    from edgekd.report.table import Row

ROWS_AT_LEAST, ROWS_AT_MOST = 2, 14
COMMANDS_AT_MOST = 8


class _Part:
    """A section while its lines are shared out."""

    def __init__(self, section: Section, picture: tuple[str, str] | None, beside: Sequence[str]) -> None:
        self.section = section
        self.picture = picture
        self.beside = beside
        self.rows = brief.ranked_rows(section)[:ROWS_AT_MOST]

    def lines(self, rows: int) -> list[str]:
        """Write the open part with so many rows."""
        section = self.section
        lines = [f"### {escape(section.heading)}", ""]
        # Numbers of another device are said so before any of them.
        lines.append(bullet([section.statement], strong=not section.on_target))
        lines += [bullet(found, title="Invalid:") for found in [brief.invalid_findings(section)] if found]
        lines.append(bullet(section.headline))
        if section.recommendation is not None:
            budget = [words] if (words := brief.budget_words(section)) else []
            lines.append(bullet([section.recommendation.sentence, *budget], title="Recommendation:"))
        lines += ["", *self._table(self.rows[:rows]), "", self._left_out(rows)]
        if self.picture is not None:
            lines[-1] += "\\"
            lines.append(f"![{escape(self.picture[0])}]({self.picture[1]})")
        return [*lines, ""]

    def _table(self, rows: Sequence[Row]) -> list[str]:
        section = self.section
        shown = {row.name for row in rows}
        rows = [row for row in section.table.rows if row.name in shown]
        names = short_names([row.name for row in section.table.rows], NAME_LIMIT)
        columns = brief.main_columns(section)
        headings = ["variant"]
        headings += [escape(c.heading) + (INTERVAL_HEADING if _has_interval(c.key, rows) else "") for c in columns]
        body = [[_what(row, section, names), *(two_lines(row.cells[c.key]) for c in columns)] for row in rows]
        align = ["---", *["---:"] * len(columns)]
        if len({row.evidence for row in section.table.rows}) > 1:
            headings, align = [*headings, "evidence"], [*align, "---"]
            body = [[*cells, escape(row.evidence)] for cells, row in zip(body, rows, strict=True)]
        return table_lines(headings, align, body)

    def _left_out(self, rows: int) -> str:
        total, shown = len(self.section.table.rows), len(self.rows[:rows])
        labels = f"Evidence: {', '.join(sorted({row.evidence for row in self.section.table.rows}))}."
        if shown == total:
            return escape(f"All {total} variants. {labels}" if total > 1 else labels)
        where = f" All of them: {', '.join(self.beside)}." if self.beside else ""
        return escape(f"{shown} of {total} variants: teacher, recommended, Pareto front. {labels}{where}")


def _has_interval(key: str, rows: Sequence[Row]) -> bool:
    return any(row.cells[key].interval for row in rows)


def _what(row: Row, section: Section, names: Mapping[str, str]) -> str:
    marks = ["reference"] if row is section.table.reference else ["teacher"] if row.is_teacher else []
    if section.recommendation is not None and row.name == section.recommendation.variant:
        marks.append("recommended")
    if row.result.variant in {decision.variant for decision in section.decisions if not decision.kept}:
        marks.append("dropped")
    if row.result.backend != "onnxruntime":
        marks.append(row.result.backend)
    name = escape(names[row.name])
    return f"**{name}** ({escape(', '.join(marks))})" if marks else name


def to_markdown(
    report: Report,
    pictures: Mapping[str, Sequence[tuple[str, str]]],
    beside: Sequence[str] = ("report.html", "report.csv"),
) -> str:
    """Write the report in at most :data:`LINES` lines.

    Args:
        report: what to show.
        pictures: description and address of the pictures of each section, by section name; the first is shown.
        beside: files that have what is left out here.
    """
    head = [f"## {escape(clip(report.title, TEXT_LIMIT))}", ""]
    parts = [_Part(section, next(iter(pictures.get(section.name, ())), None), beside) for section in report.sections]
    topics = all_topics(report.sections)
    least_rows = [min(ROWS_AT_LEAST, len(part.rows)) for part in parts]
    fixed = len(head) + sum(len(part.lines(0)) for part in parts) + FRAME + len(reproduce(report, 1))
    left = LINES - fixed - sum(least_rows)
    if left < len(parts):  # not even a line behind the fold for each
        return "\n".join(many_targets(report, pictures, head)).rstrip("\n") + "\n"
    # A line for each topic, then rows, then commands; what is left opens the topics.
    told = min(len(topics), left)
    shares = fair_shares([len(part.rows) for part in parts], left - told + sum(least_rows))
    left -= told + sum(shares) - sum(least_rows)
    tails = [reproduce(report, count) for count in range(1, COMMANDS_AT_MOST + 1)]
    tail = max((tail for tail in tails if len(tail) - len(tails[0]) <= left), key=len)
    left -= len(tail) - len(tails[0])
    lines = [line for part, rows in zip(parts, shares, strict=True) for line in part.lines(rows)]
    folded = fold(FOLDED, topic_bullets(topics, told + left))
    return "\n".join([*head, *lines, *folded, *tail]).rstrip("\n") + "\n"
