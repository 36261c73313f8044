"""What the teacher brought: gains with their intervals, what they come from, and every seed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgekd import units
from edgekd.analysis.gain_words import METRIC_NAMES
from edgekd.report.charts.lanes import Lane, Lanes
from edgekd.report.charts.picture import Picture
from edgekd.report.charts.scales import linear_ticks
from edgekd.report.charts.style import FONT, INK, LANE_WIDTH, MUTED, PAPER, looks
from edgekd.report.charts.svg import Marks, draw, finish
from edgekd.report.charts.vega import axis, chart, layer
from edgekd.report.proofs import proofs_of
from edgekd.score_text import CORRELATIONS, change_interval, change_text, score_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.proof import Gain, Proof
    from edgekd.report.model import Section
    from edgekd.report.table import Row

LINE = 24  # pixels of an interval
SIDE = 116  # of what stands at the left of an interval
PARTS = {"total": "gain", "more_data": "more data", "softer_targets": "softer targets"}


def gain(section: Section) -> Picture | None:
    """Draw the gains of all students with a control; None where there is none with an interval.

    Raises:
        ModuleNotFoundError: without the packages of the ``report`` extra.
    """
    found = {name: row for name, row in proofs_of(section.table).items() if _intervals(row)}
    if not found:
        return None
    proofs = {name: row.result.proof for name, row in found.items() if row.result.proof is not None}
    metric = METRIC_NAMES[next(iter(proofs.values())).metric]
    alt = f"Gain in {metric} by distillation. " + " ".join(f"{name}: {_told(proof)}." for name, proof in proofs.items())
    seeds = any(len(proof.seeds) > 1 for proof in proofs.values())
    caption = (
        f"Change of {metric} against the same student trained without the teacher, with 95 % intervals: right of the "
        "line the teacher helped, an interval across it cannot tell. More data: texts that the teacher labelled; "
        "softer targets: its probabilities instead of its labels." + (" Small rings are single seeds." if seeds else "")
    )
    svg = _svg(section, list(found.items()), alt)
    return Picture("gain", "gain", "What the teacher brought", caption, alt, svg)


def _intervals(row: Row) -> dict[str, Gain]:
    proof = row.result.proof
    if proof is None:
        return {}
    return {part: value for part in PARTS if (value := getattr(proof, part)) is not None}


def _told(proof: Proof) -> str:
    told = []
    for part, words in PARTS.items():
        value = getattr(proof, part)
        if value is not None:
            interval = change_interval(proof.metric, value.low, value.high)
            told.append(f"{words} {change_text(proof.metric, value.value)} ({interval})")
    return ", ".join(told)


def seed_changes(proof: Proof, part: str) -> list[float]:
    """Return the change of each seed; empty where arms have other numbers of seeds."""
    arms = {
        "total": (proof.student, proof.control),
        "more_data": (proof.transfer_control, proof.control),
        "softer_targets": (proof.student, proof.transfer_control),
    }
    new, old = arms[part]
    return [a - b for a, b in zip(new, old, strict=True)] if len(new) == len(old) > 1 else []


def _svg(section: Section, students: Sequence[tuple[str, Row]], label: str) -> str:
    marks = Marks()
    styles = looks(section.table.rows, [row for _, row in students])
    metric = students[0][1].result.proof.metric if students[0][1].result.proof else ""
    lines = max(len(_intervals(row)) for _, row in students)
    heads = [Lane(row.name, _arms(row), text=name) for name, row in students]
    lanes = Lanes(heads, lines * LINE)
    records, rings, sides = _records(students, lanes, {name: look.colour for name, look in styles.items()}, marks)
    values = [0.0, *(r["low"] for r in records), *(r["high"] for r in records), *(r["x"] for r in rings)]
    pad = 0.05 * (max(values) - min(values)) or 0.01
    low, high = min(values) - pad, max(values) + pad
    ticks = linear_ticks(low, high, most=5)
    short = units.short_correlation if metric in CORRELATIONS else units.short_points
    unit = "" if metric in CORRELATIONS else ", percentage points"
    title = f"change of {METRIC_NAMES[metric]}{unit}"
    x = axis("x", (low, high), ticks, short, title, pixels=(SIDE if lines > 1 else 0, LANE_WIDTH))
    forms = {"shape": "shape", "fill": "fill", "stroke": "colour", "description": "mark"}
    bars = {"x": "low", "x2": "high", "y": lanes.y, "color": "colour", "description": "mark"}
    one = {"size": 22, "strokeWidth": 1, "opacity": 1, "fill": PAPER}
    side = {"align": "left", "baseline": "middle", "fontSize": FONT, "color": MUTED}
    layers = [
        layer([{"x": 0}], "rule", {"color": INK, "strokeWidth": 1.2}, x=x),
        layer(records, "rule", {"strokeWidth": 2}, **bars),
        layer(rings, "point", one, x=x, y=lanes.y, stroke="colour", description="mark"),
        layer(records, "point", {"size": 80, "opacity": 1, "strokeWidth": 1.6}, x=x, y=lanes.y, **forms),
        layer(sides if lines > 1 else [], "text", side, x=8, y=lanes.y, text="text", description="mark"),
        *lanes.layers(marks),
    ]
    svg = draw(chart(layers, LANE_WIDTH, lanes.height))
    return finish(svg, marks, prefix=f"{section.name}-gain-", label=label)


def _arms(row: Row) -> str:
    """Write the scores of the student without and with the teacher, means over seeds."""
    proof = row.result.proof
    if proof is None or not proof.student or not proof.control:
        return ""
    control, student = (sum(arm) / len(arm) for arm in (proof.control, proof.student))
    return f"{score_text(proof.metric, control)} \u2192 {score_text(proof.metric, student)}"


def _records(
    students: Sequence[tuple[str, Row]], lanes: Lanes, colours: dict[str, str], marks: Marks
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
    records, rings, sides = [], [], []
    for i, (name, row) in enumerate(students):
        proof = row.result.proof
        assert proof is not None
        for j, (part, value) in enumerate(_intervals(row).items()):
            y = lanes.top(i) + LINE * (j + 0.5)
            change = change_text(proof.metric, value.value)
            text = f"{name}: {PARTS[part]} {change} ({change_interval(proof.metric, value.low, value.high)})"
            whole = part == "total"
            records.append(
                {
                    "x": value.value,
                    "low": value.low,
                    "high": value.high,
                    "y": y,
                    "colour": colours[row.name],
                    "fill": colours[row.name] if whole else PAPER,
                    "shape": "diamond" if whole else "circle",
                    "mark": marks.key(row.name, text),
                }
            )
            sides.append({"y": y, "text": PARTS[part], "mark": marks.key(row.name)})
            for seed, one in zip(proof.seeds, seed_changes(proof, part), strict=False):
                told = f"{name}: {PARTS[part]} {change_text(proof.metric, one)} with seed {seed}"
                ring = {"x": one, "y": y + 8, "colour": colours[row.name], "mark": marks.key(row.name, told)}
                rings.append(ring)
    return records, rings, sides
