"""Built-in data assets as tables."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from edgekd.assets import get_asset
from edgekd.catalogue import ASSETS
from edgekd.data.readers import read_table
from edgekd.data.table import Table, table_from_columns
from edgekd.errors import ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# About two standard errors of a mean rating near zero (their median is 0.15 to 0.26): below that, the sign
# says little. Keeps 95 % of the movie, 82 % of the tweet, 80 % of the product and 57 % of the editorial
# sentences.
MIN_ABS_RATING = 0.5
NEAR_ZERO = "near-zero rating"
RATING = "rating"
_RATINGS = "-ratings"  # how the names of the assets end that keep the ratings as they are
_SMS_LABELS = ("ham", "spam")


def asset_table(name: str, *, progress: Callable[[str], None] | None = None) -> Table:
    """Return a data asset as a table of ``text`` and ``label`` (or ``rating``); fetch it when it is not cached.

    Raises:
        ConfigError: when there is no such asset, or it is a model.
        AssetUnavailable: when it cannot be fetched.
    """
    asset = ASSETS.get(name)
    if asset.kind != "data":
        names = ", ".join(other for other in ASSETS if ASSETS.get(other).kind == "data")
        raise ConfigError(f"Asset '{name}' is a {asset.kind}, not a data set. Data sets: {names}.")
    path = get_asset(name, progress=progress) / asset.files[0][1]
    source = f"asset:{name}"
    if path.suffix == ".csv":
        return sms_table(path, source)
    table = ratings_table(path, source)
    return table if name.endswith(_RATINGS) else sentiment_table(table)


def ratings_table(path: Path, source: str) -> Table:
    """Read mean ratings (tab separated: id, sentiment, text) as the columns ``text`` and ``rating``."""
    raw = read_table(path)
    texts: list[str] = []
    ratings: list[float] = []
    for row, line in enumerate(raw.read("text")[1:], start=1):
        fields = line.split("\t")
        if len(fields) != 3:
            raise DataError(f"{raw.where(row)}: {len(fields)} fields instead of id, sentiment and text.")
        texts.append(fields[2])
        ratings.append(float(fields[1]))
    return table_from_columns(source, {"text": texts, RATING: ratings}, positions=raw.positions[1:], unit="line")


def sentiment_table(table: Table) -> Table:
    """Turn ratings into ``negative`` and ``positive`` by their sign.

    Texts rated nearer to zero than ``MIN_ABS_RATING`` are skipped.
    """
    texts, ratings = table.read("text"), table.read(RATING)
    kept = [row for row, rating in enumerate(ratings) if abs(rating) >= MIN_ABS_RATING]
    return table_from_columns(
        table.source,
        {
            "text": [texts[row] for row in kept],
            "label": ["positive" if ratings[row] > 0 else "negative" for row in kept],
        },
        positions=[table.positions[row] for row in kept],
        unit=table.unit,
        skipped={
            NEAR_ZERO: [text for text, rating in zip(texts, ratings, strict=True) if abs(rating) < MIN_ABS_RATING]
        },
    )


def sms_table(path: Path, source: str) -> Table:
    """Read SMS messages labelled 0 or 1 as ``ham`` and ``spam``.

    NOTE: the file was made by a CSV reader that took lone quotes in the tab separated original as quoting:
    eight of its rows swallowed the 737 rows after them, label and tab included. They are divided again here,
    which gives the published 4,827 ham and 747 spam.
    """
    raw = read_table(path)
    texts: list[str] = []
    labels: list[str] = []
    positions: list[int] = []
    for row, (number, message) in enumerate(zip(raw.read("spam"), raw.read("text"), strict=True)):
        parts = re.split(r"\n(ham|spam)\t", message)
        texts += parts[::2]
        labels += [_SMS_LABELS[int(number)], *parts[1::2]]
        positions += [raw.positions[row]] * len(parts[::2])
    return table_from_columns(source, {"text": texts, "label": labels}, positions=positions, unit="line")
