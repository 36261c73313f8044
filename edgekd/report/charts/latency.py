"""How the latencies of single texts are distributed: a ridge for each variant on one log scale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgekd import units
from edgekd.report.charts.choice import chosen, evidence_note, headings, left_out, recommended, sentences
from edgekd.report.charts.lanes import Lane, Lanes
from edgekd.report.charts.picture import Picture
from edgekd.report.charts.scales import log_ticks
from edgekd.report.charts.style import INK, LANE_WIDTH, MUTED, PAPER, looks
from edgekd.report.charts.svg import Marks, draw, finish
from edgekd.report.charts.vega import axis, chart, layer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edgekd.report.model import Section
    from edgekd.report.table import Row

POINTS = 80  # of a ridge
MOST = 8
RIDGE = 30  # pixels
TAILS = (0.002, 0.998)  # of the calls; further out there is a call or two
FORMS = {"p50_s": "circle", "p95_s": "triangle-down", "p99_s": "square"}


def density(values: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a Gaussian kernel density estimate, scaled to a highest value of 1; shape of ``at``.

    The bandwidth is Silverman's: 0.9 min(standard deviation, interquartile range / 1.34) n^(-1/5) (Density Estimation,
    1986, eq. 3.31).
    """
    low, high = np.quantile(values, [0.25, 0.75])
    spreads = [spread for spread in (float(values.std()), float(high - low) / 1.34) if spread > 0]
    step = float(at[1] - at[0])
    width = max(0.9 * min(spreads, default=0.0) * len(values) ** -0.2, step)
    # Calls are counted in cells of a quarter of the bandwidth first: the same curve at a fraction of the work.
    cells = max(50, int((at[-1] - at[0]) / (width / 4)))
    counts, edges = np.histogram(values, bins=min(cells, 4000), range=(float(at[0]), float(at[-1])))
    middles = (edges[:-1] + edges[1:]) / 2
    curve = np.exp(-0.5 * ((at[:, None] - middles) / width) ** 2) @ counts
    return np.asarray(curve / curve.max())


def latency(section: Section) -> Picture | None:
    """Draw the distribution of latencies; None where none was measured.

    Raises:
        ModuleNotFoundError: without the packages of the ``report`` extra.
    """
    rows = [row for row in section.table.rows if row.cells["p50_s"].value is not None]
    if not rows:
        return None
    shown = chosen(section, rows, most=MOST)
    alt = "Latency of single texts. " + " ".join(_numbers(section, row) + "." for row in shown)
    caption = sentences(
        "How often a text takes how long: the higher, the more often. The dot is the p50, the triangle the p95, the "
        "square the p99; texts differ in length, which widens a ridge.",
        left_out(shown, rows),
        evidence_note(section, shown),
    )
    return Picture("latency", "latency", "Distribution of latencies", caption, alt, _svg(section, shown, alt))


def _numbers(section: Section, row: Row) -> str:
    known = headings(section)
    told = [f"{known[column]} {row.cells[column].text}" for column in FORMS if row.cells[column].value is not None]
    return f"{row.name}: {', '.join(told)}"


def _svg(section: Section, rows: Sequence[Row], label: str) -> str:
    marks = Marks()
    calls = [np.log10(np.asarray(row.result.samples.total_s)) for row in rows]
    ends = [np.quantile(values, TAILS) for values in calls]
    low, high = min(float(end[0]) for end in ends) - 0.1, max(float(end[1]) for end in ends) + 0.05
    at = np.linspace(low, high, 2 * POINTS)
    heads = [Lane(row.name, row.cells["p50_s"].text, row.name == recommended(section)) for row in rows]
    lanes = Lanes(heads, RIDGE)
    ticks = log_ticks(10**low, 10**high)
    title = "latency of a text, text in to label out (log scale)"
    x = axis("x", (10**low, 10**high), ticks, units.short_duration, title, log=True)
    base = [{"y": lanes.top(i) + RIDGE} for i in range(len(rows))]
    layers = [layer(base, "rule", {"color": MUTED, "opacity": 0.5}, y=lanes.y)]
    points: list[dict[str, Any]] = []
    styles = looks(section.table.rows, rows)
    for i, (row, values) in enumerate(zip(rows, calls, strict=True)):
        bottom, colour = lanes.top(i) + RIDGE, styles[row.name].colour
        curve = density(values, at)
        drawn = curve > 0.004
        card = marks.key(row.name, _numbers(section, row))
        ridge = [
            {
                "x": float(f"{10**place:.4g}"),
                "y": round(bottom - RIDGE * float(height), 1),
                "bottom": bottom,
                "mark": card,
            }
            for place, height, is_drawn in zip(at, curve, drawn, strict=True)
            if is_drawn
        ]
        layers += [
            layer(ridge, "area", {"color": colour, "opacity": 0.3}, x=x, y=lanes.y, y2="bottom", description="mark"),
            layer(ridge, "line", {"color": colour, "strokeWidth": 1.5}, x=x, y=lanes.y, description="mark"),
        ]
        points += _percentiles(section, row, bottom, colour, marks)
    style = {"size": 55, "strokeWidth": 1.6, "opacity": 1, "stroke": INK}
    layers.append(layer(points, "point", style, x=x, y=lanes.y, shape="shape", fill="fill", description="mark"))
    svg = draw(chart([*layers, *lanes.layers(marks)], LANE_WIDTH, lanes.height))
    return finish(svg, marks, prefix=f"{section.name}-latency-", label=label)


def _percentiles(section: Section, row: Row, bottom: float, colour: str, marks: Marks) -> list[dict[str, Any]]:
    known = headings(section)
    records = []
    for column, form in FORMS.items():
        cell = row.cells[column]
        if cell.value is not None:
            interval = f" ({cell.interval})" if cell.interval else ""
            text = f"{row.name}: {known[column]} {cell.text}{interval}"
            fill = colour if column == "p50_s" else PAPER
            record = {"x": cell.value, "y": bottom, "shape": form, "fill": fill, "mark": marks.key(row.name, text)}
            records.append(record)
    return records
