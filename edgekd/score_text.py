"""Scores as text: a share in per cent, a correlation plainly, an error in the units of the data."""

from __future__ import annotations

from edgekd import units

ERRORS = {"rmse", "mae"}  # less is better; in the units of the data
CORRELATIONS = {"pearson", "spearman", "teacher_pearson"}  # the other scores that decide are shares


def score_text(metric: str, value: float) -> str:
    """Write a score."""
    if metric in ERRORS:
        return units.number(value)
    return units.correlation(value) if metric in CORRELATIONS else units.percent(value)


def score_interval(metric: str, low: float, high: float) -> str:
    """Write the interval of a score."""
    return units.correlation_interval(low, high) if metric in CORRELATIONS else units.percent_interval(low, high)


def change_text(metric: str, difference: float, low: float | None = None, high: float | None = None) -> str:
    """Write a difference of scores with its sign."""
    if metric in ERRORS:
        return units.change(difference, low, high)
    write = units.correlation_change if metric in CORRELATIONS else units.points
    return write(difference, low, high)


def change_interval(metric: str, low: float, high: float) -> str:
    """Write the interval of a difference of scores."""
    return units.correlation_change_interval(low, high) if metric in CORRELATIONS else units.points_interval(low, high)
