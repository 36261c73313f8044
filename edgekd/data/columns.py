"""Which column holds the texts and which the labels."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from edgekd.errors import DataError
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from edgekd.data.table import Table

TEXT_NAMES = (
    "text",
    "texts",
    "sentence",
    "content",
    "review",
    "message",
    "document",
    "comment",
    "body",
    "tweet",
)
_CLASSES = ("label", "labels", "sentiment", "category", "class", "target", "intent", "topic", "y")
_NUMBERS = ("rating", "score", "value", "stars")
# The first name that is there is taken, so a table with classes and ratings serves both tasks.
LABEL_NAMES = {
    TaskKind.SINGLE_LABEL: (*_CLASSES, *_NUMBERS),
    TaskKind.MULTI_LABEL: (*_CLASSES, "emotions", "categories", "tags", "topics"),
    TaskKind.REGRESSION: (*_NUMBERS, *_CLASSES),
}


def text_column(table: Table, given: str | None) -> str:
    """Return the column that holds the texts: the given one, or one with a usual name."""
    return _find(table, given, TEXT_NAMES, "text", exclude=None)


def label_column(
    table: Table, given: str | None, kind: TaskKind = TaskKind.SINGLE_LABEL, *, text: str | None = None
) -> str:
    """Return the column that holds the labels: the given one, or another than ``text`` with a usual name."""
    return _find(table, given, LABEL_NAMES[kind], "label", exclude=text)


def read_texts_of(table: Table, column: str) -> list[str]:
    """Return the texts of a column; an absent value is an empty text.

    Raises:
        DataError: naming the row whose value is no text, or no valid Unicode.
    """
    return [_as_text(value, table, row, column) for row, value in enumerate(table.read(column))]


def _find(table: Table, given: str | None, usual: tuple[str, ...], role: str, *, exclude: str | None) -> str:
    option = f"data.{role}_column in the recipe, or --{role}-column"
    if given is not None:
        if given in table.columns:
            return given
        near = get_close_matches(given, table.columns, n=1, cutoff=0.5)
        guess = f" Did you mean '{near[0]}'?" if near else ""
        raise DataError(
            f"'{table.source}' has no column '{given}'. Columns: {_names(table)}.{guess}",
            hint=f"Set {option}.",
        )
    by_name: dict[str, str] = {}
    for column in table.columns:
        if column != exclude:
            by_name.setdefault(column.strip().casefold(), column)
    for name in usual:
        if name in by_name:
            return by_name[name]
    raise DataError(
        f"'{table.source}' has no {role} column with a usual name ({', '.join(usual)}). Columns: {_names(table)}.",
        hint=f"Set {option}; or add a header line if the file has none.",
    )


def _names(table: Table) -> str:
    shown = [name if len(name) <= 40 else name[:37] + "..." for name in table.columns[:30]]
    more = len(table.columns) - len(shown)
    return ", ".join(f"'{name}'" for name in shown) + (f" and {more} more" if more > 0 else "")


def _as_text(value: Any, table: Table, row: int, column: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise DataError(
            f"{table.where(row, column)}: expected a text, found {type(value).__name__}.",
            hint="Set data.text_column in the recipe, or --text-column, to the column that holds the texts.",
        )
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise DataError(
            f"{table.where(row, column)}: the text is no valid Unicode (half of a surrogate pair).",
            hint="Remove the row or the broken character.",
        ) from error
    return value
