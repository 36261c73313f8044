"""From a trace to a latency: cycles over the clock of the board."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgekd import units
from edgekd.bench.qemu_place import core_of
from edgekd.emulation.plugin_build import built_plugin
from edgekd.emulation.plugin_qemu import find_plugin_qemu
from edgekd.errors import ConfigError
from edgekd.estimate.trace.blocks import ARCH, SOURCE, THREADS, trace
from edgekd.estimate.trace.cycles import cost
from edgekd.estimate.trace.llvm import find_llvm
from edgekd.measurements import Estimate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edgekd.bench.variants import Variant
    from edgekd.devices import DeviceProfile
    from edgekd.estimate.trace.blocks import Trace
    from edgekd.estimate.trace.llvm import Llvm


@dataclass(frozen=True)
class Core:
    """LLVM's model of an emulated core, and how far it may be off.

    Attributes:
        model: as ``llvm-mca -mcpu`` calls it.
        names: of the cores that it stands for, as profiles call them.
        low: the truth is expected above this share of the estimate.
        high: and below this multiple.
        int8_note: what is known about its int8.
    """

    model: str
    names: tuple[str, ...]
    low: float = 0.6
    high: float = 1.3
    int8_note: str = ""


# Checked on one x86 core only (2 % too fast to 21 % too slow), and against ratios of published latencies: on the A53
# fp32 came out 1.1 to 1.4 times too slow, int8 1.5 to 1.7 times.
CORES = {
    "cortex-a53": Core(
        "cortex-a53", ("Cortex-A53",), low=0.5, int8_note="this model of the core is 1.5 to 1.7 times too slow in int8"
    ),
    "cortex-a57": Core("cortex-a57", ("Cortex-A57",)),
    "cortex-a72": Core("cortex-a72", ("Cortex-A72",)),
    # Of the A76 the same core for servers is modelled; the A78 has the same instructions and is its successor.
    "cortex-a76": Core("neoverse-n1", ("Cortex-A76", "Cortex-A78")),
}


def core_model(profile: DeviceProfile) -> Core:
    """Return how the core of a board is modelled.

    Raises:
        ConfigError: when it is not emulated or not modelled, or its clock is not known.
    """
    emulator = profile.emulator
    core = CORES.get(core_of(profile)) if emulator is not None and emulator.arch == ARCH else None
    # An emulated core may only stand in for another one: it has the board's instructions, not its timing.
    if core is None or not any(name in profile.cpu.model for name in core.names) or profile.cpu.clock_hz is None:
        modelled = ", ".join(name for each in CORES.values() for name in each.names)
        raise ConfigError(
            f"The processor of '{profile.name}' cannot be traced: that is for {modelled}.",
            hint="Leave --traced out; the estimate from the profile needs none of it.",
        )
    return core


def prepare(say: Callable[[str], None]) -> None:
    """Get the tools that tracing needs, so that nothing is measured before one turns out to be missing.

    Raises:
        EmulationUnavailable: when one cannot be had.
    """
    built_plugin(SOURCE, "tracer", say)
    find_plugin_qemu(ARCH, say)
    find_llvm(say)


def estimate_traced(
    variant: Variant, profile: DeviceProfile, texts: Sequence[str], say: Callable[[str], None]
) -> list[Estimate]:
    """Estimate the latency of texts from the instructions that they execute under emulation, on one thread.

    Raises:
        ConfigError: when the processor is not emulated or not modelled.
        EmulationUnavailable: when a tool or the network is missing.
        WorkerFailed: when the emulated process fails.
    """
    core = core_model(profile)
    llvm = find_llvm(say)
    return [_estimate(traced, variant, profile, core, llvm) for traced in trace(variant, profile, texts, say)]


def _estimate(traced: Trace, variant: Variant, profile: DeviceProfile, core: Core, llvm: Llvm) -> Estimate:
    cycles = cost(traced.blocks, core.model, llvm)
    assert profile.cpu.clock_hz is not None
    latency_s = cycles.cycles / profile.cpu.clock_hz
    note = f"; {core.int8_note}" if core.int8_note and variant.precision != "fp32" else ""
    return Estimate(
        kind="traced",
        target=profile.name,
        threads=THREADS,
        tokens=traced.tokens,
        latency_s=latency_s,
        low_s=latency_s * core.low,
        high_s=latency_s * core.high,
        basis=(
            f"{units.instructions(cycles.instructions)} instructions ({traced.emulator} -cpu {core_of(profile)}), "
            f"{units.tiny(cycles.per_cycle)} a cycle by llvm-mca {llvm.version} -mcpu={core.model}, at "
            f"{units.frequency(profile.cpu.clock_hz)}; blind to cache misses and memory{note}"
        ),
    )
