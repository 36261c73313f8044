"""How a weight or a temperature moves from its start to its end during training."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgekd.config import Curve


def curve_value(curve: Curve, start: float, end: float | None, progress: float) -> float:
    """Return the value at ``progress`` (0 at the first step, 1 at the last; beyond them as at them).

    - constant: ``start``;
    - linear: ``start + (end - start) * progress``;
    - cosine: ``end + (start - end) * (1 + cos(pi * progress)) / 2``, slow at both ends (Loshchilov, Hutter 2017,
      arXiv 1608.03983).
    """
    if curve == "constant" or end is None:
        return start
    progress = min(max(progress, 0.0), 1.0)
    rest = 1 - progress if curve == "linear" else (1 + math.cos(math.pi * progress)) / 2
    return end + (start - end) * rest
