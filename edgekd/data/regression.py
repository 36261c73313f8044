"""Regression: each text has a number."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from edgekd.data.labels import looks_like, missing, number_of
from edgekd.errors import DataError
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.data.rows import Rows
    from edgekd.data.types import Target

KIND = TaskKind.REGRESSION
MAX_ABS = 3.4028234663852886e38  # the largest number in single precision, in which models compute


class Regression:
    """Targets are the numbers themselves, in the units of the data."""

    def parse(self, rows: Rows) -> list[float | None]:
        """Return each text's number; None where the cell is empty.

        Raises:
            ConfigError: when a cell is a list, or the column holds numbered classes.
            DataError: naming the row that is no finite number.
        """
        if rows.names is not None and len(rows.names) != 1:
            raise looks_like(TaskKind.SINGLE_LABEL, KIND, rows.place)
        return [self._number(cell, rows, index) for index, cell in enumerate(rows.cells)]

    def labels(self, rows: Rows, parsed: Sequence[float | None], configured: Sequence[str] | None) -> list[str]:
        """Return the name of what is measured: as configured, or that of the column."""
        return list(configured or rows.names or (rows.column,))

    def targets(
        self, rows: Rows, parsed: Sequence[float | None], labels: Sequence[str], *, numbers_are_indexes: bool
    ) -> list[Target]:
        """Return the numbers.

        Raises:
            DataError: naming the row whose number is missing.
        """
        found: list[Target] = []
        for index, number in enumerate(parsed):
            if number is None:
                raise missing(rows.where(index))
            found.append(number)
        return found

    def check_training(self, targets: Sequence[Target], labels: Sequence[str], source: str) -> None:
        """Refuse training texts that all have the same number."""
        present = set(targets)
        if len(present) == 1:
            (only,) = present
            raise DataError(
                f"The training texts of '{source}' all have the same '{labels[0]}': {only}.",
                hint="There is nothing to learn; check the column of the numbers (data.label_column).",
            )

    def _number(self, cell: Any, rows: Rows, index: int) -> float | None:
        if cell is None or (isinstance(cell, str) and not cell.strip()):
            return None
        if isinstance(cell, list | tuple | dict):
            raise looks_like(TaskKind.MULTI_LABEL, KIND, rows.where(index))
        written = isinstance(cell, str | int | float | Decimal) and not isinstance(cell, bool)
        number = number_of(str(cell)) if written else None
        if number is None:
            raise DataError(
                f"{rows.where(index)}: expected a number, found '{cell}'.",
                hint="Write numbers like -1.5; or set data.label_column to the column of the numbers; or for names of "
                f"classes set data.task: {TaskKind.SINGLE_LABEL.value} in the recipe, or --task single-label.",
            )
        if not math.isfinite(number) or abs(number) > MAX_ABS:
            raise DataError(
                f"{rows.where(index)}: '{cell}' is no finite number (at most {MAX_ABS:g}).",
                hint="Correct the row, or move texts without a number to a file listed under data.unlabelled.",
            )
        return number
