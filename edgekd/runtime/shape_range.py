"""The shapes that an engine with shape ranges is built for: smallest, most frequent and largest input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

USUAL_LENGTH = 32  # in tokens: a sentence; an engine is the fastest near it
LARGEST_BATCH = 8  # texts a call; a board answers texts one by one as they come


@dataclass(frozen=True)
class ShapeRange:
    """Three shapes ``(texts, tokens)``; an engine takes all between the smallest and the largest."""

    smallest: tuple[int, int]
    usual: tuple[int, int]
    largest: tuple[int, int]

    @property
    def is_fixed(self) -> bool:
        """True when there is only one shape."""
        return self.smallest == self.largest

    def written(self, inputs: Iterable[str]) -> tuple[str, str, str]:
        """Return the three shapes as TensorRT's tools write them: ``input_ids:1x32,attention_mask:1x32``."""
        names = list(inputs)
        shapes = (self.smallest, self.usual, self.largest)
        smallest, usual, largest = (",".join(f"{name}:{n}x{length}" for name in names) for n, length in shapes)
        return smallest, usual, largest


def shape_range(
    lengths: Sequence[int], batch: int | None, max_length: int, *, usual_length: int = USUAL_LENGTH
) -> ShapeRange:
    """Return the shapes that a bundle may meet.

    Args:
        lengths: of a manifest, ascending: none: any; one: fixed; several: padded to the next.
        batch: of a manifest: texts a call; None: any, here up to 8.
        max_length: longest text in tokens.
        usual_length: in tokens, of the most frequent texts.
    """
    first, last = (lengths[0], lengths[-1]) if lengths else (1, max_length)
    usual = next((length for length in lengths if length >= usual_length), min(max(usual_length, first), last))
    few, many = (batch, batch) if batch is not None else (1, LARGEST_BATCH)
    return ShapeRange(smallest=(few, first), usual=(few, usual), largest=(many, last))
