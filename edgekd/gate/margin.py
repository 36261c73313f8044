"""The margin of a change in latency: how far beyond its limit it must be before the gate fails.

Two files of the same model may differ in time for good, because their contents lie elsewhere in memory. No
measurement of these two files can tell such a difference from one that the change brought, so a failure must be
larger. A pass needs no margin: whatever the reason, the candidate then is within the limit. docs/gating.md has how
large the effect was measured to be.
"""

from __future__ import annotations

import re
from fractions import Fraction

from edgekd import units
from edgekd.errors import ConfigError

DEFAULT_MARGIN = 0.005
LARGEST = 0.2

_SHAPE = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*(%?)\s*")


def parse_margin(given: str | float) -> float:
    """Return a margin as a share, given as "0.5%" or 0.005.

    Raises:
        ConfigError: for anything else, or more than 20 %.
    """
    found = _SHAPE.fullmatch(str(given))
    value = float(Fraction(found[1]) / (100 if found[2] else 1)) if found else -1.0
    if not 0 <= value <= LARGEST:
        raise ConfigError(
            f"The margin '{given}' is not a share from 0 to {units.rough_percent(LARGEST)}.",
            hint='For example "0.5%", or 0.005.',
        )
    return value
