"""Scenario *cold*: from the start of a process to its first answer, many times over."""

from __future__ import annotations

from random import Random
from time import perf_counter_ns
from typing import TYPE_CHECKING

from edgekd.bench.child import Child
from edgekd.bench.loop import NS_PER_S
from edgekd.bench.scenarios.pagecache import cached_share, drop, files_below, read_in
from edgekd.bench.scenarios.turns import LIMIT_S
from edgekd.measurements import ColdStart

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edgekd.bench.collect import Measured
    from edgekd.bench.phase import PhaseContext

STARTS = 10  # of each variant with its files in the page cache, and as many without
FEWEST, ENOUGH_S = 6, 60.0  # starts and seconds after which a slow one is started no more
DROPPED = 0.02  # share of the pages that may be left in memory
KEPT = (
    "cold starts without the page cache are missing: the system kept the files in it, as it does with those that a "
    "process has mapped"
)


class Cold:
    """Starts processes, variants in turns: with the files of the variant in the page cache, and without.

    Only the variant's own files leave the cache. Interpreter and libraries stay: other processes use them.
    """

    title = "Cold start"
    needs_time = True

    def run(self, children: Sequence[Child], measured: Sequence[Measured], context: PhaseContext) -> None:
        """Measure all variants in turns; ``children`` go on waiting and are not asked."""
        turns = [(position, cached) for position in range(len(measured)) for cached in (True, False)]
        found: dict[tuple[int, bool], list[ColdStart]] = {turn: [] for turn in turns}
        stayed: set[int] = set()
        rng = Random(context.plan.seed)  # noqa: S311 - not cryptography
        timed = context.plan.timed
        context.progress.start(self.title, STARTS * len(turns))
        for number in range(STARTS):
            rng.shuffle(turns)
            for done, turn in enumerate(turns, start=number * len(turns) + 1):
                position, cached = turn
                m = measured[position]
                if len(found[turn]) >= FEWEST and sum(start.spawned_s for start in found[turn]) > ENOUGH_S:
                    continue
                if not _prepare(m.variant.path, cached=cached):
                    stayed.add(position)
                    continue
                start = _start(m, context.texts[timed[number % len(timed)]], context, cached=cached)
                found[turn].append(start)
                context.progress.update(done, m.variant.name)
        context.progress.finish()
        for position, m in enumerate(measured):
            m.extra["cold"] = found[position, True] + found[position, False]
            if position in stayed:
                m.notes.append(KEPT)


def _prepare(folder: Path, *, cached: bool) -> bool:
    """Bring the files of a variant into the cache or out of it; tell whether they are where they should be."""
    files = files_below(folder)
    if cached:
        read_in(files)
        return True
    drop(files)
    left = cached_share(files)
    return left is not None and left <= DROPPED


def _start(measured: Measured, text: str, context: PhaseContext, *, cached: bool) -> ColdStart:
    request = {
        "do": "edgekd.bench.scenarios.first_answer:first_answer",
        "variant": measured.variant.worker_spec(),
        "threads": context.threads,
        "spinning": context.profile.spinning,
        "affinity": list(context.affinity),
        "text": text,
    }
    t0 = perf_counter_ns()
    with Child(measured.variant.name, context.threads, place=context.place) as child:
        parts = child.ask(request, LIMIT_S)
        whole = perf_counter_ns() - t0
        return ColdStart(spawned_s=whole / NS_PER_S, cached=cached, **parts)
