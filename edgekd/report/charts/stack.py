"""Bars of several pieces, one bar in each lane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgekd.report.charts.lanes import width_of
from edgekd.report.charts.style import FONT, INK, LANE_WIDTH
from edgekd.report.charts.vega import layer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.report.charts.lanes import Lanes
    from edgekd.report.charts.svg import Marks
    from edgekd.report.charts.vega import Spec


@dataclass(frozen=True)
class Piece:
    """A part of a bar, in the units of the axis."""

    low: float
    high: float
    fill: str
    opacity: float
    stroke: str
    text: str  # of its card
    written: str = ""  # on it, where there is room


def stacked(
    lanes: Lanes, names: Sequence[str], bars: Sequence[Sequence[Piece]], x: Spec, marks: Marks, *, span: float = 1.0
) -> list[Spec]:
    """Return the bars as layers.

    Args:
        lanes: where they stand.
        names: of the rows.
        bars: the pieces of each lane.
        x: the scale, for the field ``x``.
        marks: of the picture.
        span: length of the axis, in its units, to know which pieces have room for writing.
    """
    records, written = [], []
    for i, (name, pieces) in enumerate(zip(names, bars, strict=True)):
        top = lanes.top(i)
        for piece in pieces:
            record = {"x": piece.low, "x2": piece.high, "y": top, "y2": top + lanes.body, "fill": piece.fill}
            record |= {"opacity": piece.opacity, "stroke": piece.stroke, "mark": marks.key(name, piece.text)}
            records.append(record)
            if piece.written and (piece.high - piece.low) / span * LANE_WIDTH > width_of(piece.written) + 8:
                middle = top + lanes.body / 2
                written.append({"x": piece.low, "y": middle, "text": piece.written, "mark": marks.key(name)})
    fills = {
        "x2": "x2",
        "y2": "y2",
        "fill": "fill",
        "fillOpacity": "opacity",
        "stroke": "stroke",
        "description": "mark",
    }
    layers = [layer(records, "rect", {"strokeWidth": 1}, x=x, y=lanes.y, **fills)]
    text = {"align": "left", "baseline": "middle", "dx": 5, "fontSize": FONT, "color": INK}
    layers.append(layer(written, "text", text, x=x, y=lanes.y, text="text", description="mark"))
    return layers
