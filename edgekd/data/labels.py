"""Label values to indexes. The only place that knows which tasks can be read."""

from __future__ import annotations

import math
import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from edgekd.errors import ConfigError, DataError
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.data.table import Table

_INTEGER = re.compile(r"[+-]?\d+")
_SEPARATORS = ("|", ",", ";")
_SHOWN = 30


def require_single_label(kind: TaskKind, *, where: str | None = None) -> None:
    """Refuse tasks that cannot be read yet.

    Args:
        kind: the task that was asked for, or that the data look like.
        where: the place in the data that shows the task, when it was not asked for.

    Raises:
        ConfigError: for every task but single-label.
    """
    if kind is not TaskKind.SINGLE_LABEL:
        raise _unsupported(kind, where)


def _unsupported(kind: TaskKind, where: str | None) -> ConfigError:
    given = f"{where}: this looks like {kind.value} data, which" if where else f"Task '{kind.value}'"
    return ConfigError(
        f"{given} is not supported yet in this version. Allowed: {TaskKind.SINGLE_LABEL.value}.",
        hint="Give data with one label name (or number) per text.",
    )


def label_names_of(table: Table, column: str) -> list[str | None]:
    """Return the name of each row's label; None where there is none.

    Integers become names as they are written, or those that the source itself gives them.

    Raises:
        ConfigError: when a value is a list or a number with a fraction.
        DataError: when an integer has no name in the source.
    """
    return [_name(value, table, row, column) for row, value in enumerate(table.read(column))]


def order_labels(names: Sequence[str]) -> list[str]:
    """Return the distinct names, sorted: numerically when all are integers."""
    distinct = set(names)
    if all(_INTEGER.fullmatch(name) for name in distinct):
        return sorted(distinct, key=lambda name: (int(name), name))
    return sorted(distinct)


def refuse_other_tasks(names: Sequence[str], places: Sequence[int], table: Table, column: str) -> None:
    """Refuse labels that are joined lists of labels, or measurements.

    Raises:
        ConfigError: when the labels look like multi-label or regression data.
    """
    distinct = set(names)
    for name, row in zip(names, places, strict=True):
        if _is_joined(name, distinct):
            require_single_label(TaskKind.MULTI_LABEL, where=f"{table.where(row, column)}: '{name}'")
    numbers = {name: _number(name) for name in distinct}
    if any(number is None for number in numbers.values()):
        return
    fractions = (row for name, row in zip(names, places, strict=True) if not (numbers[name] or 0.0).is_integer())
    first = next(fractions, None)
    if first is not None:
        require_single_label(TaskKind.REGRESSION, where=table.where(first, column))


def label_indexes(
    names: Sequence[str],
    labels: Sequence[str],
    places: Sequence[int],
    table: Table,
    column: str,
    *,
    numbers_are_indexes: bool,
) -> list[int]:
    """Return the index of each name in ``labels``.

    Args:
        names: label of each row as it was written.
        labels: allowed names, in order.
        places: row of each name in ``table``, for messages.
        table: where the names come from.
        column: the label column.
        numbers_are_indexes: take an integer that is no label name as an index into ``labels``.

    Raises:
        DataError: naming the row of a label that is not allowed.
    """
    known = {name: index for index, name in enumerate(labels)}
    if numbers_are_indexes:
        for index in range(len(labels)):
            known.setdefault(str(index), index)
    targets = []
    for name, row in zip(names, places, strict=True):
        if name not in known:
            raise _unknown(name, labels, table.where(row, column), numbers_are_indexes=numbers_are_indexes)
        targets.append(known[name])
    return targets


def _name(value: Any, table: Table, row: int, column: str) -> str | None:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and not value.is_integer():
        require_single_label(TaskKind.REGRESSION, where=f"{table.where(row, column)}: {value}")
    if isinstance(value, list | tuple | dict):
        require_single_label(TaskKind.MULTI_LABEL, where=table.where(row, column))
    if not isinstance(value, int | float):
        raise DataError(f"{table.where(row, column)}: expected a label name or number, found {type(value).__name__}.")
    number = int(value)
    names = table.label_names.get(column)
    if names is None:
        return str(number)
    if number == -1:  # how data sets on the hub mark rows whose label is withheld
        return None
    if not 0 <= number < len(names):
        raise DataError(
            f"{table.where(row, column)}: label {number} has no name; the data set names 0 to {len(names) - 1}."
        )
    return names[number]


def _is_joined(name: str, known: set[str]) -> bool:
    return any(
        separator in name and all(part.strip() in known for part in name.split(separator)) for separator in _SEPARATORS
    )


def _number(name: str) -> float | None:
    try:
        return float(name)
    except ValueError:
        return None


def _unknown(name: str, labels: Sequence[str], where: str, *, numbers_are_indexes: bool) -> DataError | ConfigError:
    if _is_joined(name, set(labels)):
        return _unsupported(TaskKind.MULTI_LABEL, f"{where}: '{name}'")
    near = get_close_matches(name, labels, n=1, cutoff=0.5)
    guess = f" Did you mean '{near[0]}'?" if near else ""
    more = f" and {len(labels) - _SHOWN} more" if len(labels) > _SHOWN else ""
    allowed = ", ".join(labels[:_SHOWN]) + more
    numbers = f" (or their numbers, 0 to {len(labels) - 1})" if numbers_are_indexes else ""
    return DataError(
        f"{where}: unknown label '{name}'. Allowed: {allowed}{numbers}.{guess}",
        hint="Correct the row, or give all label names in order with data.labels in the recipe.",
    )
