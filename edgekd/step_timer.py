"""How much of a training run is computing: forward, backward and optimizer against everything else.

The rest is what the loop itself costs: making batches, moving them, schedules, callbacks. Clipping the gradients is
part of the optimizer's work, but has a name of its own, so that anybody can count otherwise. Evaluations and
checkpoints are left out, because they are work that was asked for.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

COMPUTING = ("forward", "backward", "clipping", "optimizer")
APART = ("evaluation", "saving")


class StepTimer:
    """Adds up the seconds of named parts; a part inside a part is not counted twice.

    On a GPU, work is only queued when a call returns; give ``synchronize`` (``torch.cuda.synchronize``) to wait for it
    at the ends of a part. It costs some speed there, so leave it out of runs that are not profiled.

    Args:
        synchronize: called before the clock is read.
        clock: seconds, for tests.
    """

    def __init__(
        self, synchronize: Callable[[], None] | None = None, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._synchronize = synchronize
        self._clock = clock
        self._inside = False
        self._begun = 0.0
        self.seconds: dict[str, float] = {}
        self.total_s = 0.0

    def start(self) -> None:
        """Begin the run; may be called again after ``stop``."""
        self._begun = self._now()

    def stop(self) -> None:
        """End the run."""
        self.total_s += self._now() - self._begun

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Time a block: a name of ``COMPUTING`` or ``APART``, or any other, which stays a part of the loop."""
        if self._inside:
            yield
            return
        self._inside, begun = True, self._now()
        try:
            yield
        finally:
            self._inside = False
            self.seconds[name] = self.seconds.get(name, 0.0) + self._now() - begun

    def wrap_optimizer(self, optimizer: torch.optim.Optimizer) -> None:
        """Time each step of an optimizer as ``optimizer``."""
        begun = 0.0

        def before(*_: Any) -> None:
            nonlocal begun
            begun = self._now()

        def after(*_: Any) -> None:
            self.seconds["optimizer"] = self.seconds.get("optimizer", 0.0) + self._now() - begun

        optimizer.register_step_pre_hook(before)
        optimizer.register_step_post_hook(after)

    def report(self) -> dict[str, float]:
        """Return seconds by part, ``other`` (the rest of the loop), ``total`` and ``computing_share``.

        ``computing_share`` is (forward + backward + clipping + optimizer) / (total - evaluation - saving), 0 when
        nothing was timed.
        """
        apart = sum(self.seconds.get(name, 0.0) for name in APART)
        computing = sum(self.seconds.get(name, 0.0) for name in COMPUTING)
        training = self.total_s - apart
        parts = {f"{name}_s": round(seconds, 4) for name, seconds in self.seconds.items()}
        return {
            **parts,
            "other_s": round(max(0.0, training - computing), 4),
            "total_s": round(self.total_s, 4),
            "computing_share": round(min(1.0, computing / training), 4) if training > 0 else 0.0,
        }

    def _now(self) -> float:
        if self._synchronize is not None:
            self._synchronize()
        return self._clock()
