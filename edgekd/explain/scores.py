"""The number whose change is explained: the log-odds of a label, or the value of a regression."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edgekd.tasks import Calibration, Task

    Floats = NDArray[np.float64]


def log_odds(task: Task, logits: Floats, calibration: Calibration) -> Floats:
    """Return the explained score of every output, shape as ``logits`` ``(..., outputs)``; linear in the logits.

    - single-label: ``z_l / T - mean of the other labels' z / T``. A constant added to all logits changes neither the
      probabilities nor this; with two labels it is ``log(p / (1 - p))`` of the calibrated probability.
    - multi-label: ``z_l / T = log(p_l / (1 - p_l))``.
    - regression: the value, in the units of the data.
    """
    if task.kind is TaskKind.REGRESSION:
        return logits
    scaled = logits / calibration.temperature
    if task.kind is TaskKind.MULTI_LABEL or logits.shape[-1] < 2:
        return scaled
    others = (scaled.sum(axis=-1, keepdims=True) - scaled) / (logits.shape[-1] - 1)
    return scaled - others  # type: ignore[no-any-return]
