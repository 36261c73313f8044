"""A reason to doubt a result, as a value: shown by reports, counted by tests, printed by nobody here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Severity(str, Enum):
    """What a finding means for the numbers."""

    INFO = "info"  # worth knowing; the numbers stand
    WARNING = "warning"  # the absolute numbers may be off; ratios of variants measured in turns mostly are not
    INVALID = "invalid"  # the numbers must not be compared with others


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be.

    Args:
        name: "few-samples", "drift"...; see docs/benchmarking.md.
        severity: what it means for the numbers.
        measured: what was found.
        wanted: what it should be.
        advice: what to do.
    """

    name: str
    severity: Severity
    measured: str
    wanted: str
    advice: str
