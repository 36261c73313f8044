"""Multi-label: each text has any number of labels, perhaps none.

A cell is a list of names (or integers), or a text: one name, names joined with a separator, or a list written out
(``["a", "b"]``). An empty list or text means that the text has no label; an absent cell is an error.

Which separator joins the names is found over all training cells. ``|`` counts wherever it occurs. ``;``, and after it
``,``, count only when a name that they part off is also in another cell, alone or joined: ``food, drink`` that
always stands together is one name. Everywhere else the label names are known, and a cell is parted by the first
separator that leaves nothing but known names.
"""

from __future__ import annotations

import ast
import math
from collections import defaultdict
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
from edgekd.errors import DataError
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from edgekd.data.rows import Rows
    from edgekd.data.types import Target
    from edgekd.errors import ConfigError

KIND = TaskKind.MULTI_LABEL
SEPARATORS = ("|", ";", ",")

# A list of names, or a text whose separator is not known yet.
Cell = tuple[str, ...] | str


def split_at(text: str, mark: str | None) -> list[str]:
    """Return the names between separators, without empty ones; the whole text when there is no separator."""
    parts = [text] if mark is None else text.split(mark)
    return [part.strip() for part in parts if part.strip()]


def find_separator(texts: Iterable[str]) -> str | None:
    """Return the separator that joins the names of a column, or None when each text is one name."""
    cells = set(texts)
    if any("|" in cell for cell in cells):
        return "|"
    for mark in (";", ","):
        homes: dict[str, set[str]] = defaultdict(set)
        for cell in cells:
            for part in split_at(cell, mark):
                homes[part].add(cell)
        joined = (cell for cell in cells if mark in cell)
        if any(len(homes[part]) > 1 for cell in joined for part in split_at(cell, mark)):
            return mark
    return None


class MultiLabel:
    """Targets are sorted tuples of indexes into the labels."""

    def parse(self, rows: Rows) -> list[Cell | None]:
        """Return each text's names: a tuple where they are a list, a text where they may be joined, or None.

        Raises:
            ConfigError: when a cell is a number with a fraction.
            DataError: when a list holds something else than names and integers.
        """
        refuse_measured(rows.names, KIND, rows.place)
        return [self._cell(cell, rows, index) for index, cell in enumerate(rows.cells)]

    def labels(self, rows: Rows, parsed: Sequence[Cell | None], configured: Sequence[str] | None) -> list[str]:
        """Return the label names in order: as configured, as the source names them, or sorted.

        Raises:
            ConfigError: when no text has more than one label and none is a list, or all are measurements.
            DataError: when no text has a label, or a cell is missing.
        """
        if configured is not None:
            return list(configured)
        usual = self._separator(parsed)
        cells = self._all(rows, parsed)
        names = [self._names(cell, usual) for cell in cells]
        distinct = {name for row in names for name in row}
        if not distinct:
            raise DataError(
                f"No text of '{rows.table.source}' has a label in column '{rows.column}'.",
                hint="Check the label column (data.label_column).",
            )
        if all(isinstance(cell, str) and len(row) == 1 for cell, row in zip(cells, names, strict=True)):
            raise self._one_each(rows, distinct)
        return order_labels(distinct) if rows.names is None else list(rows.names)

    def targets(
        self, rows: Rows, parsed: Sequence[Cell | None], labels: Sequence[str], *, numbers_are_indexes: bool
    ) -> list[Target]:
        """Return the sorted indexes of each text's labels.

        Raises:
            DataError: naming the row whose labels are missing or not allowed.
        """
        known = index_of(labels, numbers_are_indexes=numbers_are_indexes)
        usual = self._separator(parsed)
        seen: dict[Cell, Target] = {}  # most cells repeat
        found: list[Target] = []
        for index, cell in enumerate(self._all(rows, parsed)):
            if cell not in seen:
                names = cell if isinstance(cell, tuple) else self._known_names(cell, known, usual)
                unknown = next((name for name in names if name not in known), None)
                if unknown is not None:
                    raise unknown_label(unknown, labels, known, rows.where(index))
                seen[cell] = tuple(sorted({known[name] for name in names}))
            found.append(seen[cell])
        return found

    def check_training(self, targets: Sequence[Target], labels: Sequence[str], source: str) -> None:
        """Refuse training texts that all have the same labels."""
        present = set(targets)
        if len(present) == 1:
            (only,) = present
            names = ", ".join(labels[index] for index in only) if isinstance(only, tuple) else ""
            raise DataError(
                f"The training texts of '{source}' all have the same labels: {names or 'none'}.",
                hint="There is nothing to tell apart; check the label column (data.label_column).",
            )

    def _cell(self, cell: Any, rows: Rows, index: int) -> Cell | None:
        if isinstance(cell, str):
            text = cell.strip()
            written = _written_list(text)
            if written is None:
                return text
            cell = written
        if isinstance(cell, list | tuple):
            if None in cell:
                raise DataError(f"{rows.where(index)}: a label in the list is missing.", hint="Remove it or name it.")
            names = [label_name(item, rows.names, rows.where(index)) for item in cell]
            return tuple(name for name in names if name is not None)
        if isinstance(cell, float) and not math.isnan(cell) and not cell.is_integer():
            raise looks_like(TaskKind.REGRESSION, KIND, f"{rows.where(index)}: {cell}")
        return label_name(cell, rows.names, rows.where(index))

    def _all(self, rows: Rows, parsed: Sequence[Cell | None]) -> list[Cell]:
        for index, cell in enumerate(parsed):
            if cell is None:
                raise missing(rows.where(index), hint='Write [] or "" where a text has no label')
        return [cell for cell in parsed if cell is not None]

    def _one_each(self, rows: Rows, names: Collection[str]) -> ConfigError:
        numbers = [number_of(name) for name in names]
        measured = all(number is not None for number in numbers) and any(number % 1 for number in numbers if number)
        found = TaskKind.REGRESSION if measured else TaskKind.SINGLE_LABEL
        error = looks_like(found, KIND, rows.place)
        error.hint = (
            f"{error.hint} If some texts do have several labels, join their names with '|', ';' or ',', "
            "or write lists; if each just happens to have one, give all names with data.labels."
        )
        return error

    def _separator(self, parsed: Sequence[Cell | None]) -> str | None:
        return find_separator(cell for cell in parsed if isinstance(cell, str))

    def _names(self, cell: Cell, mark: str | None) -> Sequence[str]:
        return cell if isinstance(cell, tuple) else split_at(cell, mark)

    def _known_names(self, text: str, known: Collection[str], usual: str | None) -> list[str]:
        if text in known:
            return [text]
        for mark in SEPARATORS:
            names = split_at(text, mark)
            if all(name in known for name in names):
                return names
        return split_at(text, usual)


def _written_list(text: str) -> list[Any] | None:
    """Return the items of a list that was written out as text, as pandas does, or None when it is none."""
    if not (text.startswith("[") and text.endswith("]")):
        return None
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    return value if isinstance(value, list) else None
