"""The texts that a graph labels differently from the model it was made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd import units
from edgekd.cli.common import stdout_console

if TYPE_CHECKING:
    from edgekd.provenance import Parity

_CHARACTERS = 72


def show_flips(parity: Parity, what: str) -> None:
    """Print the changed labels with the largest differences, at most the ten that a comparison lists.

    Args:
        parity: of a graph with its model.
        what: goes before the first line.
    """
    if not parity.worst:
        return
    shown = "" if parity.label_flips <= len(parity.worst) else f"; the worst {len(parity.worst)}"
    console = stdout_console()
    console.print(f"{what}{parity.label_flips} of {parity.texts} labels changed{shown}:", highlight=False, markup=False)
    for flip in parity.worst:
        text = repr(flip.text)
        text = text if len(text) <= _CHARACTERS else f"{text[: _CHARACTERS - 3]}..."
        line = f"  {flip.expected} -> {flip.actual}  (logits differ by {units.tiny(flip.max_abs_diff)})  {text}"
        console.print(line, highlight=False, markup=False, soft_wrap=True)
