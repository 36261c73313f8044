"""Place the names of points in a plot so that they cover neither each other nor the points. Pure geometry."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

CHARACTER_WIDTH = 0.58  # of the font size; wide enough for the average of a sans-serif face
MARK_RADIUS = 6.0


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels; y grows downwards."""

    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: Box) -> float:
        """Return the area that two boxes share, in square pixels."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(0.0, width) * max(0.0, height)


@dataclass(frozen=True)
class Label:
    """Where a name goes: offset of its anchor from the point, and how it is aligned there."""

    dx: float
    dy: float
    align: str  # "left", "center" or "right"
    box: Box


@dataclass(frozen=True)
class Spot:
    """A point to name, in pixels."""

    x: float
    y: float
    text: str


def _candidates(spot: Spot, font_size: float) -> list[Label]:
    """Return places around a point, the preferred first: right, left, above, below, then further away."""
    width, half = CHARACTER_WIDTH * font_size * len(spot.text), font_size * 0.6
    found = []
    for distance, (horizontal, vertical) in product(
        (1.0, 1.8, 2.8, 4.0),
        ((1, 0), (-1, 0), (0, -1), (0, 1), (1, -1), (1, 1), (-1, -1), (-1, 1)),
    ):
        dx = horizontal * (MARK_RADIUS + 3)
        dy = vertical * (half + MARK_RADIUS) * distance
        if vertical == 0 and distance > 1:
            continue
        align = {1: "left", 0: "center", -1: "right"}[horizontal]
        left = spot.x + dx - {1: 0.0, 0: width / 2, -1: width}[horizontal]
        box = Box(left, spot.y + dy - half, left + width, spot.y + dy + half)
        found.append(Label(dx, dy, align, box))
    return found


def _mark(spot: Spot) -> Box:
    return Box(spot.x - MARK_RADIUS, spot.y - MARK_RADIUS, spot.x + MARK_RADIUS, spot.y + MARK_RADIUS)


def place(
    spots: Sequence[Spot], *, width: float, height: float, font_size: float, avoid: Sequence[Box] = ()
) -> list[Label]:
    """Return one label per point, chosen greedily: least overlap, then nearest, in the order given.

    Args:
        spots: the points.
        width: of the plot, in pixels; labels stay inside.
        height: of the plot, in pixels.
        font_size: in pixels.
        avoid: other things that are better left free, such as lines; they weigh a tenth of names.
    """
    frame = Box(0, 0, width, height)
    marks = [_mark(spot) for spot in spots]
    placed: list[Label] = []

    def cost(label: Label) -> float:
        box = label.box
        area = (box.right - box.left) * (box.bottom - box.top)
        outside = area - box.overlap(frame)
        names = sum(box.overlap(other.box) for other in placed)
        covered = sum(box.overlap(mark) for mark in marks)
        return 4 * outside + 2 * names + covered + 0.1 * sum(box.overlap(thing) for thing in avoid)

    for spot in spots:
        choices = _candidates(spot, font_size)
        placed.append(min(choices, key=lambda label: (round(cost(label), 3), choices.index(label))))
    return placed
