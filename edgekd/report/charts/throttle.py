"""Latency over minutes of load, and below it the clock and the temperature where the machine tells them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgekd import units
from edgekd.analysis.sustained import endurance
from edgekd.report.charts.choice import chosen, evidence_note, left_out, recommended, sentences
from edgekd.report.charts.curves import Dot, curve_layers
from edgekd.report.charts.legend import Entry, legend
from edgekd.report.charts.picture import Picture
from edgekd.report.charts.scales import linear_ticks
from edgekd.report.charts.style import WIDTH, looks
from edgekd.report.charts.svg import Marks, draw, finish
from edgekd.report.charts.vega import above_each_other, axis, chart

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from edgekd.measurements import Moment, SustainedSlice
    from edgekd.report.charts.style import Look
    from edgekd.report.charts.vega import Spec
    from edgekd.report.model import Section
    from edgekd.report.table import Row

MOST = 4
FEWEST = 5  # slices; fewer are no course of time
TALL, LOW = 200, 80  # pixels: of the latency, of what explains it
MINUTES = 180.0  # seconds from which on time is written in minutes


@dataclass(frozen=True)
class Panel:
    """One quantity over time."""

    title: str
    height: int
    tick: Callable[[float], str]
    curves: Mapping[str, Sequence[Dot]]


def throttle(section: Section) -> Picture | None:
    """Draw sustained load; None where it was not measured.

    Raises:
        ModuleNotFoundError: without the packages of the ``report`` extra.
    """
    rows = [row for row in section.table.rows if len(row.result.sustained) >= FEWEST]
    if not rows:
        return None
    shown = chosen(section, rows, most=MOST)
    panels = _panels(shown)
    below = "; below it what the machine says of itself" if len(panels) > 1 else ""
    caption = sentences(
        f"Calls without a pause: median latency of each slice of time, as a factor of the first tenth of them{below}. "
        "A line that rises while the clock falls is a machine that holds itself back.",
        left_out(shown, rows),
        evidence_note(section, shown),
    )
    alt = "Latency under sustained load. " + " ".join(_told(row) for row in shown)
    return Picture(
        "throttle", "throttle", "Latency under sustained load", caption, alt, _svg(section, shown, panels, alt)
    )


def _told(row: Row) -> str:
    found = endurance(row.result.sustained)
    if found is None:
        return ""
    first, last = units.duration(found.first_p50_s), units.duration(found.last_p50_s)
    return f"{row.name}: p50 {first} at first, {last} at last, {found.verdict.value}."


def _first(row: Row) -> str:
    found = endurance(row.result.sustained)
    return row.name if found is None else f"{row.name}: {units.duration(found.first_p50_s)} at first"


def _panels(rows: Sequence[Row]) -> list[Panel]:
    latency = {row.name: _relative(row) for row in rows}
    panels = [Panel("p50 against the first slices", TALL, units.factor, latency)]
    clock = {row.name: _moments(row, lambda moment: moment.clock_hz, units.frequency) for row in rows}
    warmth = {row.name: _moments(row, lambda moment: moment.temperature_c, units.temperature) for row in rows}
    if any(len(dots) >= FEWEST for dots in clock.values()):
        panels.append(Panel("clock", LOW, units.frequency, clock))
    if any(len(dots) >= FEWEST for dots in warmth.values()):
        panels.append(Panel("hottest part", LOW, units.temperature, warmth))
    return panels


def _moments(row: Row, value: Callable[[Moment], float | None], text: Callable[[float], str]) -> list[Dot]:
    found = [(at_s, value(s.moment)) for s, at_s in _timed(row)]
    return [Dot(at_s, one, text=f"{row.name}: {text(one)}") for at_s, one in found if one is not None]


def _relative(row: Row) -> list[Dot]:
    whole = endurance(row.result.sustained)
    first = whole.first_p50_s if whole else 0.0
    return [Dot(at_s, s.p50_s / first, text=_card(row.name, s, at_s)) for s, at_s in _timed(row)] if first > 0 else []


def _timed(row: Row) -> list[tuple[SustainedSlice, float]]:
    """Return each slice with the seconds from the start of the load to its middle."""
    slices = row.result.sustained
    return [(s, s.start_s - slices[0].start_s + s.seconds / 2) for s in slices]


def _card(name: str, s: SustainedSlice, at_s: float) -> str:
    told = [f"{name} after {at_s:,.0f} s: p50 {units.duration(s.p50_s)}, p95 {units.duration(s.p95_s)}"]
    told += [units.frequency(s.moment.clock_hz)] if s.moment.clock_hz is not None else []
    told += [units.temperature(s.moment.temperature_c)] if s.moment.temperature_c is not None else []
    return ", ".join([*told, *s.moment.throttled])


def _svg(section: Section, rows: Sequence[Row], panels: Sequence[Panel], label: str) -> str:
    marks = Marks()
    styles = looks(section.table.rows, rows)
    end = max(t for row in rows for _, t in _timed(row))
    entries = [Entry(row.name, _first(row), styles[row.name], row.name == recommended(section)) for row in rows]
    charts = []
    for panel in panels:
        last = panel is panels[-1]
        layers = _panel(panel, styles, end, marks, last=last)
        layers += legend(entries, marks, below=panel.height) if last else []
        charts.append(chart(layers, WIDTH, panel.height))
    svg = draw(above_each_other(charts, spacing=14))
    return finish(svg, marks, prefix=f"{section.name}-throttle-", label=label)


def _panel(panel: Panel, styles: Mapping[str, Look], end: float, marks: Marks, *, last: bool) -> list[Spec]:
    minutes = end > MINUTES
    ticks_x = [60 * tick for tick in linear_ticks(0, end / 60)] if minutes else linear_ticks(0, end)
    title = f"{'minutes' if minutes else 'seconds'} of load" if last else ""
    x = axis("x", (0, end * 1.02), ticks_x, lambda v: f"{v / 60 if minutes else v:g}", title, labels=last, grid=False)
    dots = [dot for curve in panel.curves.values() for dot in curve]
    low, high = min(dot.y for dot in dots), max(dot.y for dot in dots)
    pad = max(0.08 * (high - low), 0.02 * abs(high)) or 1.0  # a flat line is shown as one
    low, high = low - pad, high + pad
    ticks = linear_ticks(low, high, most=5 if panel.height == TALL else 3)
    y = axis("y", (low, high), ticks, panel.tick, panel.title, minExtent=54, maxExtent=54)
    layers: list[Spec] = []
    for name, curve in panel.curves.items():
        if curve:
            layers += curve_layers(name, curve, styles[name], x, y, marks, points=False)
    return layers
