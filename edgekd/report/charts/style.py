"""Sizes, colours and line styles of all pictures.

Colours are fixed values that a page maps to its light and dark palette. They differ in lightness too, so that they can
be told apart with any colour vision and on grey paper; forms and dashes say the same again. A picture is about 400 wide
with letters of 13, so that they are 10 pixels or more on a phone that is 360 pixels wide.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.report.table import Row

WIDTH, HEIGHT, FONT = 340, 270, 13  # of the plot without its axes
LANE_WIDTH = 384  # of pictures with a lane for each variant, which have no axis at the left
FONTS = "system-ui, -apple-system, Segoe UI, Roboto, Helvetica, Arial, sans-serif"
INK, MUTED, GRID, PAPER = "#1f2328", "#59636e", "#e4e7eb", "#ffffff"
KIND_COLOURS = {
    "teacher": "#7a838d",
    "transformer": "#1670d8",
    "cnn": "#0a5138",
    "bag": "#c8740c",
}
OTHER_COLOURS = ["#56308f", "#c61d55", "#6b5104", "#167595"]
# Colours of the pictures -> variables of the page, which has a light and a dark value for each.
PALETTE = [
    (PAPER, "paper"),
    (INK, "ink"),
    (MUTED, "muted"),
    (GRID, "grid"),
    *((colour, kind) for kind, colour in KIND_COLOURS.items()),
    *((colour, f"other-{i}") for i, colour in enumerate(OTHER_COLOURS, start=1)),
]
# Values of the same variables on dark paper.
DARK = {
    "paper": "#0f1318",
    "ink": "#e6eaef",
    "muted": "#98a3af",
    "grid": "#242b33",
    "teacher": "#a3acb6",
    "transformer": "#8fb4ff",
    "cnn": "#8df0c4",
    "bag": "#d98a2b",
    "other-1": "#9273ee",
    "other-2": "#f64f67",
    "other-3": "#f2e06e",
    "other-4": "#a5e0f5",
}
SHAPES = {"fp32": "circle", "int8": "diamond"}
OTHER_SHAPE = "square"
DASHES: tuple[tuple[int, ...], ...] = ((1, 0), (6, 3), (2, 3), (9, 3, 2, 3))


@dataclass(frozen=True)
class Look:
    """How a variant is drawn: colour of its kind, form of its precision, dashes where a kind occurs again."""

    colour: str
    shape: str
    dash: tuple[int, ...]


def colours(kinds: Sequence[str]) -> dict[str, str]:
    """Return a colour for each kind: fixed for those we know, the rest in turn."""
    unknown = [kind for kind in dict.fromkeys(kinds) if kind not in KIND_COLOURS]
    extra = {kind: OTHER_COLOURS[i % len(OTHER_COLOURS)] for i, kind in enumerate(unknown)}
    return {kind: KIND_COLOURS.get(kind) or extra[kind] for kind in kinds}


def looks(all_rows: Sequence[Row], shown: Sequence[Row]) -> dict[str, Look]:
    """Return the look of each row that is shown; colours are those of the whole section."""
    palette = colours([row.result.kind for row in all_rows])
    found: dict[str, Look] = {}
    seen: dict[str, int] = {}
    for row in shown:
        kind = row.result.kind
        number = seen[kind] = seen.get(kind, -1) + 1
        shape = SHAPES.get(row.result.precision, OTHER_SHAPE)
        found[row.name] = Look(palette[kind], shape, DASHES[number % len(DASHES)])
    return found
