"""Place the names of points in a plot so that they cover neither each other nor the points. Pure geometry."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

CHARACTER_WIDTH = 0.61  # of the font size; wide enough for the average of a wide sans-serif face
LINE_HEIGHT = 1.15  # of the font size
MARK_RADIUS = 6.0
AWAY = 5.0  # pixels from the mark of another point, so that it is clear whose name it is
LONGEST_LINE, MOST_LINES = 22, 2
DISTANCES = (1.0, 1.8, 2.8, 4.0)
CROWDED = 0.02  # of a name's own area: an optional name that covers more of others is left out


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels; y grows downwards."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def area(self) -> float:
        """In square pixels."""
        return (self.right - self.left) * (self.bottom - self.top)

    def overlap(self, other: Box) -> float:
        """Return the area that two boxes share, in square pixels."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(0.0, width) * max(0.0, height)


@dataclass(frozen=True)
class Label:
    """Where a name goes: offset of its middle line from the point, and how it is aligned there."""

    dx: float
    dy: float
    align: str  # "left", "center" or "right"
    box: Box


@dataclass(frozen=True)
class Spot:
    """A point to name, in pixels. Lines of ``text`` are separated by line breaks."""

    x: float
    y: float
    text: str
    optional: bool = False  # may stay without a name where there is no room


def wrap(name: str, *, longest: int = LONGEST_LINE, lines: int = MOST_LINES) -> str:
    """Break a name after hyphens, blanks and the like into lines; the middle of a very long one is left out."""
    name = " ".join(name.split())
    if len(name) <= longest:
        return name
    room = longest * lines
    if len(name) > room:
        name = f"{name[: room * 2 // 3]}\u2026{name[len(name) - room // 3 + 2 :]}"
    broken: list[str] = []
    while len(name) > longest and len(broken) < lines - 1:
        places = [i for i in range(1, longest + 1) if name[i - 1] in "-_ /.,"]
        # The last place that leaves room for the rest; a name without one is broken anywhere.
        cut = max((i for i in places if len(name) - i <= longest * (lines - len(broken) - 1)), default=longest)
        broken.append(name[:cut].rstrip())
        name = name[cut:]
    return "\n".join([*broken, name])


def _candidates(spot: Spot, font_size: float) -> list[Label]:
    """Return places around a point, the preferred first: right, left, above, below, then further away.

    An optional name stays near, where it is clear whose it is.
    """
    lines = spot.text.split("\n")
    width = CHARACTER_WIDTH * font_size * max(len(line) for line in lines)
    half = font_size * (0.6 + LINE_HEIGHT / 2 * (len(lines) - 1))
    found = []
    for distance, (horizontal, vertical) in product(
        DISTANCES[: 1 if spot.optional else None],
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


def around(x: float, y: float, *, away: float = 0.0) -> Box:
    """Return the box of a mark, and so many pixels on every side."""
    half = MARK_RADIUS + away
    return Box(x - half, y - half, x + half, y + half)


def place(
    spots: Sequence[Spot],
    *,
    width: float,
    height: float,
    font_size: float,
    avoid: Sequence[Box] = (),
    faint: Sequence[Box] = (),
    taken: Sequence[Box] = (),
) -> list[Label | None]:
    """Return one label per point, chosen greedily: least overlap, then nearest, in the order given.

    Give the most important points first: an optional one gets None where it would cover others.

    Args:
        spots: the points.
        width: of the plot, in pixels; labels stay inside.
        height: of the plot, in pixels.
        font_size: in pixels.
        avoid: other things that are better left free, such as lines; they weigh a tenth of names.
        faint: what a name may cover where there is no better place.
        taken: names that were placed before, and other points.
    """
    frame = Box(0, 0, width, height)
    near = [around(spot.x, spot.y, away=AWAY) for spot in spots]
    placed: list[Box] = list(taken)

    def hard(box: Box) -> float:
        """Return the area where the name cannot be read, hides something, or could be that of another point."""
        names = sum(box.overlap(other) for other in placed)
        return 4 * (box.area - box.overlap(frame)) + 2 * names + sum(box.overlap(other) for other in others)

    def soft(box: Box) -> float:
        return sum(box.overlap(thing) for thing in avoid)

    def cost(box: Box) -> float:
        return hard(box) + 0.1 * soft(box) + 0.05 * sum(box.overlap(thing) for thing in faint)

    chosen: list[Label | None] = []
    for i, spot in enumerate(spots):
        others = [*near[:i], *near[i + 1 :]]
        choices = _candidates(spot, font_size)
        best = min(choices, key=lambda label: (round(cost(label.box), 3), choices.index(label)))
        if spot.optional and hard(best.box) + soft(best.box) > CROWDED * best.box.area:
            chosen.append(None)
        else:
            chosen.append(best)
            placed.append(best.box)
    return chosen
