"""The names of points in a plot: beside the point where there is room, a number and a line below the plot elsewhere."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgekd.report.charts.lanes import elide
from edgekd.report.charts.legend import AXIS, LEFT, LINE
from edgekd.report.charts.style import FONT, HEIGHT, MUTED, PAPER, WIDTH
from edgekd.report.charts.texts import Written, texts
from edgekd.report.charts.vega import layer, pixel
from edgekd.report.labels import AWAY, LINE_HEIGHT, LONGEST_LINE, MARK_RADIUS, Spot, around, place, wrap

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from edgekd.report.charts.style import Look
    from edgekd.report.charts.svg import Marks
    from edgekd.report.charts.vega import Spec
    from edgekd.report.labels import Box, Label

MOST_NUMBERED = 12  # lines below the plot
FAR = 15.0  # pixels from a point to its name, from which on a line joins them
NUMBER, FORM = 24, 40  # below the plot: where numbers end and marks stand, where names begin


@dataclass(frozen=True)
class Named:
    """A text beside a point: the name of its row, or a number."""

    name: str
    spot: Spot
    label: Label


@dataclass(frozen=True)
class Naming:
    """How the points of a plot are named; ``numbered`` are the names that a line below the plot tells."""

    beside: list[Named]
    numbered: list[str]


def naming(
    spots: Mapping[str, tuple[float, float]],
    wanted: Collection[str],
    *,
    avoid: Sequence[Box],
    faint: Sequence[Box],
) -> Naming:
    """Place the names of points.

    Args:
        spots: where each point is, in pixels, the most important first.
        wanted: names that must stand beside their points.
        avoid: what names should not cover.
        faint: what they may cover where there is no better place.
    """
    short = [name for name in spots if name in wanted or len(name) <= LONGEST_LINE]
    points = [Spot(*spots[name], wrap(name), optional=name not in wanted) for name in short]
    others = [around(*place_of, away=AWAY) for name, place_of in spots.items() if name not in short]
    labels = place(points, width=WIDTH, height=HEIGHT, font_size=FONT, avoid=avoid, faint=faint, taken=others)
    found = zip(short, points, labels, strict=True)
    beside = [Named(name, spot, label) for name, spot, label in found if label is not None]
    known = {one.name for one in beside}
    rest = sorted([name for name in spots if name not in known][:MOST_NUMBERED], key=lambda name: spots[name])
    numbers = [Spot(*spots[name], str(i)) for i, name in enumerate(rest, start=1)]
    taken = [one.label.box for one in beside]
    taken += [around(*place_of) for name, place_of in spots.items() if name in known]
    placed = place(numbers, width=WIDTH, height=HEIGHT, font_size=FONT, avoid=avoid, faint=faint, taken=taken)
    second = zip(rest, numbers, placed, strict=True)
    return Naming([*beside, *(Named(name, spot, label) for name, spot, label in second if label is not None)], rest)


def name_layers(found: Naming, styles: Mapping[str, Look], bold: str | None, marks: Marks) -> list[Spec]:
    """Return the names as layers.

    Args:
        found: where they stand.
        styles: how the points are drawn.
        bold: the name that is set in bold.
        marks: of the picture.
    """
    leads, written = [], []
    for one in found.beside:
        spot, label = one.spot, one.label
        lines = spot.text.count("\n")
        y = spot.y + label.dy - lines * FONT * LINE_HEIGHT / 2
        written.append(Written(one.name, spot.text, spot.x + label.dx, y, label.align, one.name == bold))
        leads += _lead(spot, label.box)
    forms = []
    for i, name in enumerate(found.numbered):
        y = HEIGHT + AXIS + LINE * (i + 0.5)
        written.append(Written(name, str(i + 1), LEFT + 14, y, "right", name == bold))
        written.append(Written(name, elide(name, WIDTH - LEFT - FORM), LEFT + FORM, y, "left", name == bold))
        look = styles[name]
        forms.append({"x": LEFT + NUMBER, "y": y, "shape": look.shape, "colour": look.colour, "mark": marks.key(name)})
    x, y_pixels = pixel("x"), pixel("y")
    form = {"size": 45, "fill": PAPER, "strokeWidth": 1.8, "opacity": 1}
    return [
        layer(leads, "rule", {"color": MUTED, "opacity": 0.7}, x=x, y=y_pixels, x2="x2", y2="y2"),
        layer(forms, "point", form, x=x, y=y_pixels, shape="shape", stroke="colour", description="mark"),
        *texts(written, marks),
    ]


def _lead(spot: Spot, box: Box) -> list[dict[str, float]]:
    """Return a line from a point to its name, where that is not beside it."""
    x, y = min(max(spot.x, box.left), box.right), min(max(spot.y, box.top), box.bottom)
    length = math.hypot(x - spot.x, y - spot.y)
    if length < FAR:
        return []
    share = MARK_RADIUS / length  # it begins at the rim of the mark
    return [{"x": spot.x + share * (x - spot.x), "y": spot.y + share * (y - spot.y), "x2": x, "y2": y}]
