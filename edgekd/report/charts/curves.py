"""A few variants as curves over one axis, with a key below."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgekd.report.charts.style import PAPER
from edgekd.report.charts.vega import layer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.report.charts.style import Look
    from edgekd.report.charts.svg import Marks
    from edgekd.report.charts.vega import Spec

MOST_POINTS = 200


@dataclass(frozen=True)
class Dot:
    """A point of a curve, with its band and what its card says."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None
    text: str = ""


def curve_layers(
    name: str, dots: Sequence[Dot], look: Look, x: Spec, y: Spec, marks: Marks, *, points: bool, bars: bool = False
) -> list[Spec]:
    """Return band, line and points of a variant as layers.

    Args:
        name: of the row.
        dots: in the order of the line.
        look: of the variant.
        x: the scale, for the field ``x``.
        y: the scale, for the field ``y``.
        marks: of the picture.
        points: draw each point; otherwise the line alone.
        bars: draw a bar at each point instead of a band.
    """
    drawn = thinned(dots)
    line = marks.key(name, "" if points else (drawn[0].text if drawn else ""))
    records = [{"x": dot.x, "y": dot.y, "mark": line} for dot in drawn]
    banded = [
        {"x": dot.x, "low": dot.low, "high": dot.high, "mark": marks.key(name)}
        for dot in drawn
        if dot.low is not None and dot.high is not None
    ]
    line_style = {"color": look.colour, "strokeWidth": 2, "strokeDash": list(look.dash)}
    point_style = {"shape": look.shape, "size": 45, "fill": PAPER, "stroke": look.colour, "strokeWidth": 1.8}
    band = (
        ("rule", {"color": look.colour, "opacity": 0.4}) if bars else ("area", {"color": look.colour, "opacity": 0.15})
    )
    layers = [
        layer(banded, *band, x=x, y="low", y2="high", description="mark"),
        layer(records, "line", line_style, x=x, y=y, description="mark"),
    ]
    if points:
        cards = [{"x": dot.x, "y": dot.y, "mark": marks.key(name, dot.text)} for dot in drawn]
        layers.append(layer(cards, "point", {**point_style, "opacity": 1}, x=x, y=y, description="mark"))
    return layers


def thinned(dots: Sequence[Dot], *, most: int = MOST_POINTS) -> list[Dot]:
    """Return ``most`` points at most, evenly chosen, the first and the last among them."""
    if len(dots) <= most:
        return list(dots)
    return [dots[round(i * (len(dots) - 1) / (most - 1))] for i in range(most)]
