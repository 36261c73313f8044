"""Numbers as text: the only place that rounds. Decimal units; significant digits follow the interval.

A value with an interval shows two digits of its uncertainty, three significant digits at most; one without shows three.
An end of a change's interval that is not 0 never looks like 0.
"""

from __future__ import annotations

import math

_TIME_STEPS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "\u00b5s"), (1e-9, "ns"))
_JOULE_STEPS = ((1.0, "J"), (1e-3, "mJ"), (1e-6, "\u00b5J"), (1e-9, "nJ"))
_BYTE_STEPS = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B"))
_COUNT_STEPS = ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
MEANT_EQUAL = 1e-9  # how far apart two numbers may be by rounding alone
MISSING = "n/a"
BLANK = "-"


def _decimals_for(value: float, half_width: float | None) -> int:
    """Return decimals that show two digits of the uncertainty, and three significant digits at most.

    Without an interval three significant digits are shown.
    """
    rounded = float(f"{value:.3g}")  # 0.9996 prints as 1.00, not as 1.000
    by_interval = 1 - math.floor(math.log10(half_width)) if half_width is not None and half_width > 0 else None
    if rounded == 0:
        return max(0, by_interval or 0)
    significant = 2 - math.floor(math.log10(abs(rounded)))
    if by_interval is None:
        return max(0, significant)
    return max(0, min(by_interval, significant))


def number(value: float, half_width: float | None = None) -> str:
    """Write a number with as many digits as its interval supports."""
    return f"{value:,.{_decimals_for(value, half_width)}f}"


def tiny(value: float) -> str:
    """Write a difference that should be none with two digits: "1.9e-06"."""
    return f"{value:.2g}"


def _scaled(value: float, steps: tuple[tuple[float, str], ...]) -> tuple[float, str]:
    for factor, unit in steps:
        # 0.9995 and above prints as 1.00 of the larger unit, never as 1,000 of the smaller.
        if abs(value) >= factor * 0.9995:
            return factor, unit
    return steps[-1]


def _with_unit(text: str, unit: str) -> str:
    return f"{text} {unit}" if unit else text


def _fitting(value: float, low: float | None, high: float | None, steps: tuple[tuple[float, str], ...]) -> str:
    """Write a value in the unit that fits, digits by the interval."""
    factor, unit = _scaled(value, steps)
    half = None if low is None or high is None else (high - low) / 2 / factor
    return _with_unit(number(value / factor, half), unit)


def _fitting_interval(value: float, low: float, high: float, steps: tuple[tuple[float, str], ...]) -> str:
    """Write an interval in the unit of its value, without repeating the unit."""
    factor, _ = _scaled(value, steps)
    decimals = _decimals_for(value / factor, (high - low) / 2 / factor)
    return f"{low / factor:,.{decimals}f} to {high / factor:,.{decimals}f}"


def duration(value_s: float, low_s: float | None = None, high_s: float | None = None) -> str:
    """Write seconds in the unit that fits, digits by the interval."""
    return _fitting(value_s, low_s, high_s, _TIME_STEPS)


def duration_interval(value_s: float, low_s: float, high_s: float) -> str:
    """Write the interval of a duration in the unit of the value, without repeating the unit."""
    return _fitting_interval(value_s, low_s, high_s, _TIME_STEPS)


def size(value_bytes: float) -> str:
    """Write bytes in decimal units."""
    factor, unit = _scaled(value_bytes, _BYTE_STEPS)
    return _with_unit(number(value_bytes / factor) if factor > 1 else f"{value_bytes:,.0f}", unit)


def short_duration(value_s: float) -> str:
    """Write a round duration without trailing zeros, for axes and limits."""
    factor, unit = _scaled(value_s, _TIME_STEPS)
    return _with_unit(f"{value_s / factor:.3g}", unit)


def rough_duration(value_s: float) -> str:
    """Write a duration with two digits: an estimate has no more."""
    return short_duration(float(f"{value_s:.2g}"))


