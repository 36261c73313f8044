"""Estimates in a table of their own: no number of theirs ever stands in a column of measured ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgekd import units
from edgekd.results import Evidence

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edgekd.estimate.calibration import Calibration
    from edgekd.measurements import Estimate
    from edgekd.report.table import Table

TITLE = "Estimates: computed, not measured"
KEY = (
    "An estimate is the latency of one text of so many tokens, text in to answer out. The truth is expected within its "
    "range. No gate and no choice uses it."
)
HEADINGS = ("variant", "for", "tokens", "estimate", "expected within", "method", "evidence")
FEW_MODELS = 3  # fewer say little about how models differ
FAR_OFF = 3.0  # more than the range of an estimate allows
METHODS = {"analytic": "roofline", "traced": "instruction trace"}


@dataclass(frozen=True)
class EstimateRow:
    """One estimate as text.

    Attributes:
        cells: as in ``HEADINGS``.
        basis: what it was computed from.
    """

    cells: tuple[str, ...]
    basis: str


def estimate_rows(table: Table) -> list[EstimateRow]:
    """Return the estimates of all variants: by target, then by variant in the order of the table, short texts first."""
    found = [(row.name, estimate) for row in table.rows for estimate in row.result.estimates]
    targets = list(dict.fromkeys((each.target, each.processor) for _, each in found))
    found.sort(key=lambda pair: targets.index((pair[1].target, pair[1].processor)))
    return [EstimateRow(_cells(name, estimate), estimate.basis) for name, estimate in found]


def _cells(name: str, estimate: Estimate) -> tuple[str, ...]:
    where = estimate.target if estimate.processor == "cpu" else f"{estimate.target}, GPU"
    where += f", {estimate.threads} threads" if estimate.threads > 1 else ""
    low, high = units.rough_duration(estimate.low_s), units.rough_duration(estimate.high_s)
    method = METHODS[estimate.kind] + ("" if estimate.with_tokenizer else ", without tokenizer")
    method += ", calibrated" if estimate.calibration_factor is not None else ""
    value = units.rough_duration(estimate.latency_s)
    return name, where, str(estimate.tokens), value, f"{low} to {high}", method, Evidence.ESTIMATED.value


def render_estimates(table: Table) -> list[RenderableType]:
    """Return the estimates for the terminal; nothing when there are none."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table as RichTable
    from rich.text import Text

    rows = estimate_rows(table)
    if not rows:
        return []
    drawn = RichTable(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in HEADINGS:
        right = heading in {"tokens", "estimate", "expected within"}
        drawn.add_column(heading, justify="right" if right else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(cell) for cell in row.cells))
    return [Text(TITLE, style="bold yellow"), drawn, Text(KEY, style="dim")]


def calibration_table(calibration: Calibration) -> RenderableType:
    """Return what was measured on a board beside what had been computed, for the terminal."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table as RichTable
    from rich.text import Text

    drawn = RichTable(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    drawn.add_column(Text(calibration.target), overflow="fold")
    for heading in ("tokens", "measured (device)", "estimated", "ratio"):
        drawn.add_column(heading, justify="right")
    for each in calibration.comparisons:
        numbers = (units.duration(each.measured_s), units.rough_duration(each.estimated_s), units.factor(each.ratio))
        drawn.add_row(Text(each.variant), str(each.tokens), *(Text(number) for number in numbers))
    return drawn


def calibration_sentences(calibration: Calibration) -> list[str]:
    """Say what later estimates are multiplied by and how far they may be off, and how little that rests on."""
    models = len({each.artifact_hash for each in calibration.comparisons})
    where = calibration.target if calibration.processor == "cpu" else f"{calibration.target}'s GPU"
    band = units.number(calibration.band)
    told = [
        f"Estimates for {where} ({METHODS[calibration.kind]}) are multiplied by {units.number(calibration.factor)}; "
        f"the truth is expected between 1/{band} and {band} times the result."
    ]
    if not 1 / FAR_OFF <= calibration.factor <= FAR_OFF:
        told.append(f"That is far off: was it really a {calibration.target}, idle and at its full clock?")
    if models < FEW_MODELS:
        counted = "one model" if models == 1 else f"{models} models"
        told.append(f"This rests on {counted}: measure more of them for a range that can be relied on.")
    return told
