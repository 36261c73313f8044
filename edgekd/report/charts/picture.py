"""What a drawn picture is, for those who put it on a page or into a file."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Picture:
    """A drawn plot of a section.

    ``svg`` is a light picture of its own; its colours are those of :data:`edgekd.report.charts.PALETTE`, which a page
    maps to its variables. Marks carry ``data-variant`` (the name of a row) and a ``title`` with their numbers.
    """

    key: str  # unique in a section, fit for a file name
    group: str  # "pareto", "latency", "lengths", "split", "throttle", "gain", "calibration", "energy", "cold"
    title: str
    caption: str  # what is seen and how to read it
    alt: str  # the main numbers, for those who cannot see it
    svg: str
