"""Scales, round ticks, and ticks written in the units of the table. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True)
class Axis:
    """A linear or logarithmic scale onto pixels from 0 to ``length``."""

    low: float
    high: float
    length: float
    log: bool = False

    def pixel(self, value: float) -> float:
        """Return the distance from the low end, in pixels."""
        if self.log:
            return self.length * math.log(value / self.low) / math.log(self.high / self.low)
        return self.length * (value - self.low) / (self.high - self.low)


def log_ticks(low: float, high: float) -> list[float]:
    """Return round values inside a range: 1, 2, 5 times powers of ten, or powers alone when it is wide.

    A range too narrow for two of them has those of a linear axis.
    """
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    wide = math.log10(high / low) > 2.2
    steps = (1.0,) if wide and math.log10(high / low) > 3.5 else (1.0, 3.0) if wide else (1.0, 2.0, 5.0)
    ticks = [float(f"{step * 10.0**decade:.12g}") for decade in decades for step in steps]
    inside = [tick for tick in ticks if low <= tick <= high]
    return inside if len(inside) > 1 else linear_ticks(low, high, most=4)


def linear_ticks(low: float, high: float, *, most: int = 6) -> list[float]:
    """Return round values inside a range: multiples of 1, 2 or 5 times a power of ten, ``most`` of them at most."""
    span = high - low
    base = math.floor(math.log10(span / most))
    steps = (round_to * 10.0**power for power in (base, base + 1) for round_to in (1, 2, 5))
    step = next(s for s in steps if math.floor(high / s) - math.ceil(low / s) + 1 <= most)
    return [float(f"{i * step:.12g}") for i in range(math.ceil(low / step), math.floor(high / step) + 1)]


def label_expression(ticks: Sequence[float], text: Callable[[float], str]) -> str:
    """Return a Vega expression that writes each tick with one of our own functions; zero needs no unit."""
    expression = "''"
    for i in range(len(ticks) - 1, -1, -1):
        middle = "" if i == len(ticks) - 1 else f"datum.value < {(ticks[i] + ticks[i + 1]) / 2!r} ? "
        written = "'" + (text(ticks[i]) if ticks[i] else "0").replace("\\", "\\\\").replace("'", "\\'") + "'"
        expression = f"{middle}{written} : {expression}" if middle else written
    return expression
