"""Latencies relative to what texts of their length usually take: what is left is the machine and the text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgekd.results import Samples

CALLS_A_BIN = 20  # a median of fewer says little


def relative_latency(samples: Samples) -> NDArray[np.float64]:
    """Return the ``infer_s`` of each call divided by the usual one of its number of tokens, shape ``(calls,)``.

    The usual one: calls sorted by tokens and cut into groups of at least 20 that do not split a number of tokens; the
    median of each group at its mean number of tokens; straight lines in between. Where that is 0, because the clock is
    coarser than the calls, the quotient is 1.
    """
    infer = np.asarray(samples.infer_s, dtype=np.float64)
    tokens = np.asarray(samples.tokens, dtype=np.float64)
    if len(infer) == 0:
        return infer
    at: list[float] = []
    medians: list[float] = []
    order = np.argsort(tokens, kind="stable")
    _, firsts = np.unique(tokens[order], return_index=True)
    start = 0
    for end in [*firsts[1:].tolist(), len(order)]:
        if end - start >= CALLS_A_BIN or end == len(order):
            group = order[start:end]
            if len(group) < CALLS_A_BIN and at:  # the longest few go with the group before them
                break
            at.append(float(tokens[group].mean()))
            medians.append(float(np.median(infer[group])))
            start = end
    usual = np.interp(tokens, at, medians)
    with np.errstate(over="ignore"):  # a call that takes 1e300 times as long as usual takes for ever
        return np.divide(infer, usual, out=np.ones_like(infer), where=usual > 0)
