"""Amounts with a unit on the command line: ``2MB``, ``5ms``, ``1pt``; the units are those of the gate's rules."""

from __future__ import annotations

import re
from fractions import Fraction

from edgekd.errors import ConfigError
from edgekd.gate.grammar import UNITS, Quantity

_SHAPE = re.compile(r"\s*([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*([^\W\d_]*)\s*")
_PERCENT = re.compile(r"\s*([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*(%?)\s*")
_EXAMPLES = {Quantity.BYTES: "2MB", Quantity.TIME: "5ms", Quantity.SHARE: "1pt or 0.01"}


def parse_amount(option: str, text: str | None, quantity: Quantity) -> float | None:
    """Return an amount in bytes, seconds or as a share; None when the option was not given.

    Raises:
        ConfigError: for something else, naming the units that are known.
    """
    if text is None:
        return None
    found = _SHAPE.fullmatch(text)
    units = UNITS[quantity]
    if found is None or found[2] not in units:
        known = ", ".join(unit for unit in units if unit)
        raise ConfigError(
            f"{option} '{text}' is not an amount with one of the units {known}.",
            hint=f"For example: {option} {_EXAMPLES[quantity]}",
        )
    return float(Fraction(found[1]) * units[found[2]])


def parse_part(option: str, text: str | None) -> float | None:
    """Return a part of a whole, given as "2%" or 0.02; None when the option was not given.

    Raises:
        ConfigError: for something else, nothing, or the whole and more.
    """
    if text is None:
        return None
    found = _PERCENT.fullmatch(text)
    value = float(Fraction(found[1]) / (100 if found[2] else 1)) if found else 0.0
    if not 0 < value < 1:
        raise ConfigError(
            f"{option} '{text}' is not a part between 0 and 100 %.", hint=f"For example: {option} 2%, or {option} 0.02"
        )
    return value
