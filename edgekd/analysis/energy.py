"""Joules of an inference above idle, from measured records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd.analysis.seeds import mean_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.analysis.estimators import Estimate
    from edgekd.measurements import Energy


def joules_a_call(records: Sequence[Energy]) -> dict[str, Estimate]:
    """Return the energy of a call by source: (joules - idle watts * seconds) / calls.

    The mean over the rounds with its 95 % interval by Student's t; a source with fewer than two rounds is left out.
    A negative value means that the load cannot be told from the idle machine.
    """
    found = {}
    for source in dict.fromkeys(record.source for record in records):
        rounds = [
            (record.joules - record.idle_w * record.seconds) / record.calls
            for record in records
            if record.source == source and record.calls > 0
        ]
        estimate = mean_interval(rounds)
        if estimate is not None:
            found[source] = estimate
    return found
