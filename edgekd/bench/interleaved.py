"""One measurement: fresh processes of all variants, repeated, in each repetition in turns on the same blocks of texts.

A repetition starts one process a variant, loads and warms up one after the other, times them in turns and ends them.
Its numbers differ from those of the next by what is drawn once a process: memory layout, addresses, what the system had
cached (Kalibera & Jones 2013; Mytkowicz et al. 2009). The last repetition also answers all texts and serves the phases.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from edgekd.analysis.precision import half_width
from edgekd.bench.affinity import allowed_cpus, choose_cpus
from edgekd.bench.answering import HANG_LIMIT_S, answer_all, hang_limit_s
from edgekd.bench.child import Child
from edgekd.bench.collect import Conditions, samples_of
from edgekd.bench.conditions import Sampler
from edgekd.bench.fitting import Fitting
from edgekd.bench.harness import CALLS, STEP
from edgekd.bench.machine import describe_machine
from edgekd.bench.phase import PhaseContext
from edgekd.bench.stopping import Stopping
from edgekd.measurements import Harness, Memory, ProcessRun

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edgekd.bench.collect import Measured
    from edgekd.bench.limits import MemoryLimit
    from edgekd.bench.phase import Phase
    from edgekd.bench.place import Place
    from edgekd.bench.plan import Plan, Round
    from edgekd.config import BenchConfig
    from edgekd.devices import DeviceProfile
    from edgekd.progress import Progress

WARM_UP_PART = 1000


class Interleaved:
    """Fills the records of what was measured.

    Args:
        measured: one a variant, empty.
        profile: gives the threads and whether they spin.
        config: how long and how finely.
        plan: which texts are timed, and which warm up.
        progress: told where the work stands.
        clock: seconds; limits the timing.
        place: where processes run.
        phases: what is measured besides.
        limit: memory that a variant may have.
    """

    def __init__(
        self,
        measured: Sequence[Measured],
        *,
        profile: DeviceProfile,
        config: BenchConfig,
        plan: Plan,
        progress: Progress,
        clock: Callable[[], float],
        place: Place,
        phases: Sequence[Phase],
        limit: MemoryLimit | None,
    ) -> None:
        self.measured = measured
        self.config = config
        self.plan = plan
        self.progress = progress
        self.clock = clock
        self.place = place
        self.phases = [phase for phase in phases if place.has_time or not phase.needs_time]
        self.fits = Fitting(limit)
        self.threads = min(profile.threads, len(allowed_cpus()))
        self.affinity = choose_cpus(self.threads)
        self.processes = config.processes if place.has_time else 1
        self.stopping = Stopping(config, plan.passes, clock)
        self.conditions = Conditions(
            profile,
            self.threads,
            place.machine or describe_machine(),
            plan.warm_up_note,
            place,
            Sampler(self.affinity),
            settings=config.model_dump(mode="json", exclude_defaults=True),
        )

    @property
    def fitting(self) -> list[Measured]:
        """Variants that fit into the memory, as far as is known."""
        return [m for m in self.measured if m.misfit is None]

    def run(self, texts: list[str]) -> None:
        """Start processes, measure, and stop them however it ends."""
        if self.place.has_time:
            self.conditions.harness = self._time_null_session()
        process, is_last = 0, False
        while not is_last:
            with ExitStack() as stack:
                began = self.clock()
                children = self._prepare(stack, texts, process)
                if not children:
                    return
                if self.place.has_time:
                    self._time(children, process, self.clock() - began)
                    self._read_memory(children)
                    is_last = self._is_last(process + 1)
                    if is_last:
                        answer_all(_live(children), texts, self.progress, in_parts=False)
                else:
                    is_last = True
                    answer_all(_live(children), texts, self.progress, in_parts=True)
                    self._read_memory(children)
                if is_last:
                    self._run_phases(children, texts)
            process += 1
        self.conditions.notes += self.stopping.notes

    def _time_null_session(self) -> Harness:
        with Child("the timing loop", 1, place=self.place) as child:
            found = child.ask({"do": STEP, "calls": CALLS, "affinity": self.affinity}, HANG_LIMIT_S)
        return Harness(calls=found["calls"], overhead_s=found["overhead_s"])

    def _prepare(self, stack: ExitStack, texts: list[str], process: int) -> list[tuple[Child, Measured]]:
        """Start, load and warm up one child after the other, so that none disturbs another's load time.

        NOTE: what is created later may be faster (0.4 % in the gate's processes), so the order alternates.
        """
        fitting = self.fitting
        self.progress.start(f"{self._nth(process)}Loading {len(fitting)} variants", len(fitting))
        children: dict[int, Child] = {}
        for done, m in enumerate(fitting if process % 2 == 0 else fitting[::-1], start=1):
            child = stack.enter_context(Child(m.variant.name, self.threads, place=self.place))
            if self._load(child, m, texts, process):
                children[id(m)] = child
            self.progress.update(done, m.variant.name)
        self.progress.finish()
        return [(children[id(m)], m) for m in fitting if id(m) in children]

    def _load(self, child: Child, m: Measured, texts: list[str], process: int) -> bool:
        load = {
            "do": "load",
            "variant": m.variant.worker_spec(),
            "threads": self.threads,
            "affinity": self.affinity,
            "spinning": self.conditions.profile.spinning,
        }
        limit_bytes = self.fits.limit_bytes(m)
        if limit_bytes is not None:
            load["memory_limit_bytes"] = limit_bytes
        loaded = self.fits.ask(child, m, load, HANG_LIMIT_S)
        if loaded is None:
            return False
        m.loaded = loaded
        columns = self._warm_up(child, m)
        if columns is None:
            return False
        if process == 0:
            m.warm_up = columns
        timed = self.plan.timed
        child.ask({"do": "texts", "indexes": timed, "texts": [texts[i] for i in timed]}, HANG_LIMIT_S)
        return True

    def _warm_up(self, child: Child, m: Measured) -> dict[str, Any] | None:
        """Warm up with a part of the texts at a time: they would count as the child's memory.

        Where nothing is timed, nothing needs to be warm.
        """
        first, *others = (
            self.plan.warm_up[start : start + WARM_UP_PART] for start in range(0, len(self.plan.warm_up), WARM_UP_PART)
        )
        if not self.place.has_time:
            return child.ask({"do": "warm_up", "texts": first, "calls": 0}, HANG_LIMIT_S)
        columns = self.fits.ask(
            child, m, {"do": "warm_up", "texts": first, "calls": self.config.warm_up_calls}, HANG_LIMIT_S
        )
        if columns is not None:
            for part in others:
                child.ask({"do": "learn_words", "texts": part}, HANG_LIMIT_S)
        return columns

    def _time(self, children: list[tuple[Child, Measured]], process: int, start_s: float) -> None:
        timed, planned = len(self.plan.timed), self.plan.rounds_planned
        self.progress.start(f"{self._nth(process)}Timing {timed:,} texts, variants in turns", planned)
        pids = [child.pid for child, _ in children]
        first = max((m.timings.block[-1] + 1 for _, m in children if m.timings.block), default=0)
        passes, note = 0, ""
        self.conditions.sampler.begin(pids)
        self.stopping.begin(process, start_s)
        for turn in self.plan.rounds(len(children), process=process, first=first):
            if turn.number > first:
                elapsed_s = self.stopping.elapsed_s()
                if self.stopping.is_over(elapsed_s):
                    note = f"stopped at {self.config.max_seconds:g} s (max_seconds): {turn.number - first} blocks"
                    break
                if turn.starts_pass and self.stopping.is_enough(elapsed_s, passes):
                    break
            passes += turn.starts_pass
            self._block(children, turn, process, pids)
            self.progress.update(min(turn.number - first + 1, planned))
        self.stopping.end()
        self.conditions.sampler.keep(pids)
        self.progress.finish(note)

    def _block(self, children: list[tuple[Child, Measured]], turn: Round, process: int, pids: Sequence[int]) -> None:
        limit_s = hang_limit_s(len(turn.indexes))
        for position in turn.order:
            child, m = children[position]
            if m.misfit is not None:
                continue
            if turn.starts_pass:
                child.ask({"do": "begin_pass"}, HANG_LIMIT_S)
            columns = self.fits.ask(child, m, {"do": "block", "indexes": turn.indexes, "block": turn.number}, limit_s)
            if columns is not None:
                m.timings.extend(columns)
                m.process += [process] * len(columns["total_s"])
            self.conditions.sampler.tick(pids)

    def _read_memory(self, children: list[tuple[Child, Measured]]) -> None:
        for child, m in children:
            if m.misfit is not None:
                continue
            found = self.fits.ask(child, m, {"do": "memory"}, HANG_LIMIT_S)
            if found is not None:
                loaded = {name: m.loaded[name] for name in ("start_rss_bytes", "loaded_rss_bytes")}
                load_time_s = m.loaded["load_time_s"] if self.place.has_time else None
                memory = Memory(**loaded, **found)
                m.runs.append(ProcessRun(load_time_s=load_time_s, memory=memory, affinity=m.loaded["affinity"]))

    def _is_last(self, processes: int) -> bool:
        fitting = self.fitting
        if not fitting:
            return True
        calls = min(len(m.timings.total_s) for m in fitting)
        is_last = self.stopping.is_last(processes, calls, lambda: [half_width(samples_of(m)) for m in fitting])
        if is_last:
            for note in self.stopping.notes:
                self.progress.say(f"{note[0].upper()}{note[1:]}.")
        return is_last

    def _run_phases(self, children: list[tuple[Child, Measured]], texts: list[str]) -> None:
        live = _live(children)
        if not live:
            return
        context = PhaseContext(
            texts, self.plan, self.conditions.profile, self.place, self.threads, self.affinity, self.progress
        )
        for phase in self.phases:
            phase.run([child for child, _ in live], [m for _, m in live], context)

    def _nth(self, process: int) -> str:
        """Return which repetition this is, where there are several."""
        if self.processes == 1:
            return ""
        of = f" of {self.processes}" if process < self.processes else ""
        return f"Process {process + 1}{of}: "


def _live(children: list[tuple[Child, Measured]]) -> list[tuple[Child, Measured]]:
    """Return those that fit into the memory."""
    return [(child, m) for child, m in children if m.misfit is None]
