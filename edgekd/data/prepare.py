"""Data sources to clean, split, labelled texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgekd.config import SplitConfig
from edgekd.data.columns import label_column, read_texts_of, text_column
from edgekd.data.labels import (
    label_indexes,
    label_names_of,
    order_labels,
    refuse_other_tasks,
    require_single_label,
)
from edgekd.data.readers import TEXT_COLUMN
from edgekd.data.sources import ASSET_PREFIX, Source, open_source
from edgekd.data.splits import clean, dropped, make_splits
from edgekd.data.store import load_data, save_data
from edgekd.data.types import Dropped, Examples, TextData
from edgekd.errors import ConfigError, DataError
from edgekd.tasks import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edgekd.config import DataConfig
    from edgekd.data.table import Table

    Progress = Callable[[str], None]

__all__ = ["load_data", "prepare", "read_evaluation", "read_texts", "save_data"]

NO_LABELS = "split without labels"


@dataclass(frozen=True)
class _Rows:
    """Rows of a table that have a text; ``places[i]`` is the row of ``texts[i]`` in the table."""

    table: Table
    column: str
    texts: list[str]
    names: list[str | None]
    places: list[int]
    empty: list[str]


def prepare(config: DataConfig, *, progress: Progress | None = None) -> TextData:
    """Read, label, split and clean a data set.

    Validation and test are taken as they are given, by their own source or inside that of ``train``; what is
    missing is made from ``train``, by hash of the text.

    Raises:
        DataError: naming file, row and column where the data cannot be used.
        ConfigError: for a task, an asset or a list of labels that cannot be used.
        AssetUnavailable: when an asset cannot be fetched.
        MissingExtra: when the packages for a format are not installed.
    """
    require_single_label(config.task)
    _check_labels(config.labels)
    main = open_source(config.train, progress=progress)
    report: list[Dropped] = []
    rows = {"train": _rows(main.pick("train"), config.text_column, config.label_column)}
    for name, given in (("validation", config.validation), ("test", config.test)):
        if given is not None:
            table = open_source(given, progress=progress).pick(name)
            rows[name] = _rows(table, config.text_column, config.label_column)
        elif main.has_splits and name in main.tables:
            own = _rows(main.tables[name], config.text_column, config.label_column)
            if any(own.names):
                rows[name] = own
            else:
                report.append(dropped(NO_LABELS, name, own.texts))
    labels = _labels(rows["train"], config.labels)
    given_splits: dict[str, Examples] = {}
    for name, part in rows.items():
        report += [dropped(reason, name, texts) for reason, texts in part.table.skipped.items() if texts]
        if part.empty:
            report.append(dropped("empty text", name, part.empty))
        given_splits[name] = _examples(part, labels, numbers_are_indexes=config.labels is not None)
    splits = _complete(given_splits, config.split)
    unlabelled = _unlabelled(config, main, progress)
    cleaned = clean(splits, unlabelled)
    report += cleaned.dropped
    _check(cleaned.splits, labels, config)
    return TextData(
        name=main.name,
        task=Task(config.task, tuple(labels)),
        train=cleaned.splits["train"],
        validation=cleaned.splits["validation"],
        test=cleaned.splits["test"],
        unlabelled=cleaned.unlabelled,
        dropped=report,
    )


def read_evaluation(
    source: str,
    labels: Sequence[str],
    *,
    text_column: str | None = None,
    label_column: str | None = None,
    progress: Progress | None = None,
) -> Examples:
    """Read labelled texts to measure with: a whole file, or the test split of a folder, data set or asset.

    Rows with an empty text are left out; duplicates stay. An asset's test split is the one that ``prepare``
    makes with the default shares.

    Raises:
        DataError: as for :func:`prepare`, and for a label that is not among ``labels``.
    """
    part = _rows(open_source(source, progress=progress).pick("test"), text_column, label_column)
    examples = _examples(part, labels, numbers_are_indexes=True)
    if source.startswith(ASSET_PREFIX):
        examples = _complete({"train": examples}, SplitConfig())["test"]
    if len(examples) == 0:
        raise DataError(f"'{source}' has no text to measure with: all texts are empty.")
    return examples


def read_texts(source: str, *, text_column: str | None = None, progress: Progress | None = None) -> list[str]:
    """Read texts without labels: the lines of a ``.txt`` file, or the text column of all splits.

    Empty texts are left out.
    """
    return [text for text in _all_texts(open_source(source, progress=progress), text_column) if text.strip()]


def _all_texts(source: Source, given: str | None) -> list[str]:
    return [text for table in source.tables.values() for text in _texts(table, given)]


def _texts(table: Table, given: str | None) -> list[str]:
    return read_texts_of(table, text_column(table, given if given in table.columns else None))


def _rows(table: Table, given_text: str | None, given_label: str | None) -> _Rows:
    if table.columns == (TEXT_COLUMN,) and table.source.endswith(".txt"):
        raise DataError(
            f"'{table.source}' is a text file: without labels it can only be used for unlabelled texts.",
            hint="Give CSV, TSV, JSON lines or Parquet with labels; list this file under data.unlabelled.",
        )
    column = text_column(table, given_text)
    texts = read_texts_of(table, column)
    labels = label_column(table, given_label, text=column)
    names = label_names_of(table, labels)
    places = [row for row, text in enumerate(texts) if text.strip()]
    return _Rows(
        table=table,
        column=labels,
        texts=[texts[row] for row in places],
        names=[names[row] for row in places],
        places=places,
        empty=[text for text in texts if not text.strip()],
    )


def _named(part: _Rows) -> list[str]:
    """Return the label names; a row without one is an error."""
    for name, row in zip(part.names, part.places, strict=True):
        if name is None:
            raise DataError(
                f"{part.table.where(row, part.column)}: the label is missing.",
                hint="Add it, or move texts without labels to a file listed under data.unlabelled.",
            )
    return [name for name in part.names if name is not None]


def _labels(train: _Rows, configured: list[str] | None) -> list[str]:
    """Return the label names in order: as configured, as the source names them, or sorted."""
    names = _named(train)
    if configured is not None:
        return configured
    if train.column in train.table.label_names:
        return list(train.table.label_names[train.column])
    refuse_other_tasks(names, train.places, train.table, train.column)
    return order_labels(names)


def _examples(part: _Rows, labels: Sequence[str], *, numbers_are_indexes: bool) -> Examples:
    names = _named(part)
    targets = label_indexes(
        names, labels, part.places, part.table, part.column, numbers_are_indexes=numbers_are_indexes
    )
    return Examples(part.texts, targets)


def _complete(given: dict[str, Examples], config: SplitConfig) -> dict[str, Examples]:
    """Make the splits that are not given from the training texts."""
    wanted = {"test": config.test, "validation": config.validation}
    shares = {name: share for name, share in wanted.items() if name not in given}
    return {**given, **make_splits(given["train"], shares, seed=config.seed)}


def _unlabelled(config: DataConfig, main: Source, progress: Progress | None) -> list[str]:
    texts = []
    if main.has_splits and "unlabelled" in main.tables:
        texts += _texts(main.tables["unlabelled"], config.text_column)
    for source in config.unlabelled:
        # Empty texts stay in, so that cleaning reports them.
        texts += _all_texts(open_source(source, progress=progress), config.text_column)
    return texts


def _check_labels(labels: list[str] | None) -> None:
    if labels is None:
        return
    double = sorted({name for name in labels if labels.count(name) > 1})
    if double or len(labels) < 2:
        what = f"names '{double[0]}' twice" if double else f"has {len(labels)} name(s)"
        raise ConfigError(f"data.labels {what}: {labels}.", hint="Give at least two different label names.")


def _check(splits: dict[str, Examples], labels: Sequence[str], config: DataConfig) -> None:
    present = sorted(set(splits["train"].targets))
    if len(present) == 1:
        raise DataError(
            f"The training texts of '{config.train}' have one class only: '{labels[present[0]]}'.",
            hint="A classifier needs at least two classes; check the label column (data.label_column).",
        )
    for name, examples in splits.items():
        if len(examples) == 0:
            sizes = ", ".join(f"{split} {len(part)}" for split, part in splits.items())
            raise DataError(
                f"The {name} split of '{config.train}' has no texts (texts left: {sizes}).",
                hint=f"Give more texts, a file for it with data.{name}, or another share with data.split.",
            )
