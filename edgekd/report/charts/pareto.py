"""The main score against a cost on a log scale, the Pareto front marked."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from edgekd import units
from edgekd.analysis.energy import joules_a_call
from edgekd.report import cells
from edgekd.report.cells import Cell
from edgekd.report.charts.choice import capital, evidence_note, headings, recommended, score_name, sentences, spread
from edgekd.report.charts.names import Naming, name_layers, naming
from edgekd.report.charts.picture import Picture
from edgekd.report.charts.scales import Axis, linear_ticks, log_ticks
from edgekd.report.charts.style import HEIGHT, INK, MUTED, PAPER, WIDTH, looks
from edgekd.report.charts.svg import Marks, draw, finish
from edgekd.report.charts.vega import axis, chart, layer
from edgekd.report.labels import Box
from edgekd.score_text import CORRELATIONS
from edgekd.tasks import MAIN_METRIC

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edgekd.report.charts.style import Look
    from edgekd.report.model import Section
    from edgekd.report.table import Row

MARK_AREA, RING_AREA = 90, 330  # square pixels


@dataclass(frozen=True)
class Cost:
    """What a plot has on its horizontal axis."""

    key: str  # of the picture
    column: str  # of the table; "energy_j" is of no column
    name: str  # in a heading
    axis: str
    tick: Callable[[float], str]


COSTS = [
    Cost("pareto-p50", "p50_s", "p50 latency", "p50 latency of a text (log scale)", units.short_duration),
    Cost("pareto-p95", "p95_s", "p95 latency", "p95 latency of a text (log scale)", units.short_duration),
    Cost("pareto-size", "size_bytes", "size", "size of everything shipped (log scale)", units.short_size),
    Cost("pareto-memory", "peak_rss_bytes", "peak memory", "peak resident memory (log scale)", units.short_size),
    Cost("pareto-energy", "energy_j", "energy", "energy of a text above idle (log scale)", units.short_energy),
]


@dataclass(frozen=True)
class Point:
    """A variant in the plot."""

    row: Row
    cost: Cell
    score: float
    score_low: float
    score_high: float

    @property
    def x(self) -> float:
        """Cost."""
        assert self.cost.value is not None
        return self.cost.value


def cost_cell(row: Row, column: str) -> Cell:
    """Return a cost of a row; its energy is that of the first source with an interval above zero."""
    if column != "energy_j":
        return row.cells[column]
    for estimate in joules_a_call(row.result.energy).values():
        if estimate.low > 0:
            return cells.of_estimate(estimate, units.energy, units.energy_interval, "")
    return cells.missing("not measured")


def points(section: Section, column: str) -> list[Point]:
    """Return the rows that have both numbers, those off the front first, so that the front is drawn over them."""
    found = []
    for row in section.table.rows:
        cost, main = cost_cell(row, column), row.main
        if main.value is not None and (cost.value or 0) > 0:
            low = main.value if main.low is None else main.low
            high = main.value if main.high is None else main.high
            found.append(Point(row, cost, main.value, low, high))
    return found


def on_front(found: Sequence[Point]) -> list[Point]:
    """Return the points that no other beats in both, cheapest first."""
    line: list[Point] = []
    for point in sorted(found, key=lambda p: (p.x, -p.score)):
        if not line or point.score > line[-1].score:
            line.append(point)
    return line


def pareto(section: Section, cost: Cost) -> Picture | None:
    """Draw the main score against a cost; None when fewer than two rows have both numbers.

    Raises:
        ModuleNotFoundError: without the packages of the ``report`` extra.
    """
    found = points(section, cost.column)
    if len(found) < 2:
        return None
    line = on_front(found)
    names = [point.row.name for point in line]
    found.sort(key=lambda point: point.row.name in names)  # the front is drawn last, over the others
    named = _naming(section, found, line, *_axes(found))
    name = score_name(section)
    told = ", ".join(f"{p.row.name} {p.row.main.text} at {p.cost.text}" for p in line)
    alt = f"{capital(name)} against {cost.name} of {len(found)} variants. On the Pareto front, cheapest first: {told}."
    return Picture(
        key=cost.key,
        group="pareto",
        title=f"{capital(name)} against {cost.name}",
        caption=_caption(section, [point.row for point in found], all_named=len(named.beside) == len(found)),
        alt=alt,
        svg=_svg(section, cost, found, line, named, alt),
    )


def _caption(section: Section, rows: Sequence[Row], *, all_named: bool) -> str:
    ring = "The ring is the recommended variant." if recommended(section) in {row.name for row in rows} else ""
    dashed = "The dashed line is the teacher's score." if section.table.reference in rows else ""
    return sentences(
        "Filled marks on the line are the Pareto front: no other variant is both cheaper and better.",
        ring,
        dashed,
        "Circles are fp32, diamonds int8, squares other precisions; thin bars are 95 % intervals.",
        "" if all_named else "Some marks have no room for a name; the table has all variants.",
        evidence_note(section, rows, what="latency and memory"),
    )


def _card(section: Section, cost: Cost, point: Point) -> str:
    known = headings(section)
    score = known[MAIN_METRIC[section.table.task]]
    interval = f" ({point.cost.interval})" if point.cost.interval else ""
    main = f"{score} {point.row.main.text}" + (f" ({point.row.main.interval})" if point.row.main.interval else "")
    return f"{point.row.name}: {main}, {known.get(cost.column, cost.name)} {point.cost.text}{interval}"


def _axes(found: Sequence[Point]) -> tuple[Axis, Axis]:
    xs = [point.x for point in found]
    low_x, high_x = min(xs) / 1.8, max(xs) * 2.4  # room for names
    lowest, highest = min(p.score_low for p in found), max(p.score_high for p in found)
    pad = 0.06 * (highest - lowest) or 0.01
    bottom = -1.0 if lowest < 0 else 0.0  # a correlation may be negative
    y = Axis(max(bottom, lowest - pad), min(1.005, highest + pad), HEIGHT)
    return Axis(low_x, high_x, WIDTH, log=True), y


def _record(point: Point, look: Look, on_line: bool, description: str) -> dict[str, Any]:
    cost = point.cost
    return {
        "x": point.x,
        "x_low": cost.low if cost.low is not None and cost.low > 0 else point.x,
        "x_high": cost.high if cost.high is not None else point.x,
        "y": point.score,
        "y_low": point.score_low,
        "y_high": point.score_high,
        "colour": look.colour,
        "fill": look.colour if on_line else PAPER,
        "shape": look.shape,
        "mark": description,
    }


def _line_boxes(line: Sequence[Point], x: Axis, y: Axis) -> list[Box]:
    """Cover the front's line with small boxes, so that names keep off it."""
    corners = [(x.pixel(point.x), HEIGHT - y.pixel(point.score)) for point in line]
    boxes = []
    for (x0, y0), (x1, y1) in pairwise(corners):
        steps = max(2, int(max(abs(x1 - x0), abs(y1 - y0)) / 6))
        for i in range(steps + 1):
            px, py = x0 + (x1 - x0) * i / steps, y0 + (y1 - y0) * i / steps
            boxes.append(Box(px - 3, py - 3, px + 3, py + 3))
    return boxes


