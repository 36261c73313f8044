"""What a data source is (file, folder, hub id, asset), and the tables that are in it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from edgekd.data.assets import asset_table
from edgekd.data.folders import WHOLE, is_saved_dataset, read_folder
from edgekd.data.hub import load_hub, load_saved
from edgekd.data.readers import READERS, read_table
from edgekd.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgekd.data.table import Table

ASSET_PREFIX = "asset:"
_HUB_ID = re.compile(r"(?P<name>\w[\w.-]*(/\w[\w.-]*)?)(:(?P<config>[\w.-]+))?", re.ASCII)


@dataclass(frozen=True)
class Source:
    """Tables of a data source: by split, or one table called ``WHOLE`` when it has no splits."""

    given: str
    name: str
    tables: dict[str, Table]

    @property
    def has_splits(self) -> bool:
        """True when the source itself says what is for training and what for testing."""
        return WHOLE not in self.tables

    @property
    def is_asset(self) -> bool:
        """True for ``asset:NAME``."""
        return self.given.startswith(ASSET_PREFIX)

    def pick(self, split: str) -> Table:
        """Return one split, or the whole table when there are no splits.

        Raises:
            DataError: when there are splits, but not this one.
        """
        table = self.tables.get(WHOLE, self.tables.get(split))
        if table is None:
            raise DataError(
                f"'{self.given}' has no {split} split. It has: {', '.join(self.tables)}.",
                hint=f"Add a file {split}.jsonl (or .csv, .tsv, .parquet) to it, or name a file.",
            )
        return table


def open_source(given: str, *, progress: Callable[[str], None] | None = None) -> Source:
    """Find out what a source is and open it.

    ``asset:NAME`` is an asset. What exists, has the ending of a data file, or starts with ``.``, ``/`` or
    ``~`` is a path. Anything else is a hub id, with ``:CONFIG`` after it where the data set has several.

    Raises:
        DataError: when it does not exist or cannot be read.
        ConfigError: when there is no such asset.
        AssetUnavailable: when the asset cannot be fetched.
        MissingExtra: when the packages for its format are not installed.
    """
    if given.startswith(ASSET_PREFIX):
        name = given.removeprefix(ASSET_PREFIX)
        return Source(given, name, {WHOLE: asset_table(name, progress=progress)})
    path = Path(given).expanduser()
    if path.is_file():
        name = path.parent.absolute().name if path.stem in {"train", "test", "validation"} else path.stem
        return Source(given, name, {WHOLE: read_table(path)})
    if path.is_dir():
        tables = load_saved(path) if is_saved_dataset(path) else read_folder(path)
        return Source(given, path.absolute().name, tables)
    hub_id = None if _looks_like_path(given) else _HUB_ID.fullmatch(given)
    if hub_id is None:
        raise _no_such_path(given, path)
    return Source(given, hub_id["name"], load_hub(hub_id["name"], hub_id["config"], progress=progress))


def _looks_like_path(given: str) -> bool:
    return given.startswith((".", "/", "~")) or Path(given).suffix.lower() in READERS


def _no_such_path(given: str, path: Path) -> DataError:
    siblings = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    near = get_close_matches(path.name, siblings, n=1, cutoff=0.6)
    guess = f" Did you mean '{path.parent / near[0]}'?" if near else ""
    return DataError(
        f"Data source '{given}' does not exist.{guess}",
        hint=f"Give a file ({', '.join(sorted(READERS))}), a folder with train, validation and test files, "
        f"{ASSET_PREFIX}NAME (see 'edgekd assets list'), or a hub id (ORG/NAME).",
    )
