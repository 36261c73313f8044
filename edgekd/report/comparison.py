"""A comparison as text: each change in the units of its metric."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from edgekd.analysis.compare import ERRORS, Verdict
from edgekd.report import units
from edgekd.report.cells import change_interval, score_text
from edgekd.report.cells import change_text as score_change_text
from edgekd.report.table import columns_of
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edgekd.analysis.compare import Change, Comparison, FolderComparison

STYLES = {Verdict.WORSE: "bold red", Verdict.BETTER: "green", Verdict.UNSURE: "yellow", Verdict.SAME: "dim"}
HEADINGS = {column.key: column.heading for task in TaskKind for column in columns_of(task)}


def value_text(metric: str, value: float) -> str:
    """Write a value in the units of its metric."""
    if metric.endswith("_s"):
        return units.duration(value)
    if metric.endswith("_bytes"):
        return units.size(value)
    return units.number(value) if metric in ERRORS else score_text(metric, value)


def change_text(change: Change) -> str:
    """Write a change: per cent of the value before, percentage points, or a difference of correlations."""
    if change.relative:
        return units.relative(change.change)
    return f"{change.change:+.3g}" if change.metric in ERRORS else score_change_text(change.metric, change.change)


def interval_text(change: Change) -> str:
    """Write the interval of a change, or an empty string."""
    if change.low is None or change.high is None:
        return ""
    if change.relative:
        return units.relative_interval(change.low, change.high)
    if change.metric in ERRORS:
        return f"{change.low:+.3g} to {change.high:+.3g}"
    return change_interval(change.metric, change.low, change.high)


def _table(comparison: Comparison) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    for heading in ("before", "after", "change", "95 % interval"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict")
    for change in comparison.changes:
        style = STYLES[change.verdict]
        table.add_row(
            HEADINGS[change.metric],
            value_text(change.metric, change.before),
            value_text(change.metric, change.after),
            Text(change_text(change), style=style),
            Text(interval_text(change) or units.BLANK, style="dim"),
            Text(change.verdict.value, style=style),
        )
    return table


def render_comparison(comparison: FolderComparison) -> list[RenderableType]:
    """Return the comparison for the terminal, the most important variant first."""
    parts: list[RenderableType] = []
    for pair in comparison.pairs:
        parts.append(Text(f"{pair.variant} on {pair.target}", style="bold"))
        parts.append(_table(pair))
    warnings = dict.fromkeys(warning for pair in comparison.pairs for warning in pair.warnings)
    parts += [Text(warning, style="yellow") for warning in warnings]
    for where, names in (("first", comparison.only_before), ("second", comparison.only_after)):
        if names:
            parts.append(Text(f"Only in the {where}: {', '.join(names)}", style="dim"))
    return parts


def comparison_json(comparison: FolderComparison) -> dict[str, Any]:
    """Return the comparison as a JSON-able value: raw numbers in seconds, bytes and shares."""
    return {"schema_version": 1, **asdict(comparison)}