def short_size(value_bytes: float) -> str:
    """Write a round size without trailing zeros, for axes and limits."""
    factor, unit = _scaled(value_bytes, _BYTE_STEPS)
    return _with_unit(f"{value_bytes / factor:.3g}", unit)


def short_energy(value_j: float) -> str:
    """Write a round energy without trailing zeros, for axes."""
    factor, unit = _scaled(value_j, _JOULE_STEPS)
    return _with_unit(f"{value_j / factor:.3g}", unit)


def short_percent(share: float) -> str:
    """Write a round share without trailing zeros, for axes."""
    return f"{100 * share:.3g} %"


def short_number(value: float) -> str:
    """Write a round number without trailing zeros, for axes."""
    return f"{value:.3g}"


def short_correlation(difference: float) -> str:
    """Write a round difference of correlations with its sign, for axes."""
    return f"{difference:+.3g}" if difference else "0"


def setting(value: float) -> str:
    """Write a fitted value or an output with four significant digits: a temperature of softening, a logit."""
    return f"{value:.4g}"


def probability(value: float) -> str:
    """Write a probability, or another number from 0 to 1, with three decimals."""
    return f"{value:.3f}"


def contribution(value: float, decimals: int = 2) -> str:
    """Write what a part adds to an output, always with its sign."""
    return f"{value:+.{decimals}f}"


def load(value: float) -> str:
    """Write a load average as the system does."""
    return f"{value:.2f}"


def temperature(value_c: float) -> str:
    """Write a temperature in whole degrees Celsius."""
    return f"{value_c:.0f} \u00b0C"


def short_points(difference: float) -> str:
    """Write a round difference of shares in percentage points with its sign, for axes."""
    return f"{100 * difference:+.3g}" if difference else "0"


def size_change(difference_bytes: float) -> str:
    """Write a difference of sizes in decimal units, always with its sign."""
    return f"{'+' if difference_bytes > 0 else ''}{size(difference_bytes)}"


def operations(per_s: float, unit: str) -> str:
    """Write a rate of operations: "38.4 GFLOP/s"."""
    factor, prefix = (1e12, "T") if per_s >= 1e12 else (1e9, "G")
    return f"{per_s / factor:.3g} {prefix}{unit}"


def count(value: float) -> str:
    """Write a count with k, M or G."""
    factor, unit = _scaled(value, _COUNT_STEPS)
    return _with_unit(number(value / factor) if factor > 1 else f"{value:,.0f}", unit)


def per_second(value: float) -> str:
    """Write how many in a second, with k, M or G."""
    factor, unit = _scaled(value, _COUNT_STEPS)
    return _with_unit(number(value / factor), unit)


def per_second_interval(value: float, low: float, high: float) -> str:
    """Write the interval of such a number in its unit, without repeating the unit."""
    factor, _ = _scaled(value, _COUNT_STEPS)
    decimals = _decimals_for(value / factor, None)
    return f"{low / factor:,.{decimals}f} to {high / factor:,.{decimals}f}"


def instructions(value: float) -> str:
    """Write a number that repeats to a part in a thousand: four significant digits with k, M or G."""
    rounded = float(f"{value:.4g}")
    factor, unit = _scaled(rounded, _COUNT_STEPS)
    digits = max(0, 4 - len(str(int(rounded / factor)))) if factor > 1 else 0
    return _with_unit(f"{rounded / factor:,.{digits}f}", unit)


def percent(share: float, low: float | None = None, high: float | None = None) -> str:
    """Write a share as a percentage with one decimal, or two when the interval is narrower than a tenth."""
    narrow = low is not None and high is not None and (high - low) < 0.001
    return f"{100 * share:.{2 if narrow else 1}f} %"


