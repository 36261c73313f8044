"""How often two models give the same answer, from their predictions alone. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgekd.analysis.bootstrap import RESAMPLES
from edgekd.analysis.estimators import wilson
from edgekd.analysis.multilabel import indicator
from edgekd.analysis.paired import Interval
from edgekd.analysis.sums import draws
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.data.types import Target
    from edgekd.tasks import Task

CONFIDENCE = 0.95


def agreement(task: Task, first: Sequence[Target], second: Sequence[Target], *, resamples: int = RESAMPLES) -> Interval:
    """Return the share of equal answers with a 95 % interval.

    Single-label: texts with the same label, Wilson interval. Multi-label: equal decisions, of which each label of each
    text is one; decisions about one text go together, so the interval is a percentile bootstrap over texts.

    Raises:
        ValueError: when the lengths differ, there is nothing to compare, or the task is a regression.
    """
    if len(first) != len(second) or not first or task.kind is TaskKind.REGRESSION:
        raise ValueError(f"cannot count equal answers among {len(first)} and {len(second)} of a {task.kind.value} task")
    n = len(first)
    if task.kind is TaskKind.SINGLE_LABEL:
        share = wilson(sum(a == b for a, b in zip(first, second, strict=True)), n)
        return Interval(share.value, share.low, share.high, CONFIDENCE, n)
    one, other = (indicator(rows, task.num_outputs) for rows in (first, second))  # type: ignore[arg-type]
    of_text = (one == other).mean(axis=1)
    spread = np.concatenate([counts @ of_text / n for counts in draws(n, resamples=resamples)])
    low, high = np.quantile(spread, [0.025, 0.975])
    value = float(of_text.mean())
    return Interval(value, min(float(low), value), max(float(high), value), CONFIDENCE, n)
