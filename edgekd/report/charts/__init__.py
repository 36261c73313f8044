"""The pictures of a section. One module a picture; Vega-Lite draws them, and nothing in the SVG can run."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from edgekd.errors import MissingExtra
from edgekd.report.charts.calibration import calibration
from edgekd.report.charts.choice import score_name
from edgekd.report.charts.cold import cold
from edgekd.report.charts.energy import energy
from edgekd.report.charts.gain import gain
from edgekd.report.charts.latency import latency
from edgekd.report.charts.lengths import lengths
from edgekd.report.charts.pareto import COSTS, pareto
from edgekd.report.charts.picture import Picture
from edgekd.report.charts.split import split
from edgekd.report.charts.style import DARK, GRID, INK, KIND_COLOURS, MUTED, OTHER_COLOURS, PALETTE, PAPER, colours
from edgekd.report.charts.svg import draw
from edgekd.report.charts.throttle import throttle

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgekd.report.model import Section

__all__ = [
    "DARK",
    "GRID",
    "INK",
    "KIND_COLOURS",
    "MUTED",
    "OTHER_COLOURS",
    "PALETTE",
    "PAPER",
    "Picture",
    "colours",
    "draw",
    "pictures",
    "png_of",
    "score_name",
]

DRAWN: list[Callable[[Section], Picture | None]] = [
    *(partial(pareto, cost=cost) for cost in COSTS),
    latency,
    lengths,
    split,
    throttle,
    gain,
    calibration,
    energy,
    cold,
]


def pictures(section: Section) -> list[Picture]:
    """Draw all pictures of a section for which there is data, in the order of a report.

    Raises:
        MissingExtra: without the packages of the ``report`` extra.
    """
    try:
        drawn = [draw_one(section) for draw_one in DRAWN]
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name or "vl_convert", "report") from error
    return [picture for picture in drawn if picture is not None]


def png_of(picture: Picture, *, scale: float = 2.0) -> bytes:
    """Return a picture as PNG, ``scale`` times as large as the SVG says.

    Raises:
        MissingExtra: without the packages of the ``report`` extra.
    """
    try:
        import vl_convert as vlc
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name or "vl_convert", "report") from error
    return bytes(vlc.svg_to_png(picture.svg, scale=scale))
