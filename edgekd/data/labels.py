"""What the readers of all tasks share: names of labels, their order, and the errors about them."""

from __future__ import annotations

import math
import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from edgekd.errors import ConfigError, DataError
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_INTEGER = re.compile(r"[+-]?\d{1,18}")
_SHOWN = 30


def label_name(value: Any, names: Sequence[str] | None, where: str) -> str | None:
    """Return the name of one label; None where there is none.

    An integer becomes a name as it is written, or the one that the source itself gives it.

    Args:
        value: a text, a number without fraction, a truth value, or nothing.
        names: names of the source for its integers, or None.
        where: the place, for messages.

    Raises:
        DataError: when the value is something else, or an integer has no name in the source.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, int) and not (isinstance(value, float) and value.is_integer()):
        shown = str(value) if isinstance(value, float) else type(value).__name__
        raise DataError(f"{where}: expected a label name or number, found {shown}.")
    number = int(value)
    if names is None:
        return str(number)
    if number == -1:  # how data sets on the hub mark rows whose label is withheld
        return None
    if not 0 <= number < len(names):
        raise DataError(f"{where}: label {number} has no name; the data set names 0 to {len(names) - 1}.")
    return names[number]


def order_labels(names: Iterable[str]) -> list[str]:
    """Return the distinct names, sorted: numerically when all are integers."""
    distinct = set(names)
    if all(_INTEGER.fullmatch(name) for name in distinct):
        return sorted(distinct, key=lambda name: (int(name), name))
    return sorted(distinct)


def index_of(labels: Sequence[str], *, numbers_are_indexes: bool) -> dict[str, int]:
    """Return name -> index.

    Args:
        labels: names in order.
        numbers_are_indexes: an integer that is no name itself stands for the label of that index.
    """
    known = {name: index for index, name in enumerate(labels)}
    if numbers_are_indexes:
        for index in range(len(labels)):
            known.setdefault(str(index), index)
    return known


def number_of(text: str) -> float | None:
    """Return the number that a text is, or None; underscores, which Python reads over, make it no number."""
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


def looks_like(found: TaskKind, given: TaskKind, where: str) -> ConfigError:
    """Build the error for data that are of another task than the one that was asked for."""
    return ConfigError(
        f"{where}: this looks like {found.value} data, but the task is {given.value}.",
        hint=f"Set data.task: {found.value} in the recipe, or --task {found.value}. "
        "(A finished model can only be measured with data of its own task.)",
    )


def refuse_measured(names: Sequence[str] | None, given: TaskKind, where: str) -> None:
    """Refuse a source that names one value only: prepared regression data name what is measured.

    Raises:
        ConfigError: when it does.
    """
    if names is not None and len(names) == 1:
        raise looks_like(TaskKind.REGRESSION, given, where)


def missing(where: str, *, hint: str = "Add it") -> DataError:
    """Build the error for a row without a label."""
    return DataError(
        f"{where}: the label is missing.",
        hint=f"{hint}, or move texts without labels to a file listed under data.unlabelled.",
    )


def unknown_label(name: str, labels: Sequence[str], known: Mapping[str, int], where: str) -> DataError:
    """Build the error for a label that is not allowed, with the nearest one that is."""
    near = get_close_matches(name, labels, n=1, cutoff=0.5)
    guess = f" Did you mean '{near[0]}'?" if near else ""
    more = f" and {len(labels) - _SHOWN} more" if len(labels) > _SHOWN else ""
    allowed = ", ".join(labels[:_SHOWN]) + more
    numbers = f" (or their numbers, 0 to {len(labels) - 1})" if len(known) > len(labels) else ""
    return DataError(
        f"{where}: unknown label '{name}'. Allowed: {allowed}{numbers}.{guess}",
        hint="Correct the row, or give all label names in order with data.labels in the recipe.",
    )
