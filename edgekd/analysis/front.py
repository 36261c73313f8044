"""Which candidates of compression are worth keeping: the Pareto front of size, latency and proof, with noise. Pure.

"Smaller" and "faster" are claims here, not bare differences (see :mod:`edgekd.analysis.tried`), so two candidates can
be equal within the noise; then the one with fewer bytes stands for both. Such a relation is not transitive. A candidate
is therefore dropped only for another one that is kept (a kernel of the relation), which the reason can name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from edgekd.analysis.latency_ratio import latency_ratio
from edgekd.analysis.tried import FASTER, SMALLER, score_outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edgekd.analysis.tried import Tried

T = TypeVar("T")


class Relations:
    """Who is smaller, faster, better proven; latency ratios of pairs are computed once.

    Args:
        base: the uncompressed model, which everything has to beat clearly.
        candidates: in the order in which they were tried.
    """

    def __init__(self, base: Tried, candidates: Sequence[Tried]) -> None:
        self.base = base
        self.order = {tried.name: place for place, tried in enumerate([base, *candidates])}
        self._faster: dict[tuple[str, str], bool] = {}
        self._better: dict[tuple[str, str], bool] = {}

    def smaller(self, one: Tried, other: Tried) -> bool:
        """Tell whether one needs less than 0.98 of the other's bytes."""
        return one.result.size_bytes < SMALLER * other.result.size_bytes

    def faster(self, one: Tried, other: Tried) -> bool:
        """Tell whether one's median latency is lower: the whole paired interval, and by 3 % or more."""
        key = (one.name, other.name)
        if key not in self._faster:
            self._faster[key] = self._is_faster(one, other)
        return self._faster[key]

    def _is_faster(self, one: Tried, other: Tried) -> bool:
        if one.ratio is None or other.ratio is None:
            return False
        if other is self.base:
            return one.is_faster
        if one is self.base:
            return other.is_slower
        ratio = latency_ratio(other.result, one.result)
        return ratio is not None and ratio.high < 1 and ratio.value <= FASTER

    def better(self, one: Tried, other: Tried) -> bool:
        """Tell whether more is proven of one's score: against the allowed loss, or against the other itself."""
        if one.outcome.rank != other.outcome.rank or one is self.base or other is self.base:
            return one.outcome.rank > other.outcome.rank
        key = (one.name, other.name)
        if key not in self._better:
            change, _ = score_outcome(other.result, one.result, 0.0)
            self._better[key] = change is not None and change.low > 0
        return self._better[key]

    def dominates(self, one: Tried, other: Tried) -> bool:
        """Tell whether one is as good as the other in every respect, and better in one or, all equal, not larger.

        Respects: limits met, what is proven of the score, bytes, median latency. Where the latency of only one of them
        says something, neither dominates; but nothing stays that the base equals.
        """
        if other is self.base:
            return False
        if (one.ratio is None) != (other.ratio is None) and one is not self.base:
            return False
        if other.meets_limits and not one.meets_limits:
            return False
        if self.better(other, one) or self.smaller(other, one) or self.faster(other, one):
            return False
        return bool(self.advantages(one, other)) or self._first(one, other)

    def advantages(self, one: Tried, other: Tried) -> list[str]:
        """Return in what one is clearly better: "limits", "score", "size", "speed"."""
        found = {
            "limits": one.meets_limits and not other.meets_limits,
            "score": self.better(one, other),
            "size": self.smaller(one, other),
            "speed": self.faster(one, other),
        }
        return [name for name, true in found.items() if true]

    def _first(self, one: Tried, other: Tried) -> bool:
        """Among equals: the base, then fewer bytes, then the faster, then the earlier."""
        return self._key(one) < self._key(other)

    def _key(self, tried: Tried) -> tuple[bool, int, float, int]:
        speed = tried.ratio.value if tried.ratio else 1.0
        return (tried is not self.base, tried.result.size_bytes, speed, self.order[tried.name])


def kept_and_dominated(relations: Relations, candidates: Sequence[Tried]) -> tuple[list[Tried], dict[str, Tried]]:
    """Return the candidates that are kept, and for each other one the kept one (or the base) that dominates it."""
    dominated = {tried.name: relations.base for tried in candidates if relations.dominates(relations.base, tried)}
    left = [tried for tried in candidates if tried.name not in dominated]
    kept: list[Tried] = []
    while left:
        free = [one for one in left if not any(relations.dominates(other, one) for other in left if other is not one)]
        # A circle of claims that noise made: the smallest stands for it.
        chosen = free or [min(left, key=lambda tried: tried.result.size_bytes)]
        kept += chosen
        names = {tried.name for tried in kept}
        left = [tried for tried in left if tried.name not in names]
        for tried in left:
            by = next((one for one in chosen if relations.dominates(one, tried)), None)
            if by is not None:
                dominated[tried.name] = by
        left = [tried for tried in left if tried.name not in dominated]
    return [tried for tried in candidates if tried.name not in dominated], dominated


def fastest(
    items: Sequence[T],
    *,
    speed: Callable[[T], float | None],
    size: Callable[[T], int],
    faster: Callable[[T, T], bool],
) -> tuple[T, bool]:
    """Return the smallest of those that the one with the lowest latency does not beat clearly.

    Also whether it is that one. What has no latency comes last.
    """
    timed = [item for item in items if speed(item) is not None]
    if not timed:
        return min(items, key=size), False
    first = min(timed, key=lambda item: (speed(item) or 0.0, size(item)))
    best = min((item for item in timed if item is first or not faster(first, item)), key=size)
    return best, best is first
