"""Gates as Bencher Metric Format; names and units are those of results (:mod:`edgekd.report.bencher`)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from edgekd.gate.grammar import METRICS, Quantity, Reference
from edgekd.report.bencher import NS, benchmark_name, latency_slug, measure, slug

if TYPE_CHECKING:
    from edgekd.gate.records import GateReport, GateRun, RuleResult
    from edgekd.report.bencher import Benchmarks, Measure

SLUGS = {"size": "file-size"}


def gate_bencher(run: GateRun) -> Benchmarks:
    """Return what the gates measured of their candidates; a metric without a value is left out.

    A measure has limits where its rule is absolute: the interval of another rule is one of the change.
    """
    found: Benchmarks = {}
    for report in run.gates:
        measures = found.setdefault(benchmark_name(report.target, report.candidate.name), {})
        _add_known(measures, report)
        for result in sorted(report.rules, key=lambda rule: rule.reference is Reference.ABSOLUTE):
            if result.candidate is not None and math.isfinite(result.candidate):
                measures[_slug(result.metric)] = _measure(result, result.candidate)
    return {name: measures for name, measures in found.items() if measures}


def _add_known(measures: dict[str, Measure], report: GateReport) -> None:
    """Add what is known of every candidate, whatever its rules are."""
    if report.candidate.size_bytes is not None:
        measures[_slug("size")] = measure(report.candidate.size_bytes)
    if report.candidate.accuracy is not None:
        measures[_slug("accuracy")] = measure(report.candidate.accuracy)


def _slug(metric: str) -> str:
    return SLUGS.get(metric) or (latency_slug(metric) if METRICS[metric].percentile is not None else slug(metric))


def _measure(result: RuleResult, value: float) -> Measure:
    factor = NS if METRICS[result.metric].quantity is Quantity.TIME else 1.0
    own = [result.low, result.high] if result.reference is Reference.ABSOLUTE else [None, None]
    low, high = (None if limit is None else factor * limit for limit in own)
    return measure(factor * value, low, high)
