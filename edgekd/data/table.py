"""A table of rows that knows where each row came from, so that an error can name the place."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


@dataclass(frozen=True)
class Table:
    """Rows of one file or one split of a data set.

    Args:
        source: the file or data set as the user knows it.
        columns: names of the columns.
        read: returns the values of one column, one per row.
        positions: place of each row, counted from 1.
        unit: what ``positions`` counts: "line" of a text file or "row" of data.
        label_names: column -> names of its integer labels, where the source itself gives them.
        skipped: rows that the source leaves out: reason -> texts.
    """

    source: str
    columns: tuple[str, ...]
    read: Callable[[str], list[Any]]
    positions: Sequence[int]
    unit: str = "row"
    label_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    skipped: dict[str, list[str]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.positions)

    def where(self, row: int, column: str | None = None) -> str:
        """Name the place of a row for a message."""
        place = f"'{self.source}', {self.unit} {self.positions[row]}"
        return f"{place}, column '{column}'" if column else place


def table_from_columns(
    source: str,
    columns: dict[str, list[Any]],
    *,
    positions: Sequence[int] | None = None,
    unit: str = "row",
    skipped: dict[str, list[str]] | None = None,
) -> Table:
    """Make a table of columns that are in memory."""
    if positions is None:
        positions = range(1, len(next(iter(columns.values()), [])) + 1)
    return Table(source, tuple(columns), columns.__getitem__, positions, unit, skipped=skipped or {})
