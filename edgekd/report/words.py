"""Sentences of the report, made from the table: the headline and the gain from distillation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd.analysis.paired_quality import accuracy_change
from edgekd.analysis.pareto import Point, front, knee
from edgekd.report import units

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.report.table import Cell, Row, Table


def front_of(rows: Sequence[Row], cost: str) -> list[Row]:
    """Return the rows on the front of accuracy against ``cost`` (a column key), cheapest first."""
    by_name = {row.name: row for row in rows}
    return [by_name[point.name] for point in front(_points(rows, cost))]


def _points(rows: Sequence[Row], cost: str) -> list[Point]:
    found = []
    for row in rows:
        accuracy, price = row.cells["accuracy"].value, row.cells[cost].value
        if accuracy is not None and price is not None and price > 0:
            found.append(Point(row.name, accuracy, price))
    return found


def headline(table: Table, dropped: frozenset[str] = frozenset()) -> list[str]:
    """Say what the balanced, the fastest and the most accurate student cost and bring.

    The balanced student is the knee of the front of accuracy against p50 latency. Variants named in
    ``dropped`` are not considered.
    """
    rows = [row for row in table.rows if row.result.variant not in dropped]
    students = [row for row in rows if not row.is_teacher]
    if not students:
        return ["No student was measured."]
    if table.reference is None:
        return ["No teacher was measured, so there is nothing to compare the students with."]
    by_name = {row.name: row for row in students}
    line = [row for row in front_of(students, "p50_s") if row.name in by_name]
    balanced = knee(_points([*students, table.reference], "p50_s"))
    chosen = by_name.get(balanced.name) if balanced else None
    if chosen is None and line:
        chosen = line[-1]
    if chosen is None:
        return ["The samples are too few to compare latencies."]
    sentences = [_against_teacher(chosen, table.reference)]
    for adjective, row in (("fastest", line[0]), ("most accurate", line[-1])):
        if row is not chosen:
            sentences.append(f"The {adjective} student, {_against_teacher(row, table.reference, comma=',')}")
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


def _accuracy_words(row: Row, teacher: Row) -> str:
    """Compare on the same texts, which is what a section guarantees."""
    mine, theirs = row.result.quality, teacher.result.quality
    if not mine.targets or mine.targets != theirs.targets:
        return "of unknown accuracy"
    change = accuracy_change(mine.targets, theirs.predictions, mine.predictions)
    if change.value == 0:
        return "equally accurate"
    amount = f"{units.points_amount(change.value)} {'less' if change.value < 0 else 'more'} accurate"
    unsure = change.low <= 0 <= change.high
    return amount + (f" (within the uncertainty of {change.n:,} texts)" if unsure else "")


def _size_words(row: Row, teacher: Row) -> str:
    factor = teacher.result.size_bytes / row.result.size_bytes
    return f"{units.ratio(factor)} smaller" if factor >= 1 else f"{units.ratio(1 / factor)} larger"


def _against_teacher(row: Row, teacher: Row, comma: str = "") -> str:
    speed = _speed_words(row.cells["speed_up"])
    return f"{row.name}{comma} is {speed}, {_accuracy_words(row, teacher)}, {_size_words(row, teacher)}."


def _student_name(row: Row) -> str:
    return row.result.variant.removesuffix(f"-{row.result.precision}")


def gains(table: Table) -> list[str]:
    """Say for each student whether distillation helped, from its fp32 variant where there is one.

    The control is the same student trained on the true labels alone; it is an fp32 model.
    """
    best: dict[str, Row] = {}
    for row in table.rows:
        if row.is_teacher or row.result.control_accuracy is None:
            continue
        name = _student_name(row)
        if name not in best or row.result.precision == "fp32":
            best[name] = row
    return [_gain_sentence(name, row) for name, row in sorted(best.items())]


def _gain_sentence(name: str, row: Row) -> str:
    gain, accuracy, control = row.summary.control_gain, row.summary.accuracy, row.result.control_accuracy
    if gain is None or accuracy is None or control is None:
        return f"{name}: the gain cannot be computed, because the texts have no labels."
    precision = "" if row.result.precision == "fp32" else f", measured on {row.result.precision}"
    numbers = (
        f"{units.points(gain.value)} ({units.percent(accuracy.value)} against {units.percent(control)} "
        f"without the teacher{precision}), 95 % interval {units.points_interval(gain.low, gain.high)}"
    )
    if gain.low > 0:
        return f"KD helped {name}: {numbers}."
    if gain.high < 0:
        return f"KD hurt {name}: {numbers}."
    return f"Cannot tell whether KD helped {name}: {numbers} includes 0; more test texts would tell."
