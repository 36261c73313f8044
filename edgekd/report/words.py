"""Sentences of the report, made from the table: the headline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd import units
from edgekd.analysis.gain_words import METRIC_NAMES, POINTS
from edgekd.analysis.paired_quality import score_change
from edgekd.analysis.pareto import Point, front
from edgekd.report.recommend_words import budget_clause
from edgekd.tasks import MAIN_METRIC, TaskKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.report.cells import Cell
    from edgekd.report.recommendation import Recommendation
    from edgekd.report.table import Row, Table


def front_of(rows: Sequence[Row], cost: str) -> list[Row]:
    """Return the rows on the front of the main score against ``cost`` (a column key), cheapest first."""
    by_name = {row.name: row for row in rows}
    return [by_name[point.name] for point in front(_points(rows, cost))]


def _points(rows: Sequence[Row], cost: str) -> list[Point]:
    found = []
    for row in rows:
        score, price = row.main.value, row.cells[cost].value
        if score is not None and price is not None and price > 0:
            found.append(Point(row.name, score, price))
    return found


def headline(
    table: Table, dropped: frozenset[str] = frozenset(), recommendation: Recommendation | None = None
) -> list[str]:
    """Say what the recommended, the fastest and the most accurate (the best) student cost and bring.

    Variants named in ``dropped`` are not considered.
    """
    rows = [row for row in table.rows if row.result.variant not in dropped]
    students = [row for row in rows if not row.is_teacher]
    if not students or recommendation is None:
        return ["No student was measured."]
    if table.reference is None:
        return ["No teacher was measured, so there is nothing to compare the students with."]
    chosen = next(row for row in table.rows if row.name == recommendation.variant)
    line = front_of(students, "p50_s")
    if not line or chosen.cells["p50_s"].value is None:
        return ["The samples are too few to compare latencies."]
    target = chosen.result.target
    clause = budget_clause(target, recommendation.checks, recommendation.fits)
    sentences = [f"{_against_teacher(chosen, table.reference)}{clause}."]
    best = "most accurate" if table.task is TaskKind.SINGLE_LABEL else "best"
    for adjective, row in (("fastest", line[0]), (best, line[-1])):
        if row is not chosen:
            sentences.append(f"The {adjective} student, {_against_teacher(row, table.reference, comma=',')}.")
    return sentences


def _speed_words(cell: Cell) -> str:
    if cell.value is None or cell.low is None or cell.high is None:
        return "of unknown speed"
    if cell.low <= 1 <= cell.high:
        return f"about as fast as the teacher at p50 ({cell.interval} times)"
    if cell.value > 1:
        return f"{cell.text} faster than the teacher at p50"
    slower = units.ratio(1 / cell.value, 1 / cell.high, 1 / cell.low)
    return f"{slower} slower than the teacher at p50"


def _quality_words(row: Row, teacher: Row) -> str:
    """Compare on the same texts, which is what a section guarantees."""
    mine, theirs = row.result.quality, teacher.result.quality
    plain = mine.task is TaskKind.SINGLE_LABEL
    if not mine.targets or mine.targets != theirs.targets:
        return "of unknown accuracy" if plain else "of unknown quality"
    change = score_change(mine.as_task, mine.targets, theirs.predictions, mine.predictions)
    metric = MAIN_METRIC[mine.task]
    if change.value == 0:
        return "equally accurate" if plain else f"equal in {METRIC_NAMES[metric]}"
    amount = units.points_amount(change.value) if metric in POINTS else units.correlation(abs(change.value))
    if plain:
        told = f"{amount} {'less' if change.value < 0 else 'more'} accurate"
    else:
        told = f"{amount} {'lower' if change.value < 0 else 'higher'} in {METRIC_NAMES[metric]}"
    unsure = change.low <= 0 <= change.high
    return told + (f" (within the uncertainty of {change.n:,} texts)" if unsure else "")


def _size_words(row: Row, teacher: Row) -> str:
    factor = teacher.result.size_bytes / row.result.size_bytes
    return f"{units.ratio(factor)} smaller" if factor >= 1 else f"{units.ratio(1 / factor)} larger"


def _against_teacher(row: Row, teacher: Row, comma: str = "") -> str:
    speed = _speed_words(row.cells["speed_up"])
    return f"{row.name}{comma} is {speed}, {_quality_words(row, teacher)}, {_size_words(row, teacher)}"