def percent_interval(low: float, high: float) -> str:
    """Write the interval of a percentage without repeating the sign."""
    decimals = 2 if high - low < 0.001 else 1
    return f"{100 * low:.{decimals}f} to {100 * high:.{decimals}f}"


def rough_percent(share: float) -> str:
    """Write a share with two significant digits, for what is only roughly known and for limits."""
    return f"{float(f'{100 * share:.2g}'):g} %"


def points(difference: float, low: float | None = None, high: float | None = None) -> str:
    """Write a difference of two shares in percentage points, always with its sign."""
    return f"{_signed(100 * difference, _change_decimals(1, 100, low, high))} pt"


def points_amount(difference: float) -> str:
    """Write the size of a difference in percentage points, in words and without a sign."""
    return f"{abs(100 * difference):.1f} points"


def points_interval(low: float, high: float) -> str:
    """Write the interval of a difference in percentage points."""
    decimals = _change_decimals(1, 100, low, high)
    return f"{_signed(100 * low, decimals)} to {_signed(100 * high, decimals)}"


def _signed(value: float, decimals: int) -> str:
    """Write a number with its sign; what rounds to 0 has none."""
    rounded = round(value, decimals)
    return f"{rounded:+,.{decimals}f}" if rounded else f"{0:.{decimals}f}"


def _change_decimals(least: int, scale: float, low: float | None, high: float | None) -> int:
    """Return ``least`` decimals, or more where an end that is not 0 would look like 0."""
    return least if low is None or high is None else _decimals_apart(least, (scale * low, scale * high), 0.0)


def _decimals_apart(least: int, numbers: tuple[float, ...], edge: float) -> int:
    """Return ``least`` decimals, or more where a number that is not the edge would look like it."""

    def looks_like_it(number: float, decimals: int) -> bool:
        return abs(number - edge) > MEANT_EQUAL and round(number, decimals) == round(edge, decimals)

    return next((n for n in range(least, 6) if not any(looks_like_it(number, n) for number in numbers)), 6)


def score_change(
    value: float, low: float, high: float, *, in_points: bool, edge: float = 0.0, unit: str = ""
) -> tuple[str, str]:
    """Write a change of a score for a sentence, and its interval: "+1.9 points", "+0.9 to +2.9".

    Args:
        value: the change.
        low: lower end of its interval.
        high: upper end.
        in_points: as points of 0.01 with one decimal; else as it is with three.
        edge: what a verdict rests on; a number that is not the edge never looks like it.
        unit: behind the value.
    """
    scale, least = (100, 1) if in_points else (1, 3)
    judged = (low, high) if edge == 0 else (value, low, high)
    decimals = _decimals_apart(least, tuple(scale * number for number in judged), scale * edge)
    told, *ends = (_signed(scale * number, decimals) for number in (value, low, high))
    return f"{told} {unit}".rstrip(), " to ".join(ends)


def correlation(value: float) -> str:
    """Write a correlation with three decimals."""
    return f"{value + 0.0:.3f}"


def correlation_interval(low: float, high: float) -> str:
    """Write the interval of a correlation."""
    return f"{low + 0.0:.3f} to {high + 0.0:.3f}"


def correlation_change(difference: float, low: float | None = None, high: float | None = None) -> str:
    """Write a difference of two correlations, always with its sign."""
    return _signed(difference, _change_decimals(3, 1, low, high))


def correlation_change_interval(low: float, high: float) -> str:
    """Write the interval of a difference of two correlations."""
    decimals = _change_decimals(3, 1, low, high)
    return f"{_signed(low, decimals)} to {_signed(high, decimals)}"


def change(difference: float, low: float | None = None, high: float | None = None) -> str:
    """Write a difference in the units of the data, always with its sign, digits by the interval."""
    return _signed(difference, _decimals_for(difference, _half(low, high)))


def change_interval(difference: float, low: float, high: float) -> str:
    """Write the interval of such a difference."""
    decimals = _decimals_for(difference, _half(low, high))
    return f"{_signed(low, decimals)} to {_signed(high, decimals)}"


