"""Are the probabilities honest? Temperature and calibration error of each variant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgekd import units
from edgekd.analysis.calibration import calibration_scores, one_hot
from edgekd.report.cells import Cell, missing, plain
from edgekd.tasks import Calibration, TaskKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.report.table import Row

TITLE = "Are the probabilities honest?"
KEY = (
    "Logits are divided by the temperature, which was fitted on validation texts (Guo 2017). ECE: gap between "
    "probability and how often it is right, mean over 15 bins, on the texts measured here; before: with temperature 1."
)
HEADINGS = ("variant", "temperature", "ECE before", "ECE after")


@dataclass(frozen=True)
class CalibrationRow:
    """One variant."""

    name: str  # of a row
    cells: tuple[Cell, ...]  # in the order of HEADINGS, after the name


def calibration_rows(rows: Sequence[Row]) -> list[CalibrationRow]:
    """Return the calibration of all variants, in the order of the table; a regression has none."""
    return [CalibrationRow(row.name, _cells(row)) for row in rows if row.result.quality.task is not TaskKind.REGRESSION]


def _cells(row: Row) -> tuple[Cell, ...]:
    quality = row.result.quality
    temperature = plain(quality.calibration.temperature, units.number)
    if quality.logits is None or not quality.targets:
        reason = "stored without logits" if quality.targets else "the texts have no labels"
        return (temperature, missing(reason), missing(reason))
    logits = np.asarray(quality.logits, dtype=np.float64)
    wanted = one_hot(quality.as_task, quality.targets)
    before = calibration_scores(quality.as_task, wanted, logits, Calibration())["ece"]
    after = row.summary.scores.get("ece")
    return (temperature, plain(before, units.percent), plain(after, units.percent))
