"""How long is measured: passes, processes and time. Holds the rules and no process; the clock is an argument."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edgekd import units
from edgekd.analysis.precision import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edgekd.analysis.precision import Width
    from edgekd.config import BenchConfig

# A median is not looked at before: the least queries of MLPerf LoadGen's early stopping for p90.
LEAST_CALLS = 64
MOST_PROCESSES = 100  # the next one tells nothing that is new


@dataclass
class Stopping:
    """When a process, and when the whole measurement, has measured enough.

    Without ``precision`` there are ``config.processes`` processes a variant, each with its share of the passes and of
    the time. With it, further ones follow until every median is known well enough. Each of those times at least as long
    as it took to start: processes differ more than the calls within one, so many short ones tell more than a few long
    ones, as far as their start permits (Kalibera & Jones 2013, section 5).

    Args:
        config: the wishes.
        passes: of each process.
        clock: seconds, monotonic.
    """

    config: BenchConfig
    passes: int
    clock: Callable[[], float]
    notes: list[str] = field(default_factory=list)  # what a reader should know
    cut_short: bool = False  # by the time limit
    _spent_s: float = 0.0  # by earlier processes
    _started: float = 0.0
    _start_s: float = 0.0  # what it took to start the processes of this repetition
    _process: int = 0

    def begin(self, process: int, start_s: float) -> None:
        """Start the clock of a process, numbered from 0."""
        self._process = process
        self._start_s = start_s
        self._started = self.clock()

    def elapsed_s(self) -> float:
        """Return the time of timing so far, earlier processes included."""
        return self._spent_s + self.clock() - self._started

    def is_over(self, elapsed_s: float) -> bool:
        """Tell whether the time of this process is used up; what earlier ones left is there for it."""
        share = min(1.0, (self._process + 1) / self.config.processes)
        over = elapsed_s >= share * self.config.max_seconds
        self.cut_short |= over
        return over

    def is_enough(self, elapsed_s: float, passes: int) -> bool:
        """Tell, at the end of a pass, whether this process has done its part."""
        if passes < self.passes:
            return False
        if self._process < self.config.processes:
            return elapsed_s >= self.config.min_seconds * (self._process + 1) / self.config.processes
        return elapsed_s - self._spent_s >= self._start_s

    def end(self) -> None:
        """Stop the clock of a process."""
        self._spent_s = self.elapsed_s()

    def is_last(self, processes: int, calls: int, widths: Callable[[], Sequence[Width]]) -> bool:
        """Tell whether to stop after so many processes.

        Args:
            processes: that are done.
            calls: of each variant.
            widths: how well the median of each variant is known; asked only when it matters.
        """
        config = self.config
        if processes < config.processes:
            return False
        if config.precision is None:
            if self.cut_short:
                self.notes.append(f"the time limit of {config.max_seconds:g} s cut the timing short")
            return True
        known = widths() if calls >= LEAST_CALLS else [UNKNOWN]
        found = max(known, key=lambda width: width.total)
        texts = max(width.texts for width in known)
        wanted = units.rough_percent(config.precision)
        if found.total <= config.precision and self._spent_s >= config.min_seconds:
            self._note(processes, found, "as wanted")
        elif texts >= config.precision and self._spent_s >= config.min_seconds:
            share = units.rough_percent(texts)
            why = f"which texts there are makes {share} of it, so only more texts would help"
            self._note(processes, found, f"not within {wanted} as wanted: {why}")
        elif self._spent_s >= config.max_seconds or processes >= MOST_PROCESSES:
            ended = f"{config.max_seconds:g} s" if self._spent_s >= config.max_seconds else f"{processes} processes"
            self._note(processes, found, f"not within {wanted} as wanted, when {ended} were used up")
        else:
            return False
        return True

    def _note(self, processes: int, width: Width, how: str) -> None:
        known = (
            "too few calls"
            if width is UNKNOWN
            else f"every median latency is known within {units.rough_percent(width.total)}"
        )
        self.notes.append(
            f"{known}, {how} ({processes} processes a variant, {units.duration(self._spent_s)} of timing)"
        )
