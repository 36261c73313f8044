"""What the scenarios share: limits, and what is known of a variant from its single-stream calls."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgekd.bench.collect import Measured

LIMIT_S = 1200.0  # for one answer of a measuring process, besides the time that it was asked to take


def mean_call_s(measured: Measured) -> float:
    """Return the mean latency of a text: a process that answers one after the other can do 1 / mean a second."""
    return fmean(measured.timings.total_s)
