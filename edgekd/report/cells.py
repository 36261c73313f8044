"""One number of the table: raw, and as text with its interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgekd.report import units

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgekd.analysis.estimators import Estimate

CORRELATIONS = {"pearson", "spearman", "teacher_pearson"}  # the other scores that decide are shares


@dataclass(frozen=True)
class Column:
    """A measured quantity. ``key`` carries the unit of the raw value (``p50_s``, ``size_bytes``)."""

    key: str
    heading: str
    group: str
    meaning: str


@dataclass(frozen=True)
class Cell:
    """One number: raw, and as text. ``missing`` says why there is none."""

    text: str
    interval: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    missing: str = ""


def missing(reason: str, *, blank: bool = False) -> Cell:
    """Return a cell without a number."""
    return Cell(units.BLANK if blank else units.MISSING, missing=reason)


def of_estimate(
    estimate: Estimate | None,
    text: Callable[[float, float, float], str],
    interval: Callable[[float, float, float], str],
    reason: str,
) -> Cell:
    """Return a cell of a value with its interval, or ``reason`` where there is none."""
    if estimate is None:
        return missing(reason)
    e = estimate
    bounds = (e.value, e.low, e.high)
    return Cell(text(*bounds), interval(*bounds), e.value, e.low, e.high, e.n)


def plain(value: float | None, text: Callable[[float], str], reason: str = "not recorded") -> Cell:
    """Return a cell of a value without an interval."""
    return missing(reason) if value is None else Cell(text(value), value=value)


def duration(estimate: Estimate | None, reason: str) -> Cell:
    """Return a cell in seconds."""
    return of_estimate(estimate, units.duration, units.duration_interval, reason)


def share(estimate: Estimate | None, reason: str) -> Cell:
    """Return a cell in per cent."""
    return of_estimate(estimate, units.percent, lambda _, low, high: units.percent_interval(low, high), reason)


def correlation(estimate: Estimate | None, reason: str) -> Cell:
    """Return a cell of a correlation."""
    return of_estimate(
        estimate,
        lambda value, _low, _high: units.correlation(value),
        lambda _, low, high: units.correlation_interval(low, high),
        reason,
    )


def error(estimate: Estimate | None, reason: str) -> Cell:
    """Return a cell in the units of the data."""
    return of_estimate(
        estimate, lambda value, low, high: units.number(value, (high - low) / 2), units.value_interval, reason
    )


def score_text(metric: str, value: float) -> str:
    """Write a score: a share in per cent, a correlation plainly."""
    return units.correlation(value) if metric in CORRELATIONS else units.percent(value)


def score_interval(metric: str, low: float, high: float) -> str:
    """Write the interval of a score."""
    return units.correlation_interval(low, high) if metric in CORRELATIONS else units.percent_interval(low, high)


def change_text(metric: str, difference: float) -> str:
    """Write a difference of scores with its sign."""
    return units.correlation_change(difference) if metric in CORRELATIONS else units.points(difference)


def change_interval(metric: str, low: float, high: float) -> str:
    """Write the interval of a difference of scores."""
    return units.correlation_change_interval(low, high) if metric in CORRELATIONS else units.points_interval(low, high)
