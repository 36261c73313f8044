"""Data sets of the Hugging Face library: from a hub, or from a folder written by ``save_to_disk``."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from edgekd.data.folders import ALIASES, WHOLE, split_of
from edgekd.data.table import Table
from edgekd.errors import DataError, MissingExtra

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def load_hub(
    name: str, config: str | None = None, *, progress: Callable[[str], None] | None = None
) -> dict[str, Table]:
    """Load a data set by its hub id (or from the library's cache).

    Raises:
        DataError: when the hub cannot be reached or has no such data set.
        MissingExtra: when ``datasets`` is not installed.
    """
    datasets = _datasets()
    if progress:
        progress(f"loading data set {name} from the hub or its cache")
    try:
        loaded = datasets.load_dataset(name, config)
    # An unreachable hub or unknown id is an OSError, an unknown config a ValueError, a script a RuntimeError.
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DataError(
            f"'{name}' is no file or folder here, and it could not be loaded as a hub id: {reason}",
            hint="Correct the path; or without network give a local file or folder, or asset:NAME "
            "(see 'edgekd assets list'); or log in with 'hf auth login' when the data set is private.",
        ) from error
    return _tables(loaded, name)


def load_saved(folder: Path) -> dict[str, Table]:
    """Load a folder written by ``save_to_disk``.

    Raises:
        DataError: when the folder is damaged.
        MissingExtra: when ``datasets`` is not installed.
    """
    datasets = _datasets()
    try:
        loaded = datasets.load_from_disk(str(folder))
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"Data set folder '{folder}' cannot be read: {error}.", hint="Save it again.") from error
    return _tables(loaded, str(folder))


def _datasets() -> Any:
    try:
        return importlib.import_module("datasets")
    except ImportError as error:
        raise MissingExtra("datasets", "train") from error


def _tables(loaded: Any, source: str) -> dict[str, Table]:
    if not hasattr(loaded, "keys"):  # one Dataset without splits
        return {WHOLE: _table(loaded, source)}
    tables: dict[str, Table] = {}
    for name in loaded:
        split = split_of(name)
        if split and split not in tables:
            tables[split] = _table(loaded[name], f"{source} ({name})")
    if not tables:
        names = ", ".join(loaded)
        raise DataError(
            f"Data set '{source}' has no split with a usual name. Splits: {names}.",
            hint=f"Usual names: {', '.join(alias for names in ALIASES.values() for alias in names)}.",
        )
    return tables


def _table(dataset: Any, source: str) -> Table:
    plain = dataset.with_format(None)

    def read(column: str) -> list[Any]:
        return list(plain[column])

    found = {column: _class_names(feature) for column, feature in dataset.features.items()}
    names = {column: labels for column, labels in found.items() if labels is not None}
    return Table(source, tuple(dataset.column_names), read, range(1, len(dataset) + 1), label_names=names)


def _class_names(feature: Any) -> tuple[str, ...] | None:
    """Return the names of a class feature, or of a list of them."""
    inner = getattr(feature, "feature", feature)
    return tuple(inner.names) if type(inner).__name__ == "ClassLabel" else None
