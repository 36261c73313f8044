"""The Pareto front of a benefit against a cost, and its knee. Pure functions of numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Point:
    """A variant: ``benefit`` is better when higher (accuracy), ``cost`` when lower (seconds, bytes)."""

    name: str
    benefit: float
    cost: float


def dominates(a: Point, b: Point) -> bool:
    """Tell whether ``a`` is at least as good as ``b`` in both respects and better in one."""
    at_least = a.benefit >= b.benefit and a.cost <= b.cost
    return at_least and (a.benefit > b.benefit or a.cost < b.cost)


def front(points: Sequence[Point]) -> list[Point]:
    """Return the points that no other point dominates, cheapest first; equal points stay together.

    One pass in order of cost: a point is on the front when its benefit exceeds that of everything cheaper.
    Points with a NaN are never on it.
    """
    usable = [p for p in points if not math.isnan(p.benefit) and not math.isnan(p.cost)]
    best: list[Point] = []
    for point in sorted(usable, key=lambda p: (p.cost, -p.benefit)):
        last = best[-1] if best else None
        if last is None or point.benefit > last.benefit or (point.benefit, point.cost) == (last.benefit, last.cost):
            best.append(point)
    return best


def knee(points: Sequence[Point]) -> Point | None:
    """Return the point of the front that bends it most: a balanced choice.

    With log cost and benefit scaled to 0..1 between the two ends of the front, the knee is the point furthest
    above the straight line between them (Satopaa et al. 2011, "Finding a Kneedle in a Haystack", III).
    Without a point above that line it is the cheapest one. Costs must be positive.
    """
    line = front(points)
    if not line:
        return None
    first, last = line[0], line[-1]
    width = math.log(last.cost / first.cost) if last.cost > first.cost else 0.0
    height = last.benefit - first.benefit
    if width == 0 or height == 0:
        return first

    def above(point: Point) -> float:
        return (point.benefit - first.benefit) / height - math.log(point.cost / first.cost) / width

    return max(line, key=above)
