"""The key below a plot: a line for each variant, with its full name, so that nothing overlaps on a phone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgekd.report.charts.lanes import elide
from edgekd.report.charts.style import PAPER, WIDTH
from edgekd.report.charts.texts import Written, texts
from edgekd.report.charts.vega import layer, pixel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.report.charts.style import Look
    from edgekd.report.charts.svg import Marks
    from edgekd.report.charts.vega import Spec

LINE = 19  # pixels
SAMPLE = 30  # width of the sample of a line
AXIS = 58  # below the plot: numbers and title
LEFT = -44  # below the numbers of the axis there is room too


@dataclass(frozen=True)
class Entry:
    """A line of the key."""

    name: str  # of the row
    text: str
    look: Look
    bold: bool = False


def legend(entries: Sequence[Entry], marks: Marks, *, below: float) -> list[Spec]:
    """Return a key as layers.

    Args:
        entries: its lines.
        marks: of the picture.
        below: height of the plot, in pixels.
    """
    lines, forms, written = [], [], []
    for i, entry in enumerate(entries):
        y = below + AXIS + LINE * (i + 0.5)
        text = elide(entry.text, WIDTH - LEFT - SAMPLE - 8)
        written.append(Written(entry.name, text, LEFT + SAMPLE + 8, y, "left", entry.bold))
        line = [{"x": LEFT, "x2": LEFT + SAMPLE, "y": y, "mark": marks.key(entry.name)}]
        style = {"color": entry.look.colour, "strokeWidth": 2, "strokeDash": list(entry.look.dash)}
        lines.append(layer(line, "rule", style, x=pixel("x"), x2="x2", y=pixel("y"), description="mark"))
        form = {"x": LEFT + SAMPLE / 2, "y": y, "mark": marks.key(entry.name)}
        forms.append({**form, "shape": entry.look.shape, "colour": entry.look.colour})
    point = {"size": 45, "fill": PAPER, "strokeWidth": 1.8, "opacity": 1}
    told = {"shape": "shape", "stroke": "colour", "description": "mark"}
    return [*lines, layer(forms, "point", point, x=pixel("x"), y=pixel("y"), **told), *texts(written, marks)]
