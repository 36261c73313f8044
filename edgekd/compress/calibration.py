"""Which texts calibrate a static quantizer: all lengths and all classes."""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.data.types import Target
    from edgekd.tasks import Task

_BINS = 4  # of a regression's values


def choose_calibration(
    lengths: Sequence[int], targets: Sequence[Target], task: Task, count: int, seed: int = 0
) -> list[int]:
    """Choose at most ``count`` texts: every class in proportion, and within a class all lengths evenly.

    Each class gets at least one text if ``count`` allows. The classes of a regression are quarters of its values;
    a text of a multi-label task belongs to the rarest of its labels.

    Args:
        lengths: tokens of each text.
        targets: of each text; none at all if they are not known.
        task: tells what a target is.
        count: texts wanted.
        seed: decides between texts of equal length.

    Returns:
        Indexes of the texts, ascending.
    """
    classes = _classes(targets, task) if targets else [0] * len(lengths)
    members: dict[Any, list[int]] = {}
    for index, name in enumerate(classes):
        members.setdefault(name, []).append(index)
    shares = _shares({name: len(rows) for name, rows in members.items()}, min(count, len(lengths)))
    rng = random.Random(seed)  # noqa: S311 - not for secrets
    chosen: list[int] = []
    for name, rows in members.items():
        rng.shuffle(rows)
        rows.sort(key=lambda index: lengths[index])
        chosen += [rows[place] for place in _places(len(rows), shares[name])]
    return sorted(chosen)


def _classes(targets: Sequence[Target], task: Task) -> list[Any]:
    """Return the class of each text."""
    if task.kind is TaskKind.MULTI_LABEL:
        labels: list[tuple[int, ...]] = [target if isinstance(target, tuple) else () for target in targets]
        occurs = Counter(label for target in labels for label in target)
        return [min(target, key=lambda label: (occurs[label], label), default=None) for target in labels]
    if task.kind is TaskKind.REGRESSION:
        order = np.argsort(np.asarray(targets, float), kind="stable")
        place = np.empty(len(order), int)
        place[order] = np.arange(len(order))
        return (place * _BINS // len(order)).tolist()
    return list(targets)


def _shares(sizes: dict[Any, int], count: int) -> dict[Any, int]:
    """Share ``count`` among classes in proportion to their sizes: one each first, the rest by largest remainders."""
    names = sorted(sizes, key=lambda name: -sizes[name])
    shares = dict.fromkeys(names, 0)
    for name in names[:count]:
        shares[name] = 1
    total = sum(sizes.values())
    for _ in range(count - sum(shares.values())):
        behind = max(names, key=lambda name: (shares[name] < sizes[name], count * sizes[name] / total - shares[name]))
        shares[behind] += 1
    return shares


def _places(size: int, count: int) -> list[int]:
    """Return ``count`` places among ``size`` sorted ones: both ends and evenly between; of one the middle."""
    if count == 1:
        return [size // 2]
    return [int(place) for place in np.linspace(0, size - 1, count).round()]
