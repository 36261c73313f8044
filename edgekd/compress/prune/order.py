"""The order in which units go; a budget says how far to follow it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.compress.prune.importance import Scores
    from edgekd.compress.prune.size import Kept
    from edgekd.compress.prune.structure import Group


@dataclass(frozen=True)
class _Chunk:
    """Units that go together, so that the width that is left is a multiple: the same number in groups that are tied."""

    units: dict[str, list[int]]
    score: float  # mean of the units
    gone: float  # share of the group that is gone with this and the chunks before it


class Order:
    """The order in which units go.

    Units go in chunks of ``multiple_of`` outputs of a matrix (the first of a group may be smaller), so that the widths
    that are left are multiples of it; the last multiple of a group always stays. A head has many outputs, so a chunk is
    mostly one head. Within a group the units with the lowest scores go first.

    Args:
        groups: of one model.
        scores: of their units, comparable between groups.
        scope: ``global``: the chunk with the lowest mean score of all groups is next; ``layer``: the one whose group
            has lost the smallest share, so that all groups lose equal shares.
        multiple_of: width.
    """

    def __init__(
        self, groups: Sequence[Group], scores: Scores, *, scope: Literal["global", "layer"], multiple_of: int = 1
    ) -> None:
        self.groups = groups
        together: dict[str, list[Group]] = {}
        for group in groups:
            together.setdefault(group.tied, []).append(group)
        chunks = [chunk for tied in together.values() for chunk in _chunks(tied, scores, multiple_of)]
        # Sorting is stable, so chunks of a group stay in their order, and equal scores go from the front to the back.
        self.chunks = sorted(chunks, key=lambda chunk: chunk.score if scope == "global" else chunk.gone)

    def __len__(self) -> int:
        return len(self.chunks)

    def kept(self, count: int) -> Kept:
        """Return what stays after the first ``count`` chunks."""
        gone: dict[str, set[int]] = {group.name: set() for group in self.groups}
        for chunk in self.chunks[:count]:
            for name, units in chunk.units.items():
                gone[name].update(units)
        return {group.name: [i for i in range(group.count) if i not in gone[group.name]] for group in self.groups}


def _chunks(tied: Sequence[Group], scores: Scores, multiple_of: int) -> list[_Chunk]:
    count = tied[0].count
    least = multiple_of // math.gcd(multiple_of, tied[0].width)
    ascending = {group.name: np.argsort(scores[group.name], kind="stable") for group in tied}
    result, start = [], 0
    for stop in range((count - 1) % least + 1, count - least + 1, least):
        units = {name: rank[start:stop].tolist() for name, rank in ascending.items()}
        score = float(np.mean([scores[name][numbers] for name, numbers in units.items()]))
        result.append(_Chunk(units, score, stop / count))
        start = stop
    return result
