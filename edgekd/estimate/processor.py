"""A board's processor as a few rates: from the facts of its profile to what a roofline divides by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgekd.errors import ConfigError

if TYPE_CHECKING:
    from edgekd.devices import DeviceProfile

# Instructions a cycle of ordinary code (a tokenizer, the dispatch of operators), by core. Orders of magnitude: two are
# executed in order (A53), three or four out of order (the others); published single-core scores differ like this.
INSTRUCTIONS_PER_CYCLE = {
    "Cortex-A53": 0.7,
    "Cortex-A55": 0.8,
    "Cortex-A57": 1.2,
    "Cortex-A72": 1.3,
    "Cortex-A76": 2.0,
    "Cortex-A78": 2.2,
    "Carmel": 1.8,
    "N100": 2.0,
    "Gracemont": 2.0,
}
OTHER_ARM = 1.5
OTHER_X86 = 2.5
# Own measurement on an x86 core: a bag of 14 operators answers in 11 microseconds, of which a call takes about 3.5.
DISPATCH_INSTRUCTIONS = 4_500.0  # of an operator: looking up its tensors, memory for its output
CALL_INSTRUCTIONS = 30_000.0  # of a call from Python
READ_PER_MEMCPY = 1.8  # copying moves each byte twice; reading alone reached 1.5 to 2 times its rate
THREADS_EXPONENT = 0.5  # ncnn's published resnet50: four threads are 1.7 to 3.3 times as fast, 2.0 on a Raspberry Pi 4


@dataclass(frozen=True)
class Processor:
    """What so many threads of a processor do in a second.

    Attributes:
        fp32_flops: additions and multiplications of matrix products, efficiency included.
        fp16_flops: the same in half precision; where the core has none, that of fp32, to which it is widened.
        int8_ops: the same in integers.
        memory_bytes: read in order from memory.
        cache_bytes: read from a cache.
        cache_size_bytes: the largest cache; None where the profile does not say.
        instructions: of ordinary code on one core.
    """

    fp32_flops: float
    fp16_flops: float
    int8_ops: float
    memory_bytes: float
    cache_bytes: float
    cache_size_bytes: int | None
    instructions: float

    @property
    def dispatch_s(self) -> float:
        """What an operator costs before it computes anything."""
        return DISPATCH_INSTRUCTIONS / self.instructions

    @property
    def call_s(self) -> float:
        """What a call costs before its first operator."""
        return CALL_INSTRUCTIONS / self.instructions


def processor_of(profile: DeviceProfile, threads: int = 1) -> Processor:
    """Return the rates of a profile.

    Args:
        profile: of the board.
        threads: inside an operator; matrix products gain by them, memory and the rest do not.

    Raises:
        ConfigError: when the profile lacks a fact that is needed; the message names it.
    """
    cpu, peaks = profile.cpu, profile.cpu.peaks
    if profile.is_this_machine:
        raise ConfigError(
            f"'{profile.name}' is this machine, which is measured and not estimated.",
            hint="Estimate for a board: --estimate with --target pi4, or --estimate-for pi4.",
        )
    if peaks is None or cpu.clock_hz is None:
        missing = "cpu.peaks" if peaks is None else "cpu.clock_hz"
        raise ConfigError(
            f"The profile '{profile.name}' has no {missing}, so nothing can be estimated for it.",
            hint="Add it to a profile of your own (docs/devices.md) and give it with --devices FILE.",
        )
    memory = _memory_bytes_per_s(profile)
    fp32, int8 = _scaling(profile, threads)
    half = peaks.fp16_flops_per_cycle or peaks.fp32_flops_per_cycle
    return Processor(
        fp32_flops=cpu.clock_hz * peaks.fp32_flops_per_cycle * peaks.efficiency_fp32 * fp32,
        fp16_flops=cpu.clock_hz * half * peaks.efficiency_fp32 * fp32,
        int8_ops=cpu.clock_hz * peaks.int8_ops_per_cycle * peaks.efficiency_int8 * int8,
        memory_bytes=memory,
        # A multiply-add of four bytes counts as two operations, and two of its three operands are read or kept in
        # registers: about a byte an operation comes from a cache when the arithmetic does not wait for it.
        cache_bytes=cpu.clock_hz * peaks.fp32_flops_per_cycle,
        cache_size_bytes=cpu.l3_bytes or cpu.l2_bytes,
        instructions=cpu.clock_hz * instructions_per_cycle(cpu.model, cpu.arch),
    )


def instructions_per_cycle(model: str, arch: str) -> float:
    """Return how many instructions of ordinary code a core executes in a cycle, by the name of the core."""
    for core, rate in INSTRUCTIONS_PER_CYCLE.items():
        if core.lower() in model.lower():
            return rate
    return OTHER_ARM if arch == "aarch64" else OTHER_X86


def _scaling(profile: DeviceProfile, threads: int) -> tuple[float, float]:
    """Return how many times faster so many threads are than one, in fp32 and int8.

    The profile says it for all cores, where it was measured; fewer threads are on the same power of their number.
    """
    cores, peaks = profile.cpu.cores or threads, profile.cpu.peaks
    used = min(threads, cores)
    if used <= 1 or peaks is None:
        return 1.0, 1.0
    known = (peaks.all_cores_fp32, peaks.all_cores_int8 or peaks.all_cores_fp32)
    fp32, int8 = (used**THREADS_EXPONENT if all_ is None else all_ ** _log_share(used, cores) for all_ in known)
    return fp32, int8


def _log_share(used: int, cores: int) -> float:
    """Return log(used) / log(cores): the exponent that makes the scaling of all cores that of some."""
    from math import log

    return log(used) / log(cores)


def _memory_bytes_per_s(profile: DeviceProfile) -> float:
    cpu = profile.cpu
    if cpu.peaks is not None and cpu.peaks.read_bytes_per_s is not None:
        return cpu.peaks.read_bytes_per_s
    if cpu.memcpy_bytes_per_s is not None:
        return READ_PER_MEMCPY * cpu.memcpy_bytes_per_s
    if cpu.memory_bandwidth_bytes_per_s is not None:
        return cpu.memory_bandwidth_bytes_per_s / 2  # one core reaches about half of it on the boards of the profiles
    raise ConfigError(
        f"The profile '{profile.name}' says nothing about its memory's speed, so nothing can be estimated for it.",
        hint="Add cpu.memcpy_bytes_per_s to a profile of your own (docs/devices.md) and give it with --devices FILE.",
    )
