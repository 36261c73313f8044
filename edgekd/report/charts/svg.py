"""From a chart to the SVG of a page: marks that say which variant they are, and nothing that could run.

A mark gets a key as its Vega description, which becomes its ``aria-label``; the key is then replaced by
``data-variant`` and a ``title``. Names of variants never pass through a Vega expression.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from edgekd.report.charts.style import FONT, FONTS, GRID, INK, MUTED, PAPER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgekd.report.charts.vega import Spec

SVG = "http://www.w3.org/2000/svg"
KEPT_TAGS = {"svg", "g", "path", "text", "tspan", "rect", "line", "circle", "defs", "clipPath", "title"}
DROPPED_ATTRIBUTES = {"href", "role", "aria-label", "aria-roledescription", "aria-hidden", "class", "version"}
SAID_ONCE = {("opacity", "1"), ("font-family", FONTS)}  # the default, and what the root says
EMPTY_PATHS = {"", "M0,0h0v0h0Z"}
KEY = "mark-"
NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, production 2


def printable(text: str) -> str:
    """Return a text without the characters that no XML file may hold."""
    return NOT_XML.sub("\ufffd", text)


class Marks:
    """Which mark is which variant, and what its card says."""

    def __init__(self) -> None:
        self._told: list[tuple[str, str]] = []

    def key(self, variant: str, text: str = "") -> str:
        """Return the description of a new mark."""
        self._told.append((printable(variant), printable(text)))
        return f"{KEY}{len(self._told) - 1}"

    def of(self, description: str) -> tuple[str, str] | None:
        """Return variant and text of a description; None when it is not one of ours."""
        number = description.removeprefix(KEY)
        known = description.startswith(KEY) and number.isdigit() and int(number) < len(self._told)
        return self._told[int(number)] if known else None


CONFIG = {
    "background": PAPER,
    "font": FONTS,
    "view": {"stroke": None},
    "axis": {
        "gridColor": GRID,
        "domainColor": MUTED,
        "tickColor": MUTED,
        "labelColor": MUTED,
        "titleColor": INK,
        "labelFontSize": FONT,
        "titleFontSize": FONT,
        "titleFontWeight": "normal",
        "titlePadding": 8,
    },
}


def draw(chart: Spec) -> str:
    """Return a Vega-Lite specification as SVG in the style of all our pictures."""
    import vl_convert as vlc

    svg: str = vlc.vegalite_to_svg({**chart, "config": CONFIG})
    return svg


def finish(svg: str, marks: Marks, *, prefix: str, label: str) -> str:
    """Return a picture for a page.

    Args:
        svg: as Vega wrote it.
        marks: what its marks are.
        prefix: of every id, so that pictures can share a page.
        label: what a screen reader says.
    """
    root = ElementTree.fromstring(svg)  # noqa: S314 - written by our own renderer, not by a user
    for parent in list(root.iter()):
        for child in list(parent):
            if _name(child.tag) not in KEPT_TAGS or child.get("d") in EMPTY_PATHS:
                parent.remove(child)
    for element in list(root.iter()):
        _clean(element, marks, prefix)
    root.set("xmlns", SVG)
    root.set("font-family", FONTS)
    root.set("role", "img")
    root.set("aria-label", printable(label))
    return ElementTree.tostring(root, encoding="unicode")


def _name(tag: str) -> str:
    return tag.rpartition("}")[2]


def _clean(element: ElementTree.Element, marks: Marks, prefix: str) -> None:
    element.tag = _name(element.tag)
    found = marks.of(element.get("aria-label", ""))
    element.attrib = dict(_attributes(element, prefix))
    if element.tag == "text" and "stroke" in element.attrib:
        element.set("paint-order", "stroke")  # a rim of the paper's colour around the letters, not over them
        element.set("stroke-linejoin", "round")
    if found is None:
        return
    variant, text = found
    element.set("data-variant", variant)
    if text:
        title = ElementTree.Element("title")
        title.text = text
        element.insert(0, title)


def _attributes(element: ElementTree.Element, prefix: str) -> Iterator[tuple[str, str]]:
    for name, value in element.attrib.items():
        plain = _name(name)
        if plain in DROPPED_ATTRIBUTES or (plain, value) in SAID_ONCE or plain.lower().startswith("on"):
            continue
        if plain == "id":
            yield plain, prefix + value
        elif value.startswith("url(#"):
            yield plain, f"url(#{prefix}{value[5:]}"
        else:
            yield plain, value
