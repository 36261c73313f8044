"""Energy of a text above what the idle machine uses, with its interval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgekd import units
from edgekd.analysis.energy import joules_a_call
from edgekd.report.charts.choice import chosen, evidence_note, left_out, recommended, sentences
from edgekd.report.charts.lanes import Lane, Lanes
from edgekd.report.charts.picture import Picture
from edgekd.report.charts.scales import linear_ticks, log_ticks
from edgekd.report.charts.style import INK, LANE_WIDTH, PAPER, looks
from edgekd.report.charts.svg import Marks, draw, finish
from edgekd.report.charts.vega import axis, chart, layer

if TYPE_CHECKING:
    from edgekd.analysis.estimators import Estimate
    from edgekd.report.model import Section
    from edgekd.report.table import Row

LINE = 16  # pixels
MOST = 15


def energy(section: Section) -> Picture | None:
    """Draw the energy of a text by the first meter that all share; None where nothing was measured.

    Raises:
        ModuleNotFoundError: without the packages of the ``report`` extra.
    """
    found = {row.name: joules_a_call(row.result.energy) for row in section.table.rows}
    sources = [source for by_source in found.values() for source in by_source]
    if not sources:
        return None
    source = max(dict.fromkeys(sources), key=sources.count)
    measured = [row for row in section.table.rows if source in found[row.name]]
    rows = chosen(section, measured, most=MOST)
    energies = {row.name: found[row.name][source] for row in rows}
    told = " ".join(f"{name}: {_text(e)}." for name, e in energies.items())
    caption = sentences(
        f"Energy of a text above what the idle machine uses, meter '{source}', with 95 % intervals. A hollow mark "
        "whose interval reaches 0: too little to tell.",
        left_out(rows, measured),
        evidence_note(section, rows),
    )
    alt = f"Energy of a text. {told}"
    return Picture("energy", "energy", "Energy of a text", caption, alt, _svg(section, rows, energies, alt))


def _text(e: Estimate) -> str:
    return units.energy(e.value, e.low, e.high)


def _svg(section: Section, rows: list[Row], energies: dict[str, Estimate], label: str) -> str:
    marks = Marks()
    styles = looks(section.table.rows, rows)
    heads = [Lane(row.name, _text(energies[row.name]), row.name == recommended(section)) for row in rows]
    lanes = Lanes(heads, LINE)
    log = all(e.low > 0 for e in energies.values())
    low, high = min(e.low for e in energies.values()), max(e.high for e in energies.values())
    low, high = (low / 1.3, high * 1.3) if log else (min(0.0, low), 1.05 * max(high, 0.0) or 1e-6)
    ticks = log_ticks(low, high) if log else linear_ticks(low, high)
    title = f"energy of a text above idle{' (log scale)' if log else ''}"
    x = axis("x", (low, high), ticks, units.short_energy, title, log=log)
    records: list[dict[str, Any]] = []
    for i, row in enumerate(rows):
        e, look = energies[row.name], styles[row.name]
        text = f"{row.name}: {_text(e)} ({units.energy_interval(e.value, e.low, e.high)}) a text above idle"
        records.append(
            {
                "x": e.value,
                "low": e.low,
                "high": e.high,
                "y": lanes.top(i) + LINE / 2,
                "colour": look.colour,
                "fill": look.colour if e.low > 0 else PAPER,
                "shape": look.shape,
                "mark": marks.key(row.name, text),
            }
        )
    forms = {"shape": "shape", "fill": "fill", "stroke": "colour", "description": "mark"}
    bars = {"x": "low", "x2": "high", "y": lanes.y, "color": "colour", "description": "mark"}
    layers = [
        layer([] if log else [{"x": 0}], "rule", {"color": INK}, x=x),
        layer(records, "rule", {"strokeWidth": 2}, **bars),
        layer(records, "point", {"size": 80, "strokeWidth": 1.8, "opacity": 1}, x=x, y=lanes.y, **forms),
        *lanes.layers(marks),
    ]
    svg = draw(chart(layers, LANE_WIDTH, lanes.height))
    return finish(svg, marks, prefix=f"{section.name}-energy-", label=label)
