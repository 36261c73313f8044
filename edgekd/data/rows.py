"""Rows of a table that have a text, with the cells of the label column as they were written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgekd.data.columns import label_column, read_texts_of, text_column
from edgekd.data.readers import TEXT_COLUMN
from edgekd.errors import DataError

if TYPE_CHECKING:
    from edgekd.data.table import Table
    from edgekd.tasks import TaskKind


@dataclass(frozen=True)
class Rows:
    """Rows of a table that have a text; ``places[i]`` is the row of ``texts[i]`` and ``cells[i]`` in the table."""

    table: Table
    column: str
    texts: list[str]
    cells: list[Any]
    places: list[int]
    empty: list[str]  # texts that were left out because nothing is in them

    def where(self, index: int) -> str:
        """Name the label cell of a text for a message."""
        return self.table.where(self.places[index], self.column)

    @property
    def place(self) -> str:
        """Name the label column for a message."""
        return f"'{self.table.source}', column '{self.column}'"

    @property
    def names(self) -> tuple[str, ...] | None:
        """The label names that the source itself gives, in the order of its integer labels."""
        return self.table.label_names.get(self.column)


def read_rows(table: Table, kind: TaskKind, given_text: str | None, given_label: str | None) -> Rows:
    """Read texts and label cells; rows with an empty text are left out before their label is looked at.

    Raises:
        DataError: when a column is not there, or a text is no text.
    """
    if table.columns == (TEXT_COLUMN,) and table.source.endswith(".txt"):
        raise DataError(
            f"'{table.source}' is a text file: without labels it can only be used for unlabelled texts.",
            hint="Give CSV, TSV, JSON lines or Parquet with labels; list this file under data.unlabelled.",
        )
    column = text_column(table, given_text)
    texts = read_texts_of(table, column)
    labels = label_column(table, given_label, kind, text=column)
    cells = table.read(labels)
    places = [row for row, text in enumerate(texts) if text.strip()]
    return Rows(
        table=table,
        column=labels,
        texts=[texts[row] for row in places],
        cells=[cells[row] for row in places],
        places=places,
        empty=[text for text in texts if not text.strip()],
    )
