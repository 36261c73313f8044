"""Memory over many calls and energy as tables, in the form of the scenarios."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd import units
from edgekd.analysis.energy import joules_a_call
from edgekd.analysis.heap import heap_growth
from edgekd.report.cells import Cell, of_estimate, plain
from edgekd.report.scenarios import Part, PartRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.report.table import Row

TOO_FEW_POINTS = "too few readings"
TOO_FEW_ROUNDS = "fewer than two rounds"


def resource_parts(rows: Sequence[Row]) -> list[Part]:
    """Return a table of the leak check and one of the energy, where they were measured."""
    checked = [row for row in rows if row.result.heap]
    measured = [row for row in rows if row.result.energy]
    return ([_heap(checked)] if checked else []) + ([_energy(measured)] if measured else [])


def _heap(rows: Sequence[Row]) -> Part:
    lines = []
    for row in rows:
        heap = row.result.heap
        growth = heap_growth(heap)
        verdict = "?" if growth is None else "leaks" if growth.leaks else "no leak"
        estimate = growth.bytes_a_call if growth else None
        each = of_estimate(estimate, _bytes, units.value_interval, TOO_FEW_POINTS)
        sizes = [plain(float(heap[place].rss_bytes), units.size) for place in (0, -1)]
        lines.append(PartRow(row.name, f"{heap[-1].calls:,} calls", [*sizes, each, Cell(verdict)], row.evidence))
    method = (
        "Resident set during many calls, read a hundred times. Growth is counted after the first fifth; a leak is a "
        "growth that is certainly more than 4 bytes a call."
    )
    return Part("heap", "Leak check", method, ["at first", "at last", "bytes a call", "verdict"], lines)


def _bytes(value: float, low: float, high: float) -> str:
    return units.number(value, (high - low) / 2)


def _energy(rows: Sequence[Row]) -> Part:
    lines = []
    for row in rows:
        estimates = joules_a_call(row.result.energy)
        for source in dict.fromkeys(record.source for record in row.result.energy):
            mine = [record for record in row.result.energy if record.source == source]
            each = of_estimate(estimates.get(source), units.energy, units.energy_interval, TOO_FEW_ROUNDS)
            idle = plain(sum(record.idle_w for record in mine) / len(mine), units.power)
            load = plain(sum(record.joules / record.seconds for record in mine) / len(mine), units.power)
            lines.append(PartRow(row.name, source, [each, idle, load], row.evidence))
    method = (
        "Energy of a text above what the idle machine uses, one text after the other, measured by the machine's own "
        "meter; what the meter does not see is not in it. An interval around 0: too little to tell."
    )
    return Part("energy", "Energy", method, ["above idle, a text", "idle", "under load"], lines)
