"""A comparison for the terminal: the summary, then what changed, the most important variant first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from edgekd.analysis.change import Verdict
from edgekd.report import comparison as words
from edgekd.units import BLANK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from edgekd.analysis.compare import FolderComparison
    from edgekd.report.comparison import ChangeRow

STYLES = {Verdict.WORSE: "bold red", Verdict.BETTER: "green", Verdict.UNSURE: "yellow", Verdict.SAME: "dim"}


def _table(rows: Sequence[ChangeRow]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("", overflow="fold")
    for heading in words.COLUMNS[1:5]:
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column(words.COLUMNS[5])
    for row in rows:
        heading, before, after, change, interval, verdict = row.cells
        style = STYLES[row.change.verdict]
        dim = "dim" if interval == BLANK else ""
        table.add_row(heading, before, after, Text(change, style), Text(interval, dim or "dim"), Text(verdict, style))
    return table


def render_comparison(comparison: FolderComparison) -> list[RenderableType]:
    """Return the comparison for the terminal.

    With several variants, numbers that are the same are only named, and so are variants in which nothing changed.
    """
    pairs = comparison.pairs
    first, *rest = words.summary(comparison)
    parts: list[RenderableType] = [Text(first, "bold"), *(Text(sentence) for sentence in rest)]
    parts += [Text(sentence, "dim") for sentence in words.sides(comparison)]
    changed = words.machine_words(comparison)
    parts += [Text(changed, "yellow")] if changed else []
    parts += [Text(warning, "yellow") for warning in words.warnings(comparison)]
    parts.append(Text(""))
    unchanged = []
    for pair in pairs:
        rows = [words.row_of(change) for change in pair.changes]
        shown = [row for row in rows if len(pairs) == 1 or row.change.verdict is not Verdict.SAME]
        if not shown:
            unchanged.append(words.name_of(pair, pairs))
            continue
        name = words.name_of(pair, pairs)
        title = name if not pair.target or name.endswith(f" on {pair.target}") else f"{name} on {pair.target}"
        parts += [Text(title, "bold"), _table(shown)]
        same = [row.heading for row in rows if row not in shown]
        parts += [Text(f"Same: {', '.join(same)}.\n", "dim")] if same else []
    if unchanged:
        parts.append(Text(f"Nothing changed: {words.listed(unchanged)}.", "dim"))
    told = [*words.answers(comparison), *words.parity_words(comparison), words.same_bundles(comparison)]
    parts += [Text(sentence) for sentence in [*told, *words.only_words(comparison)] if sentence]
    return parts
