"""Data sources to clean, split, labelled texts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from edgekd.data.evaluation import all_texts, read_evaluation, read_texts, table_texts
from edgekd.data.parts import asset_rows
from edgekd.data.rows import read_rows
from edgekd.data.sources import open_source
from edgekd.data.splits import clean, complete, dropped
from edgekd.data.store import load_data, save_data
from edgekd.data.targets import TASK_READERS, check_label_names, examples_of, has_labels
from edgekd.data.types import SPLITS, Dropped, Examples, TextData
from edgekd.errors import ConfigError, DataError
from edgekd.tasks import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edgekd.config import DataConfig
    from edgekd.data.rows import Rows
    from edgekd.data.sources import Source

    Progress = Callable[[str], None]

__all__ = ["load_data", "prepare", "read_evaluation", "read_texts", "save_data"]

NO_LABELS = "split without labels"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_TAKEN = (*SPLITS, "unlabelled")


def prepare(config: DataConfig, *, progress: Progress | None = None) -> TextData:
    """Read, label, split and clean a data set.

    Validation and test are taken as they are given, by their own source or inside that of ``train``; what is
    missing is made from ``train``, by hash of the text.

    Raises:
        DataError: naming file, row and column where the data cannot be used.
        ConfigError: for data of another task, or an asset, list of labels or name that cannot be used.
        AssetUnavailable: when an asset cannot be fetched.
        MissingExtra: when the packages for a format are not installed.
    """
    check_label_names(config.task, config.labels)
    _check_names(config.evaluate)
    reader = TASK_READERS[config.task]
    main = open_source(config.train, progress=progress)
    rows, report = _given_rows(config, main, progress)
    parsed = {name: reader.parse(part) for name, part in rows.items()}
    labels = reader.labels(rows["train"], parsed["train"], config.labels)
    found: dict[str, Examples] = {}
    for name, part in rows.items():
        report += [dropped(reason, name, texts) for reason, texts in part.table.skipped.items() if texts]
        if part.empty:
            report.append(dropped("empty text", name, part.empty))
        by_number = config.labels is not None
        found[name] = examples_of(part, parsed[name], config.task, labels, numbers_are_indexes=by_number)
    evaluate = {name: found.pop(name) for name in config.evaluate}
    cleaned = clean(complete(found, config.split), _unlabelled(config, main, progress), evaluate)
    _check_sizes({**cleaned.splits, **cleaned.evaluate}, config)
    reader.check_training(cleaned.splits["train"].targets, labels, config.train)
    return TextData(
        name=main.name,
        task=Task(config.task, tuple(labels)),
        train=cleaned.splits["train"],
        validation=cleaned.splits["validation"],
        test=cleaned.splits["test"],
        unlabelled=cleaned.unlabelled,
        dropped=report + cleaned.dropped,
        evaluate=cleaned.evaluate,
    )


def _given_rows(config: DataConfig, main: Source, progress: Progress | None) -> tuple[dict[str, Rows], list[Dropped]]:
    """Return the rows of every split and evaluation set that is there, and those whose labels are withheld."""
    report: list[Dropped] = []
    rows = {"train": read_rows(main.pick("train"), config.task, config.text_column, config.label_column)}
    for name, given in (("validation", config.validation), ("test", config.test)):
        if given is not None:
            rows[name] = _rows_of(given, name, config, progress)
        elif main.has_splits and name in main.tables:
            own = read_rows(main.tables[name], config.task, config.text_column, config.label_column)
            if has_labels(TASK_READERS[config.task].parse(own)):
                rows[name] = own
            else:
                report.append(dropped(NO_LABELS, name, own.texts))
    for name, given in config.evaluate.items():
        rows[name] = _rows_of(given, "test", config, progress)
    return rows, report


def _rows_of(given: str, split: str, config: DataConfig, progress: Progress | None) -> Rows:
    """Read a split of a source: the whole of a file, the split of a folder, or its part of an asset."""
    source = open_source(given, progress=progress)
    rows = read_rows(source.pick(split), config.task, config.text_column, config.label_column)
    return asset_rows(rows, split) if source.is_asset else rows


def _unlabelled(config: DataConfig, main: Source, progress: Progress | None) -> list[str]:
    texts = []
    if main.has_splits and "unlabelled" in main.tables:
        texts += table_texts(main.tables["unlabelled"], config.text_column)
    for source in config.unlabelled:
        # Empty texts stay in, so that cleaning reports them.
        texts += all_texts(open_source(source, progress=progress), config.text_column)
    return texts


def _check_names(evaluate: Mapping[str, str]) -> None:
    for name in evaluate:
        if name in _TAKEN or not _NAME.fullmatch(name):
            raise ConfigError(
                f"data.evaluate: '{name}' cannot be a name.",
                hint=f"Use letters, digits, '.', '_' and '-', and none of {', '.join(_TAKEN)}.",
            )


def _check_sizes(splits: Mapping[str, Examples], config: DataConfig) -> None:
    for name, examples in splits.items():
        if len(examples) == 0:
            sizes = ", ".join(f"{split} {len(part)}" for split, part in splits.items())
            source = config.evaluate.get(name, config.train)
            raise DataError(
                f"The {name} split of '{source}' has no texts (texts left: {sizes}).",
                hint=f"Give more texts, a file for it with data.{name}, or another share with data.split."
                if name in SPLITS
                else f"Give another source for '{name}' in data.evaluate.",
            )
