"""The picture of a section: the main score against a cost on a log scale, the Pareto front marked. Altair to SVG.

Colours are fixed values that the HTML page maps to its light and dark palette; the SVG alone is a light
picture.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from edgekd.analysis.gain_words import METRIC_NAMES
from edgekd.report import units
from edgekd.report.cells import CORRELATIONS
from edgekd.report.labels import Box, Spot, place
from edgekd.report.table import columns_of
from edgekd.tasks import MAIN_METRIC

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.report.model import Section
    from edgekd.report.table import Row

WIDTH, HEIGHT, FONT = 400, 280, 12
INK, MUTED, GRID, PAPER = "#1f2328", "#59636e", "#e4e7eb", "#ffffff"
KIND_COLOURS = {
    "teacher": "#57606a",
    "transformer": "#0550ae",
    "cnn": "#0a7a5c",
    "bag": "#b35900",
}
OTHER_COLOURS = ["#8250df", "#bf3989", "#9a6700", "#116329"]
AXIS_TITLES = {
    "p50_s": "p50 latency, text in to label out (log scale)",
    "size_bytes": "size of everything shipped (log scale)",
}


@dataclass(frozen=True)
class Axis:
    """A linear or logarithmic scale onto pixels from 0 to ``length``."""

    low: float
    high: float
    length: float
    log: bool = False

    def pixel(self, value: float) -> float:
        """Return the distance from the low end, in pixels."""
        if self.log:
            return self.length * math.log(value / self.low) / math.log(self.high / self.low)
        return self.length * (value - self.low) / (self.high - self.low)


def log_ticks(low: float, high: float) -> list[float]:
    """Return round values inside a range: 1, 2, 5 times powers of ten, or powers alone when it is wide."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    wide = math.log10(high / low) > 2.2
    steps = (1.0,) if wide and math.log10(high / low) > 3.5 else (1.0, 3.0) if wide else (1.0, 2.0, 5.0)
    ticks = [step * 10.0**decade for decade in decades for step in steps]
    return [tick for tick in ticks if low <= tick <= high]


def _label_expression(ticks: Sequence[float], column: str) -> str:
    """Return a Vega expression that writes each tick in the units of the table."""
    expression = "''"
    for tick in reversed(ticks):
        text = units.short_duration(tick) if column == "p50_s" else units.short_size(tick)
        expression = f"datum.value < {tick * 1.2} ? '{text}' : {expression}"
    return expression


def colours(kinds: Sequence[str]) -> dict[str, str]:
    """Return a colour for each kind: fixed for those we know, the rest in turn."""
    unknown = [kind for kind in dict.fromkeys(kinds) if kind not in KIND_COLOURS]
    extra = {kind: OTHER_COLOURS[i % len(OTHER_COLOURS)] for i, kind in enumerate(unknown)}
    return {kind: KIND_COLOURS.get(kind) or extra[kind] for kind in kinds}


def _axes(rows: Sequence[Row], column: str) -> tuple[Axis, Axis]:
    xs = [row.cells[column].value or 0.0 for row in rows]
    low_x, high_x = min(xs) / 1.8, max(xs) * 2.4  # room for names
    lows = [_bound(row, "low") for row in rows]
    highs = [_bound(row, "high") for row in rows]
    pad = 0.06 * (max(highs) - min(lows)) or 0.01
    lowest = -1.0 if min(lows) < 0 else 0.0  # a correlation may be negative
    y = Axis(max(lowest, min(lows) - pad), min(1.005, max(highs) + pad), HEIGHT)
    return Axis(low_x, high_x, WIDTH, log=True), y


def _bound(row: Row, side: str) -> float:
    cell = row.main
    bound = cell.low if side == "low" else cell.high
    return float(bound if bound is not None else cell.value or 0.0)


def _tooltip(row: Row, column: str) -> str:
    score, cost = row.main, row.cells[column]
    task = row.result.quality.task
    headings = {c.key: c.heading for c in columns_of(task)}
    interval = f" ({cost.interval})" if cost.interval else ""
    return (
        f"{row.name}: {headings[MAIN_METRIC[task]]} {score.text} ({score.interval}), "
        f"{headings[column]} {cost.text}{interval}"
    )


def _record(row: Row, column: str, palette: dict[str, str], on_front: bool) -> dict[str, Any]:
    cost = row.cells[column]
    colour = palette[row.result.kind]
    return {
        "name": row.name,
        "x": cost.value,
        "x_low": cost.low if cost.low is not None else cost.value,
        "x_high": cost.high if cost.high is not None else cost.value,
        "y": row.main.value,
        "y_low": _bound(row, "low"),
        "y_high": _bound(row, "high"),
        "colour": colour,
        "fill": colour if on_front else PAPER,
        "shape": {"fp32": "circle", "int8": "diamond"}.get(row.result.precision, "square"),
        "tip": _tooltip(row, column),
    }


def score_name(section: Section) -> str:
    """Return the name of the score that decides."""
    return METRIC_NAMES[MAIN_METRIC[section.table.task]]


def plottable(section: Section, column: str) -> list[Row]:
    """Return the rows that have both numbers."""
    rows = section.table.rows
    return [r for r in rows if r.main.value is not None and (r.cells[column].value or 0) > 0]


