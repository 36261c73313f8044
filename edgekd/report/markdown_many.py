"""A Markdown report of many targets: a line of one table for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd.report import brief
from edgekd.report.fit import clip, short_names
from edgekd.report.markdown_folds import FOLDED, FRAME, all_topics, reproduce, topic_bullets
from edgekd.report.marks import LINES, NAME_LIMIT, TEXT_LIMIT, bullet, cell_text, escape, fold, table_lines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edgekd.report.model import Report, Section


def _compact(sections: Sequence[Section], available: int) -> list[str]:
    """Write a line for each target: the recommended variant and its numbers."""
    headings = ("target", "recommended", "score", "speed-up", "p50", "p95", "size", "budget", "evidence")
    align = ["---", "---", *["---:"] * 5, "---", "---"]
    room = available - 4  # heading, alignment, the line about evidence and a blank one
    shown = sections[: max(0, room if len(sections) <= room else room - 2)]
    lines = table_lines(headings, align, [[escape(c) for c in _compact_cells(section)] for section in shown])
    rest = sections[len(shown) :]
    lines.append("")
    if rest:
        labels = sorted({row.evidence for section in rest for row in section.table.rows})
        names = clip(", ".join(section.heading for section in rest), TEXT_LIMIT)
        lines += [escape(f"{len(rest)} more targets (evidence: {', '.join(labels)}): {names}."), ""]
    return lines


def _compact_cells(section: Section) -> list[str]:
    found = section.recommendation
    rows = {row.name: row for row in section.table.rows}
    row = rows.get(found.variant) if found else None
    labels = ", ".join(sorted({row.evidence for row in section.table.rows}))
    if found is None or row is None:
        return [clip(section.heading, NAME_LIMIT), "none", *["-"] * 5, "-", labels]
    score = next(c.heading for c in brief.main_columns(section))
    costs = [cell_text(row.cells[key]) for key in brief.COSTS[:4]]
    names = short_names([row.name], NAME_LIMIT)
    fits = brief.FITS_WORDS[found.fits] if found.checks else "none set"
    return [clip(section.heading, NAME_LIMIT), names[row.name], f"{score} {cell_text(row.main)}", *costs, fits, labels]


def many_targets(report: Report, pictures: Mapping[str, Sequence[tuple[str, str]]], head: list[str]) -> list[str]:
    """Write a report of many targets."""
    sections = report.sections
    away = [section.statement for section in sections if not section.on_target]
    warning = [bullet(list(dict.fromkeys(away)), strong=True)] if away else []
    drawn = [links[0] for section in sections if (links := pictures.get(section.name))]
    images = [" ".join(f"![{escape(alt)}]({file})" for alt, file in drawn), ""] if drawn else []
    invalid = [found for section in sections for found in brief.invalid_findings(section)]
    warning += [bullet(invalid, title="Invalid:")] if invalid else []
    warning += [""] if warning else []
    tail = reproduce(report, 2)
    room = LINES - len(head) - len(warning) - len(images) - len(tail)
    table = _compact(sections, room)
    folded = fold(FOLDED, topic_bullets(all_topics(sections), room - len(table) - FRAME))
    return [*head, *warning, *table, *images, *folded, *tail]
