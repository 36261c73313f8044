"""What passes between the start of a process and its first answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd import units
from edgekd.analysis.scenarios import starts
from edgekd.report.cells import duration
from edgekd.report.charts.choice import chosen, evidence_note, left_out, recommended, sentences
from edgekd.report.charts.lanes import Lane, Lanes
from edgekd.report.charts.picture import Picture
from edgekd.report.charts.scales import linear_ticks
from edgekd.report.charts.split import BAR
from edgekd.report.charts.stack import Piece, stacked
from edgekd.report.charts.style import GRID, LANE_WIDTH, MUTED, PAPER, looks
from edgekd.report.charts.svg import Marks, draw, finish
from edgekd.report.charts.vega import axis, chart

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.analysis.estimators import Estimate
    from edgekd.analysis.scenarios import Start
    from edgekd.report.model import Section
    from edgekd.report.table import Row

MOST = 8
PARTS = {"interpreter": "Python", "imports": "imports", "load": "loading", "first_answer": "first text"}


def cold(section: Section) -> Picture | None:
    """Draw cold starts; None where fewer than six of a variant were measured.

    Raises:
        ModuleNotFoundError: without the packages of the ``report`` extra.
    """
    found = {row.name: start for row in section.table.rows if (start := _start(row)) is not None}
    rows = [row for row in section.table.rows if row.name in found]
    if not rows:
        return None
    shown = chosen(section, rows, most=MOST)
    told = " ".join(f"{row.name}: {duration(found[row.name].whole, '').text}." for row in shown)
    cached = {found[row.name].cached for row in shown}
    files = (
        "in the page cache" if cached == {True} else "not in the page cache" if cached == {False} else "partly cached"
    )
    caption = sentences(
        "From the start of a new process to its first answer, medians: Python (outlined), imports of the libraries "
        "(grey), loading model and tokenizer (solid), first text (light). At the right the whole; files "
        f"{files}.",
        left_out(shown, rows),
        evidence_note(section, shown),
    )
    alt = f"Cold start, process start to first answer. {told}"
    svg = _svg(section, shown, [found[row.name] for row in shown], alt)
    return Picture("cold", "cold", "Cold start", caption, alt, svg)


def _start(row: Row) -> Start | None:
    known = [start for start in starts(row.result.cold) if start.whole is not None]
    return known[0] if known else None


def _part(start: Start, part: str) -> Estimate | None:
    found: Estimate | None = getattr(start, part)
    return found


def _svg(section: Section, rows: Sequence[Row], found: Sequence[Start], label: str) -> str:
    marks = Marks()
    styles = looks(section.table.rows, rows)
    heads = [
        Lane(row.name, duration(start.whole, "").text, row.name == recommended(section))
        for row, start in zip(rows, found, strict=True)
    ]
    lanes = Lanes(heads, BAR)
    bars = [_pieces(row, start, styles[row.name].colour) for row, start in zip(rows, found, strict=True)]
    longest = 1.02 * max(piece.high for pieces in bars for piece in pieces)
    ticks = linear_ticks(0.0, longest)
    x = axis("x", (0, longest), ticks, units.short_duration, "since the process was started")
    layers = stacked(lanes, [row.name for row in rows], bars, x, marks, span=longest)
    svg = draw(chart([*layers, *lanes.layers(marks)], LANE_WIDTH, lanes.height))
    return finish(svg, marks, prefix=f"{section.name}-cold-", label=label)


def _pieces(row: Row, start: Start, colour: str) -> list[Piece]:
    fills = {"interpreter": (PAPER, 1.0), "imports": (GRID, 1.0), "load": (colour, 1.0), "first_answer": (colour, 0.35)}
    pieces, at = [], 0.0
    for part, words in PARTS.items():
        estimate = _part(start, part)
        if estimate is None or estimate.value <= 0:
            continue
        cell = duration(estimate, "")
        fill, opacity = fills[part]
        stroke = MUTED if part in {"interpreter", "imports"} else colour
        written = words if part in {"interpreter", "imports"} else ""
        text = f"{row.name}: {words} {cell.text} ({cell.interval})"
        pieces.append(Piece(at, at + estimate.value, fill, opacity, stroke, text, written))
        at += estimate.value
    return pieces
