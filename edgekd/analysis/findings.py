"""All reasons to doubt a result, worst first. Pure: it reads what is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd.analysis import latency_findings as latency
from edgekd.analysis import machine_findings as machine
from edgekd.analysis.finding import Finding, Severity
from edgekd.analysis.heap import heap_growth

if TYPE_CHECKING:
    from edgekd.results import BenchResult

__all__ = ["Finding", "Severity", "findings"]

_ORDER = [Severity.INVALID, Severity.WARNING, Severity.INFO]


def leak(result: BenchResult) -> Finding | None:
    """Report memory that grows with the calls (``--leak-check``)."""
    growth = heap_growth(result.heap)
    if growth is None or not growth.leaks:
        return None
    found = growth.bytes_a_call
    measured = f"{found.value:,.0f} bytes a call more ({found.low:,.0f} to {found.high:,.0f}, {found.n:,} calls)"
    advice = "restart the process now and then, and look for what its session keeps"
    return Finding("leak", Severity.WARNING, measured, "no growth", advice)


def findings(result: BenchResult) -> list[Finding]:
    """Return what speaks against a result, the worst first.

    Without timed calls (under an emulator) only what is not about time is looked at.
    """
    found: list[Finding | None] = [leak(result), machine.swap(result)]
    if result.samples.total_s:
        found += [
            latency.few_samples(result),
            *machine.throttled(result),
            machine.clock_changed(result),
            machine.steal(result),
            *machine.other_load(result),
            latency.drift(result),
            latency.two_modes(result),
            latency.outliers(result),
            latency.processes_differ(result),
            latency.harness_overhead(result),
            machine.governor(result),
        ]
    return sorted((finding for finding in found if finding), key=lambda finding: _ORDER.index(finding.severity))
