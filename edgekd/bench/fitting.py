"""Asks measuring processes under a memory limit: one that needs more leaves the measurement, the others go on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgekd.bench.child import WorkerFailed
from edgekd.bench.limits import DoesNotFit, MemoryExceeded, MemoryLimit, does_not_fit, says_out_of_memory
from edgekd.bench.variants import TORCH

if TYPE_CHECKING:
    from edgekd.bench.child import Child
    from edgekd.bench.collect import Measured


@dataclass(frozen=True)
class Fitting:
    """The limit of a session.

    Args:
        limit: of each variant; None: there is none. PyTorch is only a reference, and has as much as it needs.
    """

    limit: MemoryLimit | None

    def limit_bytes(self, m: Measured) -> int | None:
        """Return what a variant may have; None: as much as there is."""
        return self.limit.size_bytes if self.limit is not None and m.variant.backend != TORCH else None

    def ask(self, child: Child, m: Measured, request: dict[str, Any], limit_s: float) -> dict[str, Any] | None:
        """Return an answer; None when the variant needs more memory than it may have, which ends its process.

        Raises:
            WorkerFailed: when the process fails for another reason.
        """
        try:
            return child.ask(request, limit_s)
        except MemoryExceeded as error:
            m.misfit = self._misfit(m, error.needed_bytes)
        except WorkerFailed as error:
            if self.limit_bytes(m) is None or not says_out_of_memory(error.message):
                raise
            m.misfit = self._misfit(m, None)
        child.close()
        return None

    def _misfit(self, m: Measured, needed_bytes: int | None) -> DoesNotFit:
        assert self.limit is not None
        return does_not_fit(m.variant.name, self.limit, needed_bytes)
