"""The Pareto front of a benefit against a cost. Pure functions of numbers."""

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
