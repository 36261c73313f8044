"""A comparison as Markdown for a pull request: at most sixty lines, whatever changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd.analysis.change import Verdict
from edgekd.report import comparison as words
from edgekd.report.fit import short_names
from edgekd.report.marks import LINES, NAME_LIMIT, bullet, escape, fold, table_lines

if TYPE_CHECKING:
    from edgekd.analysis.compare import FolderComparison

HEADINGS = ("variant", "quantity", *words.COLUMNS[1:])
ALIGN = ("---", "---", "---:", "---:", "---:", "---:", "---")
WARNINGS_SHOWN, NOTES_SHOWN = 8, 12


def comparison_markdown(comparison: FolderComparison) -> str:
    """Write a comparison in at most sixty lines: the summary, what was compared, the changes, the important ones first.

    Numbers that are the same are only counted when there are more rows than lines.
    """
    first, *rest = words.summary(comparison)
    lines = [f"## edgekd compare: {escape(words.counts_words(comparison))}", ""]
    lines += [
        bullet([sentence]) for sentence in [first, *rest, *words.only_words(comparison), *words.sides(comparison)]
    ]
    changed = words.machine_words(comparison)
    lines += [bullet([changed], strong=True)] if changed else []
    found = words.warnings(comparison)
    alone, together = found[: WARNINGS_SHOWN - 1], found[WARNINGS_SHOWN - 1 :]
    lines += [bullet([warning], title="Warning:") for warning in alone]
    lines += [bullet(together, title="Warning:")] if together else []
    notes = [*words.answers(comparison), *words.parity_words(comparison), words.same_bundles(comparison)]
    notes = [note for note in notes if note]
    more = [bullet(notes[NOTES_SHOWN - 1 :])] if len(notes) > NOTES_SHOWN - 1 else []
    folded = fold("Answers that changed", [*(bullet([note]) for note in notes[: NOTES_SHOWN - 1]), *more])
    room = LINES - len(lines) - len(folded) - 6  # blank, heading, alignment, blank, what was left out, blank
    lines += ["", *_table(comparison, room), "", *folded]
    return "\n".join(lines).rstrip("\n") + "\n"


def _table(comparison: FolderComparison, room: int) -> list[str]:
    pairs = comparison.pairs
    rows = words.ranked(comparison)
    names = short_names([words.name_of(pair, pairs) for pair in pairs], NAME_LIMIT)
    shown = rows[:room]
    cells = [[escape(cell) for cell in (names[words.name_of(pair, pairs)], *row.cells)] for pair, row in shown]
    lines = table_lines(HEADINGS, ALIGN, cells)
    rest = [row for _, row in rows[room:]]
    if not rest:
        return lines
    counts = {verdict: sum(row.change.verdict is verdict for row in rest) for verdict in Verdict}
    told = ", ".join(f"{count} {verdict.value}" for verdict, count in counts.items() if count)
    return [*lines, "", escape(f"And {len(rest)} more: {told}. 'edgekd compare --format json' has all of them.")]