def _line_boxes(rows: Sequence[Row], column: str, x: Axis, y: Axis) -> list[Box]:
    """Cover the front's line with small boxes, so that names keep off it."""
    corners = [(x.pixel(r.cells[column].value or 0.0), HEIGHT - y.pixel(r.main.value or 0.0)) for r in rows]
    boxes = []
    for (x0, y0), (x1, y1) in pairwise(corners):
        steps = max(2, int(max(abs(x1 - x0), abs(y1 - y0)) / 6))
        for i in range(steps + 1):
            px, py = x0 + (x1 - x0) * i / steps, y0 + (y1 - y0) * i / steps
            boxes.append(Box(px - 3, py - 3, px + 3, py + 3))
    return boxes


def _bar_boxes(rows: Sequence[Row], column: str, x: Axis, y: Axis) -> list[Box]:
    """Cover the intervals of the scores, so that names keep off them where there is room."""
    boxes = []
    for row in rows:
        px = x.pixel(row.cells[column].value or 0.0)
        top, bottom = HEIGHT - y.pixel(_bound(row, "high")), HEIGHT - y.pixel(_bound(row, "low"))
        boxes.append(Box(px - 2, top, px + 2, bottom))
    return boxes


def pareto_svg(section: Section, column: str) -> str | None:
    """Draw the main score against ``column`` for a section; ``None`` when fewer than two rows have both numbers.

    Raises:
        ModuleNotFoundError: without the packages of the ``report`` extra.
    """
    import altair as alt

    rows = plottable(section, column)
    if len(rows) < 2:
        return None
    metric = MAIN_METRIC[section.table.task]
    front = section.fronts[column]
    palette = colours([row.result.kind for row in rows])
    rows.sort(key=lambda row: row.name in front)  # the front is drawn last, over the others
    records = [_record(row, column, palette, row.name in front) for row in rows]
    x, y = _axes(rows, column)
    ticks = log_ticks(x.low, x.high)
    x_scale = alt.X(
        "x:Q",
        scale=alt.Scale(type="log", domain=[x.low, x.high], nice=False),
        axis=alt.Axis(values=ticks, labelExpr=_label_expression(ticks, column), title=AXIS_TITLES[column]),
    )
    y_scale = alt.Y(
        "y:Q",
        scale=alt.Scale(domain=[y.low, y.high], nice=False),
        axis=alt.Axis(format=".2f" if metric in CORRELATIONS else ".0%", title=score_name(section), tickCount=6),
    )
    data = alt.Chart(alt.Data(values=records))
    by_name = {row.name: row for row in rows}
    on_line = [by_name[name] for name in front if name in by_name]
    ordered = [_record(row, column, palette, True) for row in on_line]
    line = (
        alt.Chart(alt.Data(values=ordered))
        .mark_line(color=MUTED, strokeWidth=1.5, opacity=0.7, aria=False)
        .encode(x=x_scale, y=y_scale)
    )
    bars = [
        data.mark_rule(strokeWidth=1, opacity=0.45, aria=False).encode(
            x=x_scale, y=alt.Y("y_low:Q"), y2="y_high:Q", color=alt.Color("colour:N", scale=None)
        ),
        data.mark_rule(strokeWidth=1, opacity=0.45, aria=False).encode(
            x=alt.X("x_low:Q"), x2="x_high:Q", y=y_scale, color=alt.Color("colour:N", scale=None)
        ),
    ]
    marks = data.mark_point(size=85, strokeWidth=1.8, opacity=1).encode(
        x=x_scale,
        y=y_scale,
        shape=alt.Shape("shape:N", scale=None),
        fill=alt.Fill("fill:N", scale=None),
        stroke=alt.Stroke("colour:N", scale=None),
        description="tip:N",
    )
    spots = [Spot(x.pixel(r["x"]), HEIGHT - y.pixel(r["y"]), r["name"]) for r in records]
    avoid = [*_line_boxes(on_line, column, x, y), *_bar_boxes(rows, column, x, y)]
    labels = place(spots, width=WIDTH, height=HEIGHT, font_size=FONT, avoid=avoid)
    names = [
        alt.Chart(alt.Data(values=[record]))
        .mark_text(
            align=label.align,
            dx=label.dx,
            dy=label.dy,
            baseline="middle",
            fontSize=FONT,
            color=INK,
            aria=False,
        )
        .encode(x=x_scale, y=y_scale, text="name:N")
        for record, label in zip(records, labels, strict=True)
    ]
    return _with_titles(draw(alt.layer(line, *bars, marks, *names)))


def draw(layers: Any) -> str:
    """Return an Altair chart as SVG in the style of all our pictures."""
    import vl_convert as vlc

    chart = (
        layers.properties(width=WIDTH, height=HEIGHT, background=PAPER)
        .configure(font="system-ui, -apple-system, Segoe UI, Roboto, Helvetica, Arial, sans-serif")
        .configure_view(stroke=None)
        .configure_axis(
            gridColor=GRID,
            domainColor=MUTED,
            tickColor=MUTED,
            labelColor=MUTED,
            titleColor=INK,
            labelFontSize=FONT - 1,
            titleFontSize=FONT,
            titleFontWeight="normal",
            titlePadding=8,
        )
    )
    svg: str = vlc.vegalite_to_svg(chart.to_dict())
    return svg


def _with_titles(svg: str) -> str:
    """Turn the description of each mark into a ``title`` element, which browsers show when hovering.

    The description is already escaped for an attribute, and therefore for text as well.
    """
    return re.sub(r'(<path aria-label="([^"]*)"[^>]*)(?:/>|></path>)', r"\1><title>\2</title></path>", svg)