def _bar_boxes(found: Sequence[Point], x: Axis, y: Axis) -> list[Box]:
    """Cover the intervals of the scores, so that names keep off them where there is room."""
    boxes = []
    for point in found:
        px = x.pixel(point.x)
        boxes.append(Box(px - 2, HEIGHT - y.pixel(point.score_high), px + 2, HEIGHT - y.pixel(point.score_low)))
    return boxes


def _svg(section: Section, cost: Cost, found: Sequence[Point], line: Sequence[Point], named: Naming, label: str) -> str:
    marks = Marks()
    styles = looks(section.table.rows, [point.row for point in found])
    cards = [marks.key(point.row.name, _card(section, cost, point)) for point in found]
    records = [
        _record(point, styles[point.row.name], point in line, card) for point, card in zip(found, cards, strict=True)
    ]
    x, y = _axes(found)
    ticks = log_ticks(x.low, x.high)
    correlation = MAIN_METRIC[section.table.task] in CORRELATIONS
    across = axis("x", (x.low, x.high), ticks, cost.tick, cost.axis, log=True, grid=False)
    ticks_y = linear_ticks(y.low, y.high)
    write = units.short_number if correlation else units.short_percent
    up = axis("y", (y.low, y.high), ticks_y, write, score_name(section))
    ring = [record for point, record in zip(found, records, strict=True) if point.row.name == recommended(section)]
    joined = [{"x": point.x, "y": point.score} for point in line]
    teacher = [{"y": point.score} for point in found if point.row is section.table.reference]
    bars = {"color": "colour", "description": "mark"}
    forms = {"shape": "shape", "fill": "fill", "stroke": "colour", "description": "mark"}
    layers = [
        layer(teacher, "rule", {"color": MUTED, "strokeDash": [4, 4]}, y=up),
        layer(joined, "line", {"color": MUTED, "strokeWidth": 1.5}, x=across, y=up),
        layer(records, "rule", {"opacity": 0.4}, x=across, y="y_low", y2="y_high", **bars),
        layer(records, "rule", {"opacity": 0.4}, x="x_low", x2="x_high", y=up, **bars),
        layer(ring, "point", {"size": RING_AREA, "strokeWidth": 1.5, "color": INK, "opacity": 1}, x=across, y=up),
        layer(records, "point", {"size": MARK_AREA, "strokeWidth": 1.8, "opacity": 1}, x=across, y=up, **forms),
        *name_layers(named, styles, recommended(section), marks),
    ]
    svg = draw(chart(layers, WIDTH, HEIGHT))
    return finish(svg, marks, prefix=f"{section.name}-{cost.key}-", label=label)


def _naming(section: Section, found: Sequence[Point], line: Sequence[Point], x: Axis, y: Axis) -> Naming:
    """Name the recommended variant and the teacher first, then the ends of the front, its middle, and the others."""
    first = [recommended(section), section.table.reference.name if section.table.reference else None]
    wanted = [name for name in first if name]
    order = [*wanted, *spread([point.row.name for point in line])]
    ordered = sorted(found, key=lambda p: order.index(p.row.name) if p.row.name in order else len(order))
    spots = {p.row.name: (x.pixel(p.x), HEIGHT - y.pixel(p.score)) for p in ordered}
    return naming(spots, wanted, avoid=_line_boxes(line, x, y), faint=_bar_boxes(found, x, y))
