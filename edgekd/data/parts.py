"""The parts of an asset: one file that serves for training and for testing, so a text belongs to one part.

An asset that is not the training source gives each role only its own part: ``unlabelled`` the training part,
``validation`` the validation part, ``test`` and ``evaluate`` the test part. Shares and seed are the default ones
whatever the recipe says, so that measuring with an asset later meets no text that was used in this way.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from edgekd.config import SplitConfig
from edgekd.data.splits import assign

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.data.rows import Rows

_DEFAULT = SplitConfig()
_SHARES = {"test": _DEFAULT.test, "validation": _DEFAULT.validation}


def asset_texts(texts: Sequence[str], part: str) -> list[str]:
    """Return the texts of one part: ``train``, ``validation`` or ``test``."""
    return [text for text in texts if _part_of(text) == part]


def asset_rows(rows: Rows, part: str) -> Rows:
    """Return the rows of one part: ``train``, ``validation`` or ``test``."""
    kept = [index for index, text in enumerate(rows.texts) if _part_of(text) == part]
    return replace(
        rows,
        texts=[rows.texts[index] for index in kept],
        cells=[rows.cells[index] for index in kept],
        places=[rows.places[index] for index in kept],
    )


def _part_of(text: str) -> str:
    return assign(text, _SHARES, seed=_DEFAULT.seed)
