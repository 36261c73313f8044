"""The tables of the scenarios for the terminal and for JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

    from edgekd.report.cells import Cell
    from edgekd.report.scenarios import Part

WIDEST = 1000  # columns, to see what a table wants


def terminal_parts(parts: Sequence[Part]) -> list[RenderableType]:
    """Return a heading, a table and its sentences for each scenario; intervals stand below the numbers."""
    shown: list[RenderableType] = []
    for part in parts:
        shown += [Text(part.title, style="bold"), Text(part.method, style="dim"), _FittingPart(part)]
        shown += [Text(sentence) for sentence in part.sentences]
        reasons = dict.fromkeys(
            f"{cell.text}: {cell.missing}"
            for row in part.rows
            for cell in row.cells
            if cell.missing and cell.text != "-"
        )
        shown += [Text(". ".join(reasons) + ".", style="dim")] if reasons else []
        shown.append(Text(""))
    return shown


class _FittingPart:
    """A table that leaves its intervals out where the terminal is too narrow for them."""

    def __init__(self, part: Part) -> None:
        self.part = part

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        table = _table(self.part, intervals=True)
        if Measurement.get(console, options.update(width=WIDEST), table).maximum > options.max_width:
            yield _table(self.part, intervals=False)
            yield Text("Too narrow for the intervals; 'edgekd report' writes them.", style="dim")
        else:
            yield table


def _table(part: Part, *, intervals: bool) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(part.of, overflow="fold", min_width=12)
    for heading in part.headings:
        table.add_column(heading, justify="right")
    table.add_column("evidence", no_wrap=True)
    for row in part.rows:
        name = Text(row.name, style="bold")
        name.append(f"\n{row.detail}" if row.detail else "", style="dim not bold")
        numbers = [_cell(cell, intervals=intervals) for cell in row.cells]
        table.add_row(name, *numbers, Text(row.evidence, style="dim"))
    return table


def _cell(cell: Cell, *, intervals: bool) -> Text:
    text = Text(cell.text, style="dim" if cell.missing else "")
    if cell.interval and intervals:
        text.append(f"\n{cell.interval}", style="dim")
    return text


def to_json_part(part: Part, metric: Callable[[Cell], dict[str, Any]]) -> dict[str, Any]:
    """Return a part as a JSON-able value; ``metric`` writes a cell."""
    return {
        "title": part.title,
        "method": part.method,
        "rows": [
            {
                "name": row.name,
                "detail": row.detail,
                "evidence": row.evidence,
                "values": {heading: metric(cell) for heading, cell in zip(part.headings, row.cells, strict=True)},
            }
            for row in part.rows
        ],
        "sentences": part.sentences,
    }
