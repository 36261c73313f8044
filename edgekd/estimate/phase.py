"""The phase of ``edgekd bench`` that estimates latencies of boards: two texts of each variant, one board at a time."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from edgekd.bench.cost import operator_costs
from edgekd.bench.operators import PROFILED
from edgekd.estimate.analytic import Tokenizing, estimate_cpu, estimate_gpu
from edgekd.estimate.calibration import read_calibrations, scaled
from edgekd.estimate.processor import instructions_per_cycle, processor_of
from edgekd.estimate.trace.estimate import core_model, estimate_traced, prepare
from edgekd.results import Evidence

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from edgekd.bench.child import Child
    from edgekd.bench.collect import Measured
    from edgekd.bench.phase import PhaseContext
    from edgekd.devices import DeviceProfile
    from edgekd.estimate.calibration import Calibrations
    from edgekd.measurements import Estimate

LIMIT_S = 600.0
GPU_PROVIDERS = ("Tensorrt", "CUDA")  # first words of the names of execution providers
QUANTILES = (0.5, 0.95)  # of the timed texts by length: an ordinary text and a long one
NEAR = 0.1  # texts count for a length when they are at most so much longer or shorter


@dataclass(frozen=True)
class EstimatePhase:
    """Estimates of every variant for some boards, stored as ``estimates``.

    Args:
        profiles: of the boards; each must say enough (see :func:`check`).
        calibrations: of the user's own boards.
        traced: also by the instructions that are executed under emulation, see ``trace/``.
    """

    profiles: Sequence[DeviceProfile]
    calibrations: Calibrations
    traced: bool = False
    title = "Estimating other boards"
    needs_time = False

    def __post_init__(self) -> None:
        for profile in self.profiles:
            processor_of(profile)  # a profile that says too little is refused before anything is measured
            if self.traced:
                core_model(profile)

    def run(self, children: Sequence[Child], measured: Sequence[Measured], context: PhaseContext) -> None:
        """Profile each variant's operators at two lengths and compute; runtimes that cannot be profiled have none."""
        context.progress.start(self.title, len(measured))
        for done, (child, m) in enumerate(zip(children, measured, strict=True)):
            context.progress.update(done, m.variant.name)
            if m.variant.backend not in PROFILED:
                m.notes.append(f"not estimated: {m.variant.backend} does not tell its operators")
                continue
            texts = [context.texts[index] for index in texts_of(m, context)]
            found = self._analytic(child, m, texts, context)
            if self.traced:
                for profile in self.profiles:
                    context.progress.say(f"Tracing {m.variant.name} on an emulated {profile.name}")
                    found += estimate_traced(m.variant, profile, texts, context.progress.say)
            m.extra["estimates"] = [scaled(estimate, self.calibrations) for estimate in found]
        context.progress.finish()

    def _analytic(self, child: Child, m: Measured, texts: Sequence[str], context: PhaseContext) -> list[Estimate]:
        here = child.ask({"do": "edgekd.estimate.here:about"}, LIMIT_S)
        found: list[Estimate] = []
        for text in texts:
            request = {"do": "edgekd.bench.operators:profile", "text": text, "calls": 1, "prepack": False}
            answer = child.ask(request, LIMIT_S)
            operators, tokens = operator_costs(answer["calls"][0]), int(answer["tokens"])
            tokenizing = tokenizing_of(m, tokens, here)
            for profile in self.profiles:
                cpu = estimate_cpu(profile, operators, tokens=tokens, threads=profile.threads, tokenizing=tokenizing)
                gpu = estimate_gpu(profile, operators, tokens=tokens, tokenizing=tokenizing)
                found += [each for each in (cpu, gpu) if each is not None and ran_there(each, m, context)]
        return found


def estimates(
    profiles: Sequence[DeviceProfile], calibration: Path | None, say: Callable[[str], None], *, traced: bool = False
) -> EstimatePhase:
    """Return the phase for some boards, each of them once, with everything it needs at hand.

    Args:
        profiles: of the boards.
        calibration: file; None is the user's own, if there is one.
        say: called with a line of text now and then.
        traced: also by the instructions that are executed under emulation.

    Raises:
        ConfigError: when the calibration does not exist, a profile says too little, or its processor cannot be traced.
        InvalidArtifact: when the calibration is damaged or of other estimates.
        EmulationUnavailable: when a tool for tracing cannot be had.
    """
    unique = tuple({profile.name: profile for profile in profiles}.values())
    phase = EstimatePhase(unique, read_calibrations(calibration), traced)
    if traced:
        prepare(say)
    return phase


def ran_there(estimate: Estimate, m: Measured, context: PhaseContext) -> bool:
    """Tell whether an estimate is worth keeping: of the board that was measured, only the processor that answered."""
    if context.place.evidence is not Evidence.DEVICE or estimate.target != context.profile.name:
        return True
    answered = next(iter(m.loaded["providers"]), "")
    return (estimate.processor == "gpu") == answered.startswith(GPU_PROVIDERS)


def texts_of(m: Measured, context: PhaseContext) -> list[int]:
    """Return the indexes of an ordinary and of a long text: by tokens where texts were timed, else by characters."""
    if m.timings.tokens:
        length = dict(zip(m.timings.text_index, m.timings.tokens, strict=True))
    else:
        length = {index: len(context.texts[index]) for index in context.plan.timed}
    order = sorted(length, key=lambda index: (length[index], index))
    chosen = [order[round(quantile * (len(order) - 1))] for quantile in QUANTILES]
    first, last = chosen
    return [first] if length[first] == length[last] else chosen


def tokenizing_of(m: Measured, tokens: int, here: dict[str, Any]) -> Tokenizing | None:
    """Return what tokenizing texts of about this length took; None where it was not timed or no clock is told."""
    near = [
        seconds
        for count, seconds in zip(m.timings.tokens, m.timings.tokenize_s, strict=True)
        if abs(count - tokens) <= NEAR * tokens
    ]
    if not near or here["clock_hz"] is None:
        return None
    return Tokenizing(median(near), here["clock_hz"] * instructions_per_cycle(here["model"], here["arch"]))
