"""Where the time of a text goes: tokenizer, model, choice of the answer, in per cent of their sum."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd import units
from edgekd.report.charts.choice import chosen, evidence_note, left_out, recommended, sentences
from edgekd.report.charts.lanes import Lane, Lanes
from edgekd.report.charts.picture import Picture
from edgekd.report.charts.stack import Piece, stacked
from edgekd.report.charts.style import LANE_WIDTH, MUTED, PAPER, looks
from edgekd.report.charts.svg import Marks, draw, finish
from edgekd.report.charts.vega import axis, chart

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.report.model import Section
    from edgekd.report.table import Row

MOST = 10
BAR = 17  # pixels
PARTS = {"tokenize_p50_s": "tokenizer", "infer_p50_s": "model", "post_p50_s": "answer"}
TICKS = [0.0, 0.25, 0.5, 0.75, 1.0]


def parts_of(row: Row) -> dict[str, float]:
    """Return the median seconds of each part that was timed; empty unless tokenizer and model were."""
    found = {column: row.cells[column].value for column in PARTS}
    known = {column: value for column, value in found.items() if value is not None}
    return known if {"tokenize_p50_s", "infer_p50_s"} <= set(known) and sum(known.values()) > 0 else {}


def split(section: Section) -> Picture | None:
    """Draw the parts of the latency; None where they were not timed.

    Raises:
        ModuleNotFoundError: without the packages of the ``report`` extra.
    """
    rows = [row for row in section.table.rows if parts_of(row)]
    if not rows:
        return None
    shown = chosen(section, rows, most=MOST)
    alt = "Where the time of a text goes. " + " ".join(f"{row.name}: {_told(row)}." for row in shown)
    caption = sentences(
        "Shares of the medians of the parts: tokenizer (light), model (solid), choice of the answer (outlined, often "
        "too short to see). At the right the p50 of the whole.",
        left_out(shown, rows),
        evidence_note(section, shown),
    )
    return Picture("split", "split", "Where the time goes", caption, alt, _svg(section, shown, alt))


def _told(row: Row) -> str:
    parts = parts_of(row)
    whole = sum(parts.values())
    return ", ".join(
        f"{PARTS[column]} {row.cells[column].text} ({units.percent(value / whole)})" for column, value in parts.items()
    )


def _svg(section: Section, rows: Sequence[Row], label: str) -> str:
    marks = Marks()
    styles = looks(section.table.rows, rows)
    heads = [Lane(row.name, row.cells["p50_s"].text, row.name == recommended(section)) for row in rows]
    lanes = Lanes(heads, BAR)
    x = axis("x", (0, 1), TICKS, units.short_percent, "share of the latency")
    pieces = [_pieces(row, styles[row.name].colour) for row in rows]
    layers = stacked(lanes, [row.name for row in rows], pieces, x, marks)
    svg = draw(chart([*layers, *lanes.layers(marks)], LANE_WIDTH, lanes.height))
    return finish(svg, marks, prefix=f"{section.name}-split-", label=label)


def _pieces(row: Row, colour: str) -> list[Piece]:
    parts = parts_of(row)
    whole = sum(parts.values())
    fills = {"tokenize_p50_s": (colour, 0.35), "infer_p50_s": (colour, 1.0), "post_p50_s": (PAPER, 1.0)}
    pieces, at = [], 0.0
    for column, value in parts.items():
        cell, share = row.cells[column], value / whole
        interval = f" ({cell.interval})" if cell.interval else ""
        text = f"{row.name}: {PARTS[column]} {cell.text}{interval}, {units.percent(share)} of the parts"
        fill, opacity = fills[column]
        written = f"{PARTS[column]} {units.rough_percent(share)}" if column == "tokenize_p50_s" else ""
        pieces.append(Piece(at, at + share, fill, opacity, MUTED if column == "post_p50_s" else colour, text, written))
        at += share
    return pieces