def _half(low: float | None, high: float | None) -> float | None:
    """Return half the width of an interval."""
    return None if low is None or high is None else (high - low) / 2


def value_interval(value: float, low: float, high: float) -> str:
    """Write the interval of a plain number, digits by the interval."""
    decimals = _decimals_for(value, (high - low) / 2)
    return f"{low:,.{decimals}f} to {high:,.{decimals}f}"


def relative(change: float, low: float | None = None, high: float | None = None) -> str:
    """Write a relative change in per cent, always with its sign: digits by the interval, else one decimal.

    A change below a tenth of a per cent that has no interval, such as one of sizes, shows two digits.
    """
    value = 100 * change
    if low is None or high is None:
        small = 0 < abs(value) < 0.1
        return f"{value:+.2g} %" if small else f"{_signed(value, 1)} %"
    return f"{_signed(value, _relative_decimals(low, high))} %"


def relative_interval(low: float, high: float) -> str:
    """Write the interval of a relative change."""
    decimals = _relative_decimals(low, high)
    return f"{_signed(100 * low, decimals)} to {_signed(100 * high, decimals)}"


def _relative_decimals(low: float, high: float) -> int:
    half = 100 * (high - low) / 2
    wanted = 1 if half <= 0 else max(0, min(2, 1 - math.floor(math.log10(half))))
    return _change_decimals(wanted, 100, low, high)


def ratio(value: float, low: float | None = None, high: float | None = None) -> str:
    """Write a factor, digits by the interval."""
    half = _half(low, high)
    if half is None:
        return f"{value:.2g}x" if value < 10 else f"{value:,.0f}x"
    return f"{number(value, half)}x"


def ratio_interval(value: float, low: float, high: float) -> str:
    """Write the interval of a factor."""
    decimals = _decimals_for(value, (high - low) / 2)
    return f"{low:,.{decimals}f} to {high:,.{decimals}f}"


def factor(value: float, low: float | None = None, high: float | None = None) -> str:
    """Write a factor of sizes or latencies with two decimals, small ones with two digits.

    With an interval there are more decimals where an end that is not 1 would look like 1.
    """
    if low is None or high is None:
        return f"{value:.2f}x" if value >= 0.095 else f"{value:.2g}x"
    return f"{value:.{_factor_decimals(low, high)}f}x"


def factor_interval(low: float, high: float) -> str:
    """Write the interval of a factor of sizes or latencies."""
    decimals = _factor_decimals(low, high)
    return f"{low:.{decimals}f} to {high:.{decimals}f}"


def _factor_decimals(low: float, high: float) -> int:
    return next((n for n in (2, 3) if all(round(end, n) != 1 or end == 1 for end in (low, high))), 4)


def energy(value_j: float, low_j: float | None = None, high_j: float | None = None) -> str:
    """Write joules in the unit that fits, digits by the interval."""
    return _fitting(value_j, low_j, high_j, _JOULE_STEPS)


def energy_interval(value_j: float, low_j: float, high_j: float) -> str:
    """Write the interval of an energy in the unit of the value, without repeating the unit."""
    return _fitting_interval(value_j, low_j, high_j, _JOULE_STEPS)


def power(value_w: float) -> str:
    """Write watts with three significant digits."""
    return f"{number(value_w)} W"


def frequency(value_hz: float) -> str:
    """Write a clock rate in GHz."""
    return f"{value_hz / 1e9:.3g} GHz"


def rate(value_bytes_per_s: float) -> str:
    """Write a memory rate in decimal bytes a second."""
    return f"{size(value_bytes_per_s)}/s"


def binary_size(value_bytes: int) -> str:
    """Write a cache or memory size in powers of 1024, as data sheets do."""
    for factor, unit in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if value_bytes >= factor:
            return f"{value_bytes / factor:.3g} {unit}"
    return f"{value_bytes} B"
