"""What the timing loop itself costs: a session that does nothing, timed by the same lines in a process of its own.

The number is an upper bound of what a latency holds besides the session's work: four readings of the clock, two calls
of methods, and choosing the answer, which a product does too.
"""

from __future__ import annotations

import gc
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekd.bench.affinity import pin
from edgekd.bench.loop import measure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edgekd.bench.worker import Worker

CALLS = 10_000
WARM_UP_CALLS = 1_000
STEP = "edgekd.bench.harness:time_null_session"


class NullInputs:
    """The inputs of no model."""

    tokens = 1


class NullSession:
    """Does nothing, the same at every call."""

    name = "null"

    def __init__(self) -> None:
        self._inputs = NullInputs()
        self._logits = np.array([[0.0, 1.0]], dtype=np.float32)

    def load(self) -> None:
        """Do nothing."""

    def encode(self, _: Sequence[str]) -> NullInputs:
        """Return the same inputs."""
        return self._inputs

    def infer(self, _: NullInputs) -> NDArray[np.float32]:
        """Return the same logits."""
        return self._logits

    def run(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the same logits."""
        return self.infer(self.encode(texts))

    def warm_up(self, texts: Sequence[str]) -> None:
        """Do nothing."""


def time_null_session(_: Worker, request: dict[str, Any]) -> dict[str, Any]:
    """Time the null session in a measuring process, under the conditions of a block.

    Args:
        request: ``calls`` and ``affinity``.

    Returns:
        ``calls`` and ``overhead_s``, the median of a call.
    """
    pin(request["affinity"])
    session, calls = NullSession(), request["calls"]
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        measure(session, [""], [0] * WARM_UP_CALLS, 0)
        outputs: dict[int, bytes] = {}
        timings = measure(session, [""], [0] * calls, 0, outputs=outputs)
    finally:
        gc.enable()
    return {"calls": calls, "overhead_s": median(timings.total_s)}
