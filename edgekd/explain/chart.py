"""The deletion curve of a model as an SVG. Colours are fixed; the page maps them to light and dark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgekd import units
from edgekd.explain.faithfulness import STEPS
from edgekd.report.charts import MUTED, draw
from edgekd.report.charts.scales import linear_ticks
from edgekd.report.charts.vega import axis, chart, layer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.analysis.estimators import Estimate
    from edgekd.explain.faithfulness import Faithfulness

WIDTH, HEIGHT = 400, 240
EXPLAINED = "#0969da"
BY_CONTRIBUTION, RANDOM = "words with the highest contributions first", "words in a random order"


def _records(name: str, curve: Sequence[Estimate]) -> list[dict[str, Any]]:
    return [
        {"order": name, "x": s, "y": e.value, "low": e.low, "high": e.high} for s, e in zip(STEPS, curve, strict=True)
    ]


def bounds(reports: Sequence[Faithfulness]) -> tuple[float, float]:
    """Return the range of all curves with a little room, so that the pictures of all models share an axis."""
    estimates = [e for figures in reports for e in (*figures.curve, *figures.random_curve)]
    low, high = min(e.low for e in estimates), max(e.high for e in estimates)
    pad = 0.05 * (high - low) or 0.01
    return low - pad, high + pad


def curve_svg(figures: Faithfulness, axis_title: str, y_range: tuple[float, float]) -> str:
    """Draw both curves with their 95 % bands.

    Raises:
        ModuleNotFoundError: without the packages of the ``report`` extra.
    """
    x = axis("x", (0.0, 1.0), linear_ticks(0.0, 1.0), units.short_percent, "words left out")
    y = axis("y", y_range, linear_ticks(*y_range), units.short_number, axis_title)
    layers = []
    for name, curve, colour, dash in (
        (RANDOM, figures.random_curve, MUTED, [5, 4]),
        (BY_CONTRIBUTION, figures.curve, EXPLAINED, [1, 0]),
    ):
        points = _records(name, curve)
        band = {"color": colour, "opacity": 0.18, "aria": False}
        line = {"color": colour, "strokeWidth": 2, "strokeDash": dash, "aria": False}
        layers += [layer(points, "area", band, x=x, y={**y, "field": "low"}, y2="high")]
        layers += [layer(points, "line", line, x=x, y=y)]
    return draw(chart(layers, WIDTH, HEIGHT))
