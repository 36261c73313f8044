"""Measure variants interleaved: one process each, one at work at a time, all on the same blocks of texts."""

from __future__ import annotations

from contextlib import ExitStack, nullcontext
from time import monotonic
from typing import TYPE_CHECKING, Any

from edgekd.artifacts import folder_lock
from edgekd.bench.affinity import allowed_cpus, choose_cpus
from edgekd.bench.child import Child
from edgekd.bench.collect import Conditions, Measured, make_results
from edgekd.bench.machine import describe_machine
from edgekd.bench.phase import PhaseContext
from edgekd.bench.place import HERE
from edgekd.bench.plan import Plan, make_plan
from edgekd.bench.variants import Variant, in_order, label_order, unique_names
from edgekd.errors import ConfigError, DataError, InvalidArtifact
from edgekd.progress import Progress, Silent
from edgekd.results import RESULT_SUFFIX, BenchResult, save_result

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from edgekd.bench.phase import Phase
    from edgekd.bench.place import Place
    from edgekd.config import BenchConfig
    from edgekd.data.types import Examples
    from edgekd.devices import DeviceProfile

HANG_LIMIT_S = 600.0
HANG_LIMIT_PER_TEXT_S = 1.0
EVALUATION_BATCH = 32
WARM_UP_PART = 1000


def run_bench(
    variants: Sequence[Variant],
    *,
    profile: DeviceProfile,
    config: BenchConfig,
    texts: Examples,
    warm_up_texts: Sequence[str],
    data_name: str,
    out: Path | None,
    progress: Progress | None = None,
    clock: Callable[[], float] = monotonic,
    place: Place = HERE,
    phases: Sequence[Phase] = (),
) -> list[BenchResult]:
    """Measure latency, memory, load time and quality of all variants in one session.

    Args:
        variants: names are made unique. ``texts.targets`` are indexes into the labels of the first one.
        profile: gives the threads; what is measured is this machine all the same.
        config: how long and how finely.
        texts: all of them are labelled; ``config.max_texts`` of them are timed.
        warm_up_texts: other texts of the same kind; when empty, a part of ``texts`` is held out for it.
        data_name: stored with the results.
        out: result files go there as ``VARIANT.result.json``; None writes none.
        progress: told where the work stands.
        clock: seconds; limits the session to ``config.max_seconds`` of timing.
        place: where the measuring processes run; where durations mean nothing, nothing is timed.
        phases: what is measured besides, in this order.

    Raises:
        ConfigError: when there is nothing to measure, or task or labels differ between variants.
        InvalidArtifact: when a variant gives no finite logit for each label.
        DataError: when there are no texts.
        WorkerFailed: when a measuring process fails; the message names its variant.
        Busy: when another process measures into ``out``.
    """
    if not variants:
        raise ConfigError("There is nothing to measure.", hint="Give bundles, or --teacher FOLDER.")
    if len(texts) == 0:
        raise DataError("There are no texts to measure with.")
    measured = [Measured(variant) for variant in unique_names(variants)]
    task = measured[0].variant.task
    orders = [label_order(m.variant, task) for m in measured]
    plan = make_plan(texts.texts, warm_up_texts, config)
    session = _Session(measured, profile, config, plan, progress or Silent(), clock, place, phases)
    with folder_lock(out) if out is not None else nullcontext():
        session.run(texts.texts)
        for m, order in zip(measured, orders, strict=True):
            m.logits = [_reordered(row, order, m.variant.name) for row in m.logits]
            m.calibration = in_order(m.variant.calibration, order)
        results = make_results(measured, session.conditions, texts, data_name)
        if out is not None:
            for result in results:
                save_result(result, out / f"{result.variant}{RESULT_SUFFIX}")
    return results


