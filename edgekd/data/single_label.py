"""Single-label: each text has one of several classes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from edgekd.data.labels import (
    index_of,
    label_name,
    looks_like,
    missing,
    number_of,
    order_labels,
    refuse_measured,
    unknown_label,
)
from edgekd.data.multi_label import SEPARATORS, split_at
from edgekd.errors import DataError
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from edgekd.data.rows import Rows
    from edgekd.data.types import Target

KIND = TaskKind.SINGLE_LABEL


class SingleLabel:
    """Cells are names or integers; targets are indexes into the labels."""

    def parse(self, rows: Rows) -> list[str | None]:
        """Return the name of each text's label; None where there is none.

        Raises:
            ConfigError: when a cell is a list, or a number with a fraction.
        """
        refuse_measured(rows.names, KIND, rows.place)
        return [self._name(cell, rows, index) for index, cell in enumerate(rows.cells)]

    def labels(self, rows: Rows, parsed: Sequence[str | None], configured: Sequence[str] | None) -> list[str]:
        """Return the label names in order: as configured, as the source names them, or sorted.

        Raises:
            ConfigError: when they look like joined lists of labels, or like measurements.
        """
        names = self._all(rows, parsed)
        if configured is not None:
            return list(configured)
        if rows.names is not None:
            return list(rows.names)
        self._refuse_other_tasks(rows, names)
        return order_labels(names)

    def targets(
        self, rows: Rows, parsed: Sequence[str | None], labels: Sequence[str], *, numbers_are_indexes: bool
    ) -> list[Target]:
        """Return the index of each label.

        Raises:
            DataError: naming the row whose label is missing or not allowed.
        """
        known = index_of(labels, numbers_are_indexes=numbers_are_indexes)
        found: list[Target] = []
        for index, name in enumerate(self._all(rows, parsed)):
            if name not in known:
                if _is_joined(name, set(labels)):
                    raise looks_like(TaskKind.MULTI_LABEL, KIND, f"{rows.where(index)}: '{name}'")
                raise unknown_label(name, labels, known, rows.where(index))
            found.append(known[name])
        return found

    def check_training(self, targets: Sequence[Target], labels: Sequence[str], source: str) -> None:
        """Refuse training texts that are all of one class."""
        present = set(targets)
        if len(present) == 1:
            (only,) = present
            name = labels[only] if isinstance(only, int) else only
            raise DataError(
                f"The training texts of '{source}' have one class only: '{name}'.",
                hint="A classifier needs at least two classes; check the label column (data.label_column).",
            )

    def _name(self, cell: Any, rows: Rows, index: int) -> str | None:
        if isinstance(cell, list | tuple | dict):
            raise looks_like(TaskKind.MULTI_LABEL, KIND, rows.where(index))
        if isinstance(cell, float) and not math.isnan(cell) and not cell.is_integer():
            raise looks_like(TaskKind.REGRESSION, KIND, f"{rows.where(index)}: {cell}")
        return label_name(cell, rows.names, rows.where(index))

    def _all(self, rows: Rows, parsed: Sequence[str | None]) -> list[str]:
        for index, name in enumerate(parsed):
            if name is None:
                raise missing(rows.where(index))
        return [name for name in parsed if name is not None]

    def _refuse_other_tasks(self, rows: Rows, names: Sequence[str]) -> None:
        distinct = set(names)
        joined = {name for name in distinct if _is_joined(name, distinct)}
        numbers = {name: number_of(name) for name in distinct}
        fractions = {name for name, number in numbers.items() if number is not None and not number.is_integer()}
        if None in numbers.values():
            fractions = set()  # a few numbers among names are names
        for index, name in enumerate(names):
            if name in joined:
                raise looks_like(TaskKind.MULTI_LABEL, KIND, f"{rows.where(index)}: '{name}'")
            if name in fractions:
                raise looks_like(TaskKind.REGRESSION, KIND, f"{rows.where(index)}: {name}")


def _is_joined(name: str, known: Collection[str]) -> bool:
    return any(mark in name and all(part in known for part in split_at(name, mark)) for mark in SEPARATORS)
