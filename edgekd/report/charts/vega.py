"""Vega-Lite specifications, written directly: a chart is a list of layers, a layer is data with a mark and channels.

Altair builds the same specifications; checking each part against the schema makes it five times as slow as drawing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

from edgekd.report.charts.scales import label_expression

Spec = dict[str, Any]
TEXTS = {"text", "description", "color", "fill", "stroke", "shape"}
AS_THEY_ARE = {"color", "fill", "stroke", "shape", "fillOpacity"}  # values of the data, not categories


def layer(values: Sequence[Mapping[str, Any]], mark: str, style: Mapping[str, Any], **channels: Any) -> Spec:
    """Return a layer.

    Args:
        values: one record for each mark, or for each point of a line or area.
        mark: "point", "line", "area", "rule", "rect" or "text".
        style: of all its marks.
        channels: a field by its name, a position in pixels by a number, or an axis as :func:`axis` returns it.
    """
    encoding = {name: _channel(name, value) for name, value in channels.items()}
    return {"data": {"values": list(values)}, "mark": {"type": mark, **style}, "encoding": encoding}


def _channel(name: str, value: Any) -> Spec:
    if isinstance(value, int | float):
        return {"value": value}
    if not isinstance(value, str):
        found: Spec = value
        return found
    if name in {"x2", "y2"}:
        return {"field": value}
    told: Spec = {"field": value, "type": "nominal" if name in TEXTS else "quantitative"}
    return {**told, "scale": None} if name in AS_THEY_ARE else told


def axis(
    field: str,
    domain: tuple[float, float],
    ticks: Sequence[float],
    text: Callable[[float], str],
    title: str,
    *,
    log: bool = False,
    pixels: tuple[float, float] | None = None,
    **style: Any,
) -> Spec:
    """Return a channel with a scale and an axis.

    Args:
        field: of the data.
        domain: lowest and highest value.
        ticks: where numbers stand.
        text: writes such a number.
        title: with the unit, where the numbers carry none.
        log: logarithmic instead of linear.
        pixels: where the scale begins and ends; the whole plot by default.
        style: of the axis.
    """
    scale: Spec = {"type": "log" if log else "linear", "domain": list(domain), "nice": False}
    if not log:
        scale["zero"] = False
    if pixels is not None:
        scale["range"] = list(pixels)
    shown = {"values": list(ticks), "labelExpr": label_expression(ticks, text), "title": title or None, **style}
    return {"field": field, "type": "quantitative", "scale": scale, "axis": shown}


def downwards(field: str, height: float) -> Spec:
    """Return a channel of pixels from the top down, without an axis."""
    scale = {"domain": [0, height], "range": [0, height], "nice": False, "zero": False}
    return {"field": field, "type": "quantitative", "scale": scale, "axis": None}


def pixel(field: str) -> Spec:
    """Return a channel whose values are pixels already, in a plot that has a scale of its own."""
    return {"field": field, "type": "quantitative", "scale": None, "axis": None}


def chart(layers: Sequence[Spec], width: float, height: float) -> Spec:
    """Return layers, the first at the bottom, as a chart of that size without its axes."""
    return {"layer": [one for one in layers if one["data"]["values"]], "width": width, "height": height}


def above_each_other(charts: Sequence[Spec], *, spacing: float) -> Spec:
    """Return charts in a column."""
    return {"vconcat": list(charts), "spacing": spacing}
