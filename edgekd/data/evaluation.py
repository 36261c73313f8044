"""Texts to measure with, and texts without labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd.data.columns import read_texts_of, text_column
from edgekd.data.parts import asset_rows, asset_texts
from edgekd.data.rows import read_rows
from edgekd.data.sources import open_source
from edgekd.data.targets import TASK_READERS, examples_of
from edgekd.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgekd.data.sources import Source
    from edgekd.data.table import Table
    from edgekd.data.types import Examples
    from edgekd.tasks import Task

    Progress = Callable[[str], None]


def read_evaluation(
    source: str,
    task: Task,
    *,
    text_column: str | None = None,
    label_column: str | None = None,
    progress: Progress | None = None,
) -> Examples:
    """Read labelled texts to measure with: a whole file, or the test split of a folder, data set or asset.

    Rows with an empty text are left out; duplicates stay.

    Args:
        source: file, folder, hub id or ``asset:NAME``.
        task: of the model that is measured; its labels are the allowed ones.
        text_column: recognised if not given.
        label_column: recognised if not given.
        progress: called with a line of text now and then.

    Raises:
        ConfigError: when the data are of another task.
        DataError: naming file, row and column where the data cannot be used.
    """
    opened = open_source(source, progress=progress)
    rows = read_rows(opened.pick("test"), task.kind, text_column, label_column)
    if opened.is_asset:
        rows = asset_rows(rows, "test")
    parsed = TASK_READERS[task.kind].parse(rows)
    examples = examples_of(rows, parsed, task.kind, task.labels, numbers_are_indexes=True)
    if len(examples) == 0:
        raise DataError(f"'{source}' has no text to measure with: all texts are empty.")
    return examples


def read_texts(source: str, *, text_column: str | None = None, progress: Progress | None = None) -> list[str]:
    """Read texts without labels: the lines of a ``.txt`` file, or the text column of all splits.

    Of an asset only the training part is read. Empty texts are left out.
    """
    return [text for text in all_texts(open_source(source, progress=progress), text_column) if text.strip()]


def all_texts(source: Source, given: str | None) -> list[str]:
    """Return the texts of all tables of a source, empty ones too; of an asset only the training part."""
    texts = [text for table in source.tables.values() for text in table_texts(table, given)]
    return asset_texts(texts, "train") if source.is_asset else texts


def table_texts(table: Table, given: str | None) -> list[str]:
    """Return the texts of a table; the given column need not be in every one."""
    return read_texts_of(table, text_column(table, given if given in table.columns else None))
