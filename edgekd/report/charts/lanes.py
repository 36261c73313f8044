"""Pictures with a lane for each variant: its name and a number above, what is drawn below."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgekd.report.charts.style import FONT, LANE_WIDTH, MUTED
from edgekd.report.charts.texts import Written, texts
from edgekd.report.charts.vega import downwards

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.report.charts.svg import Marks
    from edgekd.report.charts.vega import Spec

NAME = 19  # pixels for the line with the name
GAP = 9  # between two lanes
CHARACTER = 0.58  # of the font size; faces differ from 0.5 to 0.6


@dataclass(frozen=True)
class Lane:
    """The head of a lane."""

    name: str  # of the row
    number: str = ""  # written at the right
    bold: bool = False
    text: str = ""  # instead of the name


@dataclass(frozen=True)
class Lanes:
    """Lanes of one height, from the top down, in pixels."""

    heads: Sequence[Lane]
    body: float  # height of what is drawn

    @property
    def height(self) -> float:
        """Of all lanes."""
        return len(self.heads) * (NAME + self.body + GAP)

    def top(self, number: int) -> float:
        """Return where the body of a lane begins."""
        return number * (NAME + self.body + GAP) + NAME

    @property
    def y(self) -> Spec:
        """The channel of pixels, from the top down; for the field ``y``."""
        return downwards("y", self.height)

    def layers(self, marks: Marks) -> list[Spec]:
        """Return the heads as layers."""
        written = []
        for i, head in enumerate(self.heads):
            y = self.top(i) - NAME / 2 - 1
            name = elide(head.text or head.name, LANE_WIDTH - 16 - width_of(head.number))
            written.append(Written(head.name, name, 0, y, "left", head.bold))
            if head.number:
                written.append(Written(head.name, head.number, LANE_WIDTH, y, "right", colour=MUTED))
        return texts(written, marks)


def width_of(text: str) -> float:
    """Return about how many pixels a text needs."""
    return CHARACTER * FONT * len(text)


def elide(text: str, pixels: float) -> str:
    """Leave out the middle of a text that needs more pixels than there are."""
    text = " ".join(text.split())
    room = max(3, int(pixels / (CHARACTER * FONT)))
    if len(text) <= room:
        return text
    return f"{text[: room * 3 // 5]}\u2026{text[len(text) - (room - room * 3 // 5 - 1) :]}"
