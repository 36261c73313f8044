"""Which texts and which teacher, when the user does not say it in full."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from edgekd.bench.job import run_split
from edgekd.bundle import is_bundle, load_bundle
from edgekd.data.evaluation import table_texts
from edgekd.data.parts import asset_texts
from edgekd.data.sources import open_source
from edgekd.errors import ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edgekd.bundle import Bundle

RUN = "run"  # instead of a data source: the test split of the run folder that the bundle lies in
TEACHER_NAME = "teacher-fp32"


def find_teacher(folder: Path, given: Path | None) -> Bundle | None:
    """Open the teacher to show beside a bundle: the given one, or ``teacher-fp32`` in the same folder if it is there.

    Raises:
        InvalidArtifact: when it is damaged or no bundle.
    """
    if given is not None:
        return load_bundle(given)
    beside = folder.resolve().parent / TEACHER_NAME
    return load_bundle(beside) if is_bundle(beside) and beside != folder.resolve() else None


def evaluation_texts(source: str, folder: Path, *, text_column: str | None = None) -> list[str]:
    """Read the texts to measure faithfulness with; labels are not needed. Empty texts are left out.

    Args:
        source: a file, a folder, hub id or asset, of which the test split is read, or ``run``.
        folder: the bundle.
        text_column: recognised if not given.

    Raises:
        ConfigError: for ``run`` when the bundle lies in no run folder.
        DataError: when the data cannot be used.
    """
    if source == RUN:
        found = run_split([folder], "test")
        if found is None:
            raise ConfigError(
                f"'{folder}' lies in no run folder (RUN/bundles/TARGET/NAME with RUN/data/test.jsonl).",
                hint="Give texts with --faithfulness DATA: a file, a folder, asset:NAME or a hub id.",
            )
        source = str(found)
    opened = open_source(source)
    texts = table_texts(opened.pick("test"), text_column)
    texts = [text for text in (asset_texts(texts, "test") if opened.is_asset else texts) if text.strip()]
    if not texts:
        raise DataError(f"'{source}' has no text to measure with: all texts are empty.")
    return texts


def sample(texts: Sequence[str], most: int, *, seed: int = 0) -> list[str]:
    """Return at most so many texts, drawn with a seed and in their own order."""
    if len(texts) <= most:
        return list(texts)
    return [texts[index] for index in sorted(random.Random(seed).sample(range(len(texts)), most))]  # noqa: S311
