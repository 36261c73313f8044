"""One number of the table: raw, and as text with its interval."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from edgekd import units
from edgekd.score_text import CORRELATIONS, ERRORS, change_interval, change_text

if TYPE_CHECKING:
    from edgekd.analysis.estimators import Estimate

_Text = Callable[[float, float | None, float | None], str]  # of value, low, high
_Interval = Callable[[float, float, float], str]


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
    return of_estimate(estimate, lambda value, _low, _high: units.correlation(value), _correlation_interval, reason)


def error(estimate: Estimate | None, reason: str) -> Cell:
    """Return a cell in the units of the data."""
    return of_estimate(estimate, _number, units.value_interval, reason)


def of_metric(key: str, value: float, low: float | None = None, high: float | None = None) -> Cell:
    """Return a cell in the units of a column, so that a number has the same text in every format.

    Args:
        key: of a column, which says the unit: ``p50_s``, ``size_bytes``, ``energy_j``, ``accuracy``...
        value: in that unit.
        low: lower end of its 95 % interval; None for a number that was read once.
        high: upper end.
    """
    text, interval = _writers(key)
    if low is None or high is None:
        return Cell(text(value, None, None), value=value)
    return Cell(text(value, low, high), interval(value, low, high), value, low, high)


def of_change(
    key: str, difference: float, low: float | None = None, high: float | None = None, *, relative: bool
) -> Cell:
    """Return a cell of a change: in per cent of the value before, in points, or in the units of the column."""
    text: _Text
    interval: Callable[[float, float], str]
    if relative:
        text, interval = units.relative, units.relative_interval
    elif key in ERRORS:
        text, interval = units.change, lambda low, high: units.change_interval(difference, low, high)
    elif key.endswith("_j"):
        text, interval = _energy_change, lambda low, high: units.energy_interval(difference, low, high)
    else:
        text, interval = partial(change_text, key), partial(change_interval, key)
    if low is None or high is None:
        return Cell(text(difference, None, None), value=difference)
    return Cell(text(difference, low, high), interval(low, high), difference, low, high)


def _writers(key: str) -> tuple[_Text, _Interval]:
    """Return what writes a value of a column, and what writes its interval."""
    if key.endswith("_s"):
        return units.duration, units.duration_interval
    if key.endswith("_j"):
        return units.energy, units.energy_interval
    if key == "speed_up":
        return units.ratio, units.ratio_interval
    if key.endswith("_bytes"):
        return lambda value, _low, _high: units.size(value), units.value_interval
    if key == "instructions":
        return lambda value, _low, _high: units.instructions(value), units.value_interval
    if key == "parameters":
        return lambda value, _low, _high: units.count(value), units.value_interval
    if key in ERRORS:
        return _number, units.value_interval
    if key in CORRELATIONS:
        return lambda value, _low, _high: units.correlation(value), _correlation_interval
    return units.percent, lambda _, low, high: units.percent_interval(low, high)


def _number(value: float, low: float | None, high: float | None) -> str:
    return units.number(value, None if low is None or high is None else (high - low) / 2)


def _correlation_interval(_value: float, low: float, high: float) -> str:
    return units.correlation_interval(low, high)


def _energy_change(difference: float, low: float | None, high: float | None) -> str:
    return f"{'+' if difference > 0 else ''}{units.energy(difference, low, high)}"
