"""A report as Bencher Metric Format, for ``bencher run --adapter json``.

Format: https://bencher.dev/docs/reference/bencher-metric-format. A benchmark is a variant on a target. Measures that
Bencher knows have its names and units: ``latency`` in nanoseconds, ``file-size`` in bytes. Others are made there when
they first arrive; docs/ci.md lists them with their units.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from edgekd.analysis.sums import METRICS

if TYPE_CHECKING:
    from edgekd.analysis.estimators import Estimate
    from edgekd.analysis.stats import Summary
    from edgekd.report.model import Report
    from edgekd.report.table import Row
    from edgekd.results import BenchResult

NS = 1e9
LONGEST_NAME = 1024  # of a benchmark, in characters
LATENCY = "latency"
SIZE = "file-size"

Measure = dict[str, float]
Benchmarks = dict[str, dict[str, Measure]]


def report_bencher(report: Report) -> Benchmarks:
    """Return all measures of a report with their 95 % intervals; what was not measured is left out.

    A variant that was measured for one target on several machines, or on several sets of texts, has the name of the
    report's section in the place of the target.
    """
    targets = Counter(section.target for section in report.sections)
    return {
        benchmark_name(section.target if targets[section.target] == 1 else section.name, row.name): _measures(row)
        for section in report.sections
        for row in section.table.rows
    }


def benchmark_name(target: str, variant: str) -> str:
    """Return what a benchmark is called: "pi4/cnn-int8"."""
    return f"{target}/{variant}"[:LONGEST_NAME]


def measure(value: float, low: float | None = None, high: float | None = None) -> Measure:
    """Return a value with the limits that are known."""
    limits = {"lower_value": low, "upper_value": high}
    return {"value": value, **{key: limit for key, limit in limits.items() if limit is not None}}


def latency_slug(percentile: str) -> str:
    """Return the name of a percentile's measure; the median is what Bencher calls the latency."""
    return LATENCY if percentile == "p50" else f"{LATENCY}-{percentile}"


def slug(metric: str) -> str:
    """Return the name of a metric's measure."""
    return metric.replace("_", "-")


def _measures(row: Row) -> dict[str, Measure]:
    summary = row.summary
    found: dict[str, Measure] = {}
    for name in ("p50", "p90", "p95", "p99"):
        estimate: Estimate | None = getattr(summary, name)
        if estimate is not None:
            found[latency_slug(name)] = measure(*(NS * one for one in _limits(estimate)))
    if summary.load_time_s is not None:
        found["load-time"] = measure(NS * summary.load_time_s)
    found[SIZE] = measure(summary.size_bytes)
    if summary.peak_rss_bytes is not None:
        found["peak-rss"] = measure(summary.peak_rss_bytes)
    found |= _scores(row.result, summary)
    if summary.agreement is not None:
        found["agreement"] = measure(*_limits(summary.agreement))
    return found | _instructions(row.result)


def _limits(estimate: Estimate) -> tuple[float, float, float]:
    return estimate.value, estimate.low, estimate.high


def _scores(result: BenchResult, summary: Summary) -> dict[str, Measure]:
    """Return the scores of the task that the gate knows too."""
    names = [name for name in METRICS[result.quality.task] if math.isfinite(summary.scores.get(name, math.nan))]
    found = {slug(name): measure(summary.scores[name]) for name in names}
    found |= {slug(name): measure(*_limits(one)) for name, one in summary.intervals.items() if name in names}
    main = result.quality.as_task.main_metric
    if summary.main is not None and main in names:
        found[slug(main)] = measure(*_limits(summary.main))
    return found


def _instructions(result: BenchResult) -> dict[str, Measure]:
    """Return executed instructions by the tokens of the text: tokenizer and graph, the smallest repetition of each."""
    cores = list(dict.fromkeys(count.core for count in result.counts))
    return {
        f"instructions-{count.tokens}-tokens": measure(min(count.instructions) + min(count.tokenize, default=0))
        for count in result.counts
        if count.core == cores[0]  # of several the target's own, which is counted first
    }
