"""The table, computed once: raw values with intervals, and the same already rounded and with units.

Every format walks these rows; none rounds or chooses a unit by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgekd import units
from edgekd.analysis.bootstrap import RESAMPLES
from edgekd.analysis.stats import needed_samples, speed_up, summarize
from edgekd.report.cells import Cell, Column, duration, missing, of_estimate, plain
from edgekd.report.emulated import NO_LATENCY, NO_PEAK
from edgekd.report.quality import NO_TEACHER, QUALITY_COLUMNS, quality_cells
from edgekd.results import Evidence, Role
from edgekd.tasks import MAIN_METRIC, TaskKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.analysis.stats import Summary
    from edgekd.results import BenchResult


@dataclass(frozen=True)
class Row:
    """One variant."""

    name: str
    result: BenchResult
    summary: Summary
    cells: dict[str, Cell]

    @property
    def is_teacher(self) -> bool:
        """True for the model that the students learned from."""
        return self.result.role is Role.TEACHER

    @property
    def main(self) -> Cell:
        """The score that decides in this task."""
        return self.cells[MAIN_METRIC[self.result.quality.task]]

    @property
    def evidence(self) -> str:
        """Where the numbers of this row were measured."""
        return self.result.evidence.value


@dataclass(frozen=True)
class Table:
    """All variants of one target and task; ``reference`` is the row that speed-ups refer to."""

    task: TaskKind
    columns: list[Column]
    rows: list[Row]
    reference: Row | None


LATENCY, MEMORY, FILE = "Latency", "Memory", "File"

COST_COLUMNS = [
    Column("speed_up", "speed-up", LATENCY, "how many times faster than the teacher's ONNX fp32 at p50"),
    Column("p50_s", "p50", LATENCY, "median latency, text in to label out"),
    Column("p90_s", "p90", LATENCY, "90 % of calls are faster"),
    Column("p95_s", "p95", LATENCY, "95 % of calls are faster"),
    Column("p99_s", "p99", LATENCY, "99 % of calls are faster"),
    Column("tokenize_p50_s", "tokenize p50", LATENCY, "the part before the model"),
    Column("infer_p50_s", "infer p50", LATENCY, "the part in the model"),
    Column("post_p50_s", "post p50", LATENCY, "from the model's numbers to the answer"),
    Column("load_time_s", "load time", LATENCY, "opening model and tokenizer"),
    Column("peak_rss_bytes", "peak RSS", MEMORY, "the most memory the process ever had"),
    Column("steady_rss_bytes", "steady RSS", MEMORY, "memory of the process after all calls"),
    Column("pss_bytes", "PSS", MEMORY, "the same, pages shared with other processes counted in part"),
    Column("size_bytes", "size", FILE, "everything that must be shipped"),
    Column("parameters", "parameters", FILE, "weights of the model"),
]


def columns_of(task: TaskKind) -> list[Column]:
    """Return the columns of a task: its scores, then what it costs."""
    return [*QUALITY_COLUMNS[task], *COST_COLUMNS]


def _too_few(samples: int, q: float) -> str:
    return f"{samples} samples, needs {needed_samples(q)}"


def _speed_up(result: BenchResult, reference: BenchResult | None, resamples: int) -> Cell:
    if reference is None:
        return missing(NO_TEACHER)
    if result is reference:
        return Cell(units.ratio(1.0), value=1.0)
    found = speed_up(reference, result, resamples=resamples)
    return of_estimate(found, units.ratio, units.ratio_interval, _too_few(len(result.samples.total_s), 0.5))


def _cells(result: BenchResult, summary: Summary, speed: Cell) -> dict[str, Cell]:
    n = summary.samples
    cells = {
        **quality_cells(result, summary),
        "speed_up": speed,
        "p50_s": duration(summary.p50, _too_few(n, 0.5)),
        "p90_s": duration(summary.p90, _too_few(n, 0.9)),
        "p95_s": duration(summary.p95, _too_few(n, 0.95)),
        "p99_s": duration(summary.p99, _too_few(n, 0.99)),
        "tokenize_p50_s": duration(summary.tokenize_p50, _too_few(n, 0.5)),
        "infer_p50_s": duration(summary.infer_p50, _too_few(n, 0.5)),
        "post_p50_s": duration(summary.post_p50, "not timed apart" if summary.p50 else _too_few(n, 0.5)),
        "load_time_s": plain(summary.load_time_s, units.duration),
        "peak_rss_bytes": plain(summary.peak_rss_bytes, units.size),
        "steady_rss_bytes": plain(summary.steady_rss_bytes, units.size),
        "pss_bytes": plain(result.memory.pss_bytes, units.size),
        "size_bytes": plain(summary.size_bytes, units.size),
        "parameters": plain(result.parameters, units.count),
    }
    if result.evidence is Evidence.EMULATED:
        cells |= {column.key: missing(NO_LATENCY, blank=True) for column in COST_COLUMNS if column.group == LATENCY}
        cells["peak_rss_bytes"] = missing(NO_PEAK, blank=True)
    return cells


def reference_of(results: Sequence[BenchResult]) -> BenchResult | None:
    """Return the teacher's ONNX fp32 result, or the nearest there is: any teacher, fp32 before int8."""
    teachers = [r for r in results if r.role is Role.TEACHER]
    return min(teachers, key=lambda r: (r.backend != "onnxruntime", r.precision != "fp32"), default=None)


def _names(results: Sequence[BenchResult]) -> list[str]:
    """Return variant names; those that occur twice carry the time of their measurement."""
    variants = [r.variant for r in results]
    return [r.variant if variants.count(r.variant) == 1 else f"{r.variant} ({r.created_at})" for r in results]


def build_table(results: Sequence[BenchResult], *, resamples: int = RESAMPLES) -> Table:
    """Compute the rows of one target and task: the teacher first, then the others from slow to fast."""
    task = results[0].quality.task
    reference = reference_of(results)
    rows = []
    for name, result in zip(_names(results), results, strict=True):
        summary = summarize(result, resamples=resamples)
        speed = _speed_up(result, reference, resamples)
        rows.append(Row(name, result, summary, _cells(result, summary, speed)))

    def order(row: Row) -> tuple[bool, bool, float, str]:
        p50 = row.cells["p50_s"].value
        return (row.result is not reference, not row.is_teacher, -(p50 or 0.0), row.name)

    rows.sort(key=order)
    return Table(task, columns_of(task), rows, next((row for row in rows if row.result is reference), None))
