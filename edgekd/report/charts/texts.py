"""Words at places of a picture, few layers for many of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgekd.report.charts.style import FONT, INK, PAPER
from edgekd.report.charts.svg import printable
from edgekd.report.charts.vega import layer, pixel
from edgekd.report.labels import LINE_HEIGHT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.report.charts.svg import Marks
    from edgekd.report.charts.vega import Spec


@dataclass(frozen=True)
class Written:
    """A text about a row, at a place in pixels."""

    name: str  # of the row
    text: str  # with line breaks
    x: float
    y: float  # of the middle of the first line
    align: str  # "left", "center" or "right"
    bold: bool = False
    colour: str = INK


def texts(written: Sequence[Written], marks: Marks) -> list[Spec]:
    """Return texts as layers, with a rim of the paper's colour so that they can be read over lines."""
    layers = []
    for align, bold, colour in dict.fromkeys((one.align, one.bold, one.colour) for one in written):
        records = [
            {"text": printable(one.text), "x": one.x, "y": one.y, "mark": marks.key(one.name)}
            for one in written
            if (one.align, one.bold, one.colour) == (align, bold, colour)
        ]
        style = {"align": align, "baseline": "middle", "fontSize": FONT, "color": colour, "lineBreak": "\n"}
        style |= {"lineHeight": FONT * LINE_HEIGHT, "stroke": PAPER, "strokeWidth": 3}
        style["fontWeight"] = "bold" if bold else "normal"
        layers.append(layer(records, "text", style, x=pixel("x"), y=pixel("y"), text="text", description="mark"))
    return layers