class _Session:
    """One interleaved measurement."""

    def __init__(
        self,
        measured: list[Measured],
        profile: DeviceProfile,
        config: BenchConfig,
        plan: Plan,
        progress: Progress,
        clock: Callable[[], float],
        place: Place,
        phases: Sequence[Phase],
    ) -> None:
        self.measured = measured
        self.config = config
        self.plan = plan
        self.progress = progress
        self.clock = clock
        self.threads = min(profile.threads, len(allowed_cpus()))
        self.affinity = choose_cpus(self.threads)
        self.place = place
        self.phases = [phase for phase in phases if place.has_time or not phase.needs_time]
        self.conditions = Conditions(profile, self.threads, describe_machine(), plan.warm_up_note, place)

    def run(self, texts: list[str]) -> None:
        """Start the children, measure, and stop them however it ends."""
        with ExitStack() as stack:
            children = self._prepare(stack, texts)
            if self.place.has_time:
                self._time(children)
            for child, m in zip(children, self.measured, strict=True):
                m.memory = child.ask({"do": "memory"}, HANG_LIMIT_S)
            self._evaluate(children, texts)
            for phase in self.phases:
                self.progress.start(phase.title, None)
                phase.run(children, self.measured, self._context(texts))
                self.progress.finish()

    def _context(self, texts: list[str]) -> PhaseContext:
        return PhaseContext(
            texts, self.plan, self.conditions.profile, self.place, self.threads, self.affinity, self.progress
        )

    def _prepare(self, stack: ExitStack, texts: list[str]) -> list[Child]:
        """Start, load and warm up one child after the other, so that none disturbs another's load time."""
        self.progress.start(f"Loading {len(self.measured)} variants", len(self.measured))
        timed = self.plan.timed
        children: list[Child] = []
        for m in self.measured:
            child = stack.enter_context(Child(m.variant.name, self.threads, place=self.place))
            load = {"do": "load", "variant": _spec(m.variant), "threads": self.threads}
            m.loaded = child.ask({**load, "affinity": self.affinity}, HANG_LIMIT_S)
            m.warm_up = self._warm_up(child)
            child.ask({"do": "texts", "indexes": timed, "texts": [texts[i] for i in timed]}, HANG_LIMIT_S)
            children.append(child)
            self.progress.update(len(children), m.variant.name)
        self.progress.finish()
        return children

    def _warm_up(self, child: Child) -> dict[str, Any]:
        """Warm up with a part of the texts at a time: they would count as the child's memory."""
        first, *others = (
            self.plan.warm_up[start : start + WARM_UP_PART] for start in range(0, len(self.plan.warm_up), WARM_UP_PART)
        )
        calls = self.config.warm_up_calls
        columns = child.ask({"do": "warm_up", "texts": first, "calls": calls}, HANG_LIMIT_S)
        for part in others:
            child.ask({"do": "learn_words", "texts": part}, HANG_LIMIT_S)
        return columns

    def _time(self, children: list[Child]) -> None:
        timed = len(self.plan.timed)
        self.progress.start(f"Timing {timed:,} texts, variants in turns", self.plan.rounds_planned)
        started = self.clock()
        note = ""
        for turn in self.plan.rounds(len(children)):
            if turn.number and self.clock() - started >= self.config.max_seconds:
                note = f"stopped after {self.config.max_seconds:g} s (max_seconds): {turn.number} blocks"
                break
            for position in turn.order:
                child = children[position]
                if turn.starts_pass:
                    child.ask({"do": "begin_pass"}, HANG_LIMIT_S)
                request = {"do": "block", "indexes": turn.indexes, "block": turn.number}
                limit_s = HANG_LIMIT_S + HANG_LIMIT_PER_TEXT_S * len(turn.indexes)
                self.measured[position].timings.extend(child.ask(request, limit_s))
            self.progress.update(turn.number + 1)
        self.progress.finish(note)

    def _evaluate(self, children: list[Child], texts: list[str]) -> None:
        self.progress.start(f"Answers for {len(texts):,} texts", len(children))
        limit_s = HANG_LIMIT_S + HANG_LIMIT_PER_TEXT_S * len(texts)
        for done, (child, m) in enumerate(zip(children, self.measured, strict=True), start=1):
            batch_size = EVALUATION_BATCH if m.variant.precision == "fp32" else 1
            request = {"do": "evaluate", "texts": texts, "batch_size": batch_size}
            m.logits = child.ask(request, limit_s)["logits"]
            self.progress.update(done, m.variant.name)
        self.progress.finish()


def _reordered(row: list[float], order: Sequence[int], name: str) -> list[float]:
    """Return logits in the order of the first variant's labels.

    Raises:
        InvalidArtifact: when there are more or fewer logits than labels.
    """
    if len(row) != len(order):
        raise InvalidArtifact(f"'{name}' gives {len(row)} logits a text, and its labels are {len(order)}.")
    placed = dict(zip(order, row, strict=True))
    return [placed[place] for place in range(len(order))]


def _spec(variant: Variant) -> dict[str, Any]:
    """Return what the worker needs of a variant."""
    return {
        "name": variant.name,
        "path": str(variant.path),
        "backend": variant.backend,
        "graph": variant.graph,
        "inputs": variant.inputs,
        "providers": variant.providers,
        "max_length": variant.max_length,
        "lengths": variant.lengths,
        "batch": variant.batch,
    }
