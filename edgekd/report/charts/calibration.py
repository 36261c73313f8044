"""Whether probabilities are honest: how often an answer is right against how sure the model was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd import units
from edgekd.report.charts.choice import chosen, left_out, recommended, sentences
from edgekd.report.charts.curves import Dot, curve_layers
from edgekd.report.charts.legend import Entry, legend
from edgekd.report.charts.picture import Picture
from edgekd.report.charts.reliability import FEWEST, Bin, reliability
from edgekd.report.charts.scales import linear_ticks
from edgekd.report.charts.style import HEIGHT, MUTED, WIDTH, looks
from edgekd.report.charts.svg import Marks, draw, finish
from edgekd.report.charts.vega import axis, chart, layer
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edgekd.report.model import Section
    from edgekd.report.table import Row

MOST = 4


def calibration(section: Section) -> Picture | None:
    """Draw the reliability of a few variants; None where answers or true labels are missing.

    Raises:
        ModuleNotFoundError: without the packages of the ``report`` extra.
    """
    found: dict[str, list[Bin]] = {}
    for row in section.table.rows:
        bins = reliability(row.result.quality)
        if len(bins) >= 2 and row.cells["ece"].value is not None:
            found[row.name] = bins
    rows = [row for row in section.table.rows if row.name in found]
    if not rows:
        return None
    shown = chosen(section, rows, most=MOST)
    alt = "Calibration. " + " ".join(f"{row.name}: ECE {row.cells['ece'].text}." for row in shown)
    what = "answers" if section.table.task is TaskKind.SINGLE_LABEL else "decisions"
    caption = sentences(
        f"How often {what} are right against how sure the model was, after calibration: on the dashed line "
        "probabilities are honest, below it the model is too sure of itself. Each point stands for "
        f"{FEWEST} {what} or more, its bar is the 95 % interval; ECE is the mean distance.",
        left_out(shown, rows),
    )
    return Picture(
        "calibration", "calibration", "Are the probabilities honest?", caption, alt, _svg(section, shown, found, alt)
    )


def _svg(section: Section, rows: Sequence[Row], bins: Mapping[str, Sequence[Bin]], label: str) -> str:
    marks = Marks()
    styles = looks(section.table.rows, rows)
    single = section.table.task is TaskKind.SINGLE_LABEL
    every = [one for row in rows for one in bins[row.name]]
    low_x = max(0.0, min(one.confidence for one in every) - 0.03) if single else 0.0
    low_y = max(0.0, min(min(one.interval[0] for one in every), low_x) - 0.03)
    sure = "how sure: probability of the answer" if single else "probability of the label"
    right = "how often right" if single else "how often true"
    x = axis("x", (low_x, 1.01), linear_ticks(low_x, 1.0), units.short_percent, sure)
    y = axis("y", (low_y, 1.01), linear_ticks(low_y, 1.0), units.short_percent, right)
    start = max(low_x, low_y)
    honest: list[dict[str, float]] = [{"x": start, "y": start}, {"x": 1, "y": 1}]
    layers = [layer(honest, "line", {"color": MUTED, "strokeDash": [4, 4], "strokeWidth": 1.5}, x=x, y=y)]
    for row in rows:
        dots = [Dot(one.confidence, one.right, *one.interval, _card(row, one)) for one in bins[row.name]]
        layers += curve_layers(row.name, dots, styles[row.name], x, y, marks, points=True, bars=True)
    entries = [
        Entry(row.name, f"{row.name}: ECE {row.cells['ece'].text}", styles[row.name], row.name == recommended(section))
        for row in rows
    ]
    layers += legend(entries, marks, below=HEIGHT)
    return finish(draw(chart(layers, WIDTH, HEIGHT)), marks, prefix=f"{section.name}-calibration-", label=label)


def _card(row: Row, one: Bin) -> str:
    sure, right = units.percent(one.confidence), units.percent(one.right)
    return f"{row.name}: {right} right where it was {sure} sure ({one.count:,} answers), ECE {row.cells['ece'].text}"
