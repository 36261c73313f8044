"""What is measured after the latency of single texts, on the same warm processes or on new ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.bench.child import Child
    from edgekd.bench.collect import Measured
    from edgekd.bench.place import Place
    from edgekd.bench.plan import Plan
    from edgekd.devices import DeviceProfile
    from edgekd.progress import Progress


@dataclass(frozen=True)
class PhaseContext:
    """What a phase may use.

    Args:
        texts: all evaluation texts; ``plan`` has indexes into them and the warm-up texts.
        plan: which texts are timed.
        profile: of the target.
        place: where processes run.
        threads: inside an operator.
        affinity: processors to pin to.
        progress: told where the work stands.
    """

    texts: Sequence[str]
    plan: Plan
    profile: DeviceProfile
    place: Place
    threads: int
    affinity: Sequence[int]
    progress: Progress


class Phase(Protocol):
    """Measures one thing of every variant and stores it in ``Measured.extra`` under the name of a result's field."""

    title: str  # for the progress bar
    needs_time: bool  # False: also possible under an emulator

    def run(self, children: Sequence[Child], measured: Sequence[Measured], context: PhaseContext) -> None:
        """Measure, variants in turns where they are compared with one another; tell ``context.progress`` about it.

        Args:
            children: one warm process a variant. A request ``{"do": "module:function", ...}`` runs
                ``function(worker, request)`` in it (see ``bench/worker.py``).
            measured: ``measured[i].extra["offline"] = [OfflinePoint(...)]``; the name is one of ``BenchResult``'s.
            context: everything else.
        """
