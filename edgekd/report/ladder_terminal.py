"""What was kept and dropped, for the terminal: a table for each model, and the reasons below it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from edgekd.report.ladders import TITLE, choice_of, choice_words, ladders, other_decisions, verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from edgekd.decisions import Decision
    from edgekd.report.cells import Cell
    from edgekd.report.ladders import Ladder, LadderRow

NAME_WIDTH, VERDICT_WIDTH = 12, 10
STYLES = {"best": "bold green", "nearest-miss": "bold yellow", "kept": "green", "failed": "red"}


def render_decisions(decisions: Sequence[Decision]) -> list[RenderableType]:
    """Return the ladders, the choice, and what older runs dropped; nothing when there is no decision.

    Args:
        decisions: of one target.
    """
    tables, choice = ladders(decisions), choice_of(decisions)
    parts: list[RenderableType] = [Text(TITLE, style="bold")] if tables else []
    for ladder in tables:
        parts += render_ladder(ladder)
    if choice is not None:
        parts.append(Text(choice_words(choice), style="bold"))
    return parts + [Text(f"Dropped {d.variant}: {d.reason}") for d in other_decisions(decisions) if not d.kept]


def render_ladder(ladder: Ladder) -> list[RenderableType]:
    """Return the table of one model, and a sentence for what is not merely kept."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(Text(ladder.model), overflow="fold", min_width=NAME_WIDTH)
    for heading in ladder.headings:
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict", min_width=VERDICT_WIDTH)
    if ladder.was_tested:
        table.add_column("on test", min_width=VERDICT_WIDTH)
    for row in ladder.rows:
        name = Text(row.decision.variant, style="" if row.decision.kept else "strike dim")
        name.append(f"\n{row.decision.evidence}", style="dim not strike")
        test = [Text(row.on_test)] if ladder.was_tested else []
        shown = Text(row.verdict, style=STYLES.get(row.decision.status, "dim"))
        table.add_row(name, *map(_cell, row.cells), shown, *test)
    return [table, *(Text(told) for row in ladder.rows for told in _sentences(row))]


def _cell(cell: Cell) -> Text:
    text = Text(cell.text, style="dim" if cell.missing else "")
    if cell.interval:
        text.append(f"\n{cell.interval}", style="dim")
    return text


def _sentences(row: LadderRow) -> list[str]:
    """Say why, unless the table says it: a kept variant, and a base that is only there to compare with."""
    decision = row.decision
    told = (
        [] if decision.status == "kept" else [f"{verdict(decision).capitalize()} {decision.variant}: {decision.reason}"]
    )
    if decision.test is not None and decision.test.confirmed is False:
        told.append(f"{decision.variant}: {decision.test.words}")
    return told
