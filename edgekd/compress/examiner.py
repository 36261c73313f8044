"""How well a graph answers, next to the fp32 graph that it was made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekd.analysis.scores import DIVERGED, choose, fidelity, score
from edgekd.export.parity import graph_logits, spread_over_lengths
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edgekd.data.types import Target
    from edgekd.tasks import Calibration, Task

Logits = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Answer:
    """How a graph answers, next to the fp32 graph.

    Args:
        score: the main score of the task.
        divergence: mean KL(fp32 || this) in nats; regression: mean squared difference. None when an output is not
            finite.
        flips: texts with another answer than in fp32; 0 for a regression.
        size_bytes: of the file.
    """

    score: float
    divergence: float | None
    flips: int
    size_bytes: int


@dataclass(frozen=True)
class Examiner:
    """Asks graphs for their answers, one text at a time, because activations are quantized for a whole batch at once.

    Args:
        rows: token ids of each text.
        reference: logits of the fp32 graph, shape ``(texts, outputs)``.
        targets: the true ones.
        task: what a target is.
        calibration: how logits become choices.
    """

    rows: Sequence[Sequence[int]]
    reference: Logits
    targets: Sequence[Target]
    task: Task
    calibration: Calibration

    def few(self, count: int) -> Examiner:
        """Return one that asks ``count`` of the texts, of all lengths."""
        picks = sorted(spread_over_lengths([len(row) for row in self.rows], count))
        return Examiner(
            [self.rows[i] for i in picks],
            self.reference[picks],
            [self.targets[i] for i in picks],
            self.task,
            self.calibration,
        )

    def of_fp32(self, path: Path) -> Answer:
        """Return the answer of the reference, whose graph is ``path``."""
        return self.judge(self.reference, path.stat().st_size)

    def examine(self, path: Path) -> Answer:
        """Return the answer of a graph."""
        return self.judge(self._logits(path), path.stat().st_size)

    def judge(self, logits: Logits, size_bytes: int) -> Answer:
        """Return the answer that these logits are."""
        if not np.isfinite(logits).all():
            return Answer(DIVERGED, None, len(logits), size_bytes)
        main = float(score(self.task, self.targets, logits, self.calibration)[self.task.main_metric])
        if self.task.kind is TaskKind.REGRESSION:
            difference = logits.astype(np.float64) - self.reference
            return Answer(main, float(np.square(difference).mean()), 0, size_bytes)
        kl = fidelity(self.task, logits, self.reference)["kl"]
        both = [choose(self.task, values, self.calibration) for values in (logits, self.reference)]
        flips = sum(mine != theirs for mine, theirs in zip(*both, strict=True))
        return Answer(main, kl, flips, size_bytes)

    def _logits(self, path: Path) -> Logits:
        # Nothing is padded, so any id does.
        return graph_logits(path, self.rows, pad_token_id=0, batch_sizes=(1,), threads=1)
