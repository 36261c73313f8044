"""Latency against the length of the text: the scenario where it was measured, the timed calls otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgekd import units
from edgekd.analysis.scenarios import scaling
from edgekd.report.charts.choice import chosen, evidence_note, left_out, recommended, sentences
from edgekd.report.charts.curves import Dot, curve_layers
from edgekd.report.charts.legend import Entry, legend
from edgekd.report.charts.picture import Picture
from edgekd.report.charts.scales import linear_ticks, log_ticks
from edgekd.report.charts.style import HEIGHT, WIDTH, looks
from edgekd.report.charts.svg import Marks, draw, finish
from edgekd.report.charts.vega import axis, chart

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edgekd.report.charts.vega import Spec
    from edgekd.report.model import Section
    from edgekd.report.table import Row
    from edgekd.results import BenchResult

BINS = 12
CALLS_A_BIN = 20  # a median of fewer says little
WIDE = 12  # times the shortest text: the axis of tokens becomes logarithmic


def of_scenario(name: str, result: BenchResult) -> list[Dot]:
    """Return the medians of texts of each length with their 95 % intervals."""
    found = scaling(sorted(result.lengths, key=lambda point: point.tokens))
    if found is None:
        return []
    return [
        Dot(
            tokens,
            e.value,
            e.low,
            e.high,
            f"{name}, {tokens} tokens: median {units.duration(e.value, e.low, e.high)} "
            f"({units.duration_interval(e.value, e.low, e.high)})",
        )
        for tokens, e in zip(found.tokens, found.p50, strict=True)
    ]


def of_calls(name: str, result: BenchResult) -> list[Dot]:
    """Return the medians of groups of calls of about the same length, with the middle half of each."""
    tokens = np.asarray(result.samples.tokens)
    total = np.asarray(result.samples.total_s)
    if len(tokens) < 3 * CALLS_A_BIN:
        return []
    order = np.argsort(tokens, kind="stable")
    values, firsts = np.unique(tokens[order], return_index=True)
    wanted = max(CALLS_A_BIN, len(tokens) / BINS)
    dots, start = [], 0
    for end in [*firsts[1:].tolist(), len(order)]:
        if end - start < wanted and not (end == len(order) and end - start >= CALLS_A_BIN):
            continue
        group = order[start:end]
        low, middle, high = (float(v) for v in np.quantile(total[group], [0.25, 0.5, 0.75]))
        shortest, longest = int(tokens[group].min()), int(tokens[group].max())
        which = f"{shortest}" if shortest == longest else f"{shortest} to {longest}"
        text = f"{name}, {which} tokens: median {units.duration(middle)}, middle half {units.duration(low)} to "
        dots.append(Dot(float(tokens[group].mean()), middle, low, high, text + units.duration(high)))
        start = end
    return dots if len(dots) >= 3 and len(values) >= 3 else []


def lengths(section: Section) -> Picture | None:
    """Draw latency over tokens; None where fewer than three lengths were measured.

    Raises:
        ModuleNotFoundError: without the packages of the ``report`` extra.
    """
    rows = section.table.rows
    curves = {row.name: of_scenario(row.name, row.result) for row in rows}
    is_scenario = any(curves.values())
    if not is_scenario:
        timed = [row for row in rows if row.cells["p50_s"].value is not None]
        curves = {row.name: of_calls(row.name, row.result) for row in timed}
    drawable = [row for row in rows if curves.get(row.name)]
    if not drawable:
        return None
    shown = chosen(section, drawable)
    ends = [(row.name, curves[row.name][0], curves[row.name][-1]) for row in shown]
    told = " ".join(
        f"{name}: {units.duration(a.y)} at {a.x:.0f} tokens, {units.duration(b.y)} at {b.x:.0f}." for name, a, b in ends
    )
    how = (
        "Median latency of texts of exactly so many tokens, with the 95 % interval as a band."
        if is_scenario
        else "Median latency of the timed texts, grouped by length; the band holds the middle half of each group."
    )
    caption = sentences(how, left_out(shown, drawable), evidence_note(section, shown))
    alt = f"Latency against length. {told}"
    svg = _svg(section, shown, curves, alt)
    return Picture("lengths", "lengths", "Latency over the length of the text", caption, alt, svg)


def _svg(section: Section, rows: Sequence[Row], curves: Mapping[str, Sequence[Dot]], label: str) -> str:
    marks = Marks()
    styles = looks(section.table.rows, rows)
    dots = [dot for row in rows for dot in curves[row.name]]
    shortest, longest = min(dot.x for dot in dots), max(dot.x for dot in dots)
    wide = longest > WIDE * shortest
    low_x, high_x = (shortest / 1.15, longest * 1.15) if wide else (0.0, longest * 1.04)
    low_y = min(dot.y if dot.low is None else dot.low for dot in dots) / 1.2
    high_y = max(dot.y if dot.high is None else dot.high for dot in dots) * 1.2
    ticks_x = _token_ticks(low_x, high_x, sorted({dot.x for dot in dots})) if wide else linear_ticks(low_x, high_x)
    ticks_y = log_ticks(low_y, high_y)
    title = f"tokens of the text{' (log scale)' if wide else ''}"
    x = axis("x", (low_x, high_x), ticks_x, lambda value: f"{value:,.0f}", title, log=wide, grid=False)
    y = axis("y", (low_y, high_y), ticks_y, units.short_duration, "latency, median (log scale)", log=True)
    layers: list[Spec] = []
    for row in rows:
        layers += curve_layers(row.name, curves[row.name], styles[row.name], x, y, marks, points=True)
    entries = [Entry(row.name, row.name, styles[row.name], row.name == recommended(section)) for row in rows]
    layers += legend(entries, marks, below=HEIGHT)
    return finish(draw(chart(layers, WIDTH, HEIGHT)), marks, prefix=f"{section.name}-lengths-", label=label)


def _token_ticks(low: float, high: float, measured: Sequence[float]) -> list[float]:
    """Return the lengths that were measured, where they are few; round numbers otherwise."""
    return list(measured) if len(measured) <= 8 else [tick for tick in log_ticks(low, high) if tick >= 1]
