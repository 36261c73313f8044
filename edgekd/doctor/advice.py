"""What to do about what was found: things that would mislead first, then what makes models faster here."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from edgekd import units
from edgekd.doctor.diagnosis import Advice

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgekd.doctor.diagnosis import Diagnosis, Speed

HOT_C = 80.0  # a Raspberry Pi lowers its clock from 80 on, a Jetson and laptops a little later
BUSY_SHARE = 0.25  # of the processors, by the load average
SWAP_SHARE = 0.05  # of the memory
LITTLE_MEMORY_BYTES = 200 << 20  # Python, the runtime and a small student take 65 to 105 MiB
WORTH_A_THREAD = 0.75  # time on two threads, as a share of one
SET_GOVERNOR = "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"


def advise(found: Diagnosis) -> list[Advice]:
    """Return advice, what is serious first; otherwise in the order of the rules."""
    rules = (_emulation, _software, _state, _limits, _memory, _jetson, _int8, _threads)
    return sorted(chain.from_iterable(rule(found) for rule in rules), key=lambda advice: not advice.serious)


def _emulation(found: Diagnosis) -> Iterator[Advice]:
    if found.emulated is not None:
        yield Advice(
            "emulation",
            found.emulated,
            "nothing was timed: an emulator shows what is computed, never how long it takes",
            serious=True,
        )


def _software(found: Diagnosis) -> Iterator[Advice]:
    software = found.software
    if software.bits == 32:
        yield Advice(
            "system",
            f"a 32-bit Python on {found.processor.arch}",
            "install a 64-bit system: there are no 32-bit ARM wheels of onnxruntime and numpy",
            serious=True,
        )
    names = {runtime.name for runtime in software.runtimes}
    for runtime in software.runtimes:
        if runtime.problem:
            yield Advice(
                runtime.name,
                f"{runtime.version} cannot be imported: {runtime.problem}",
                f"install a version whose wheel fits Python {software.python} and {software.libc}",
                serious=True,
            )
    for package, also in (("onnxruntime", {"onnxruntime-gpu"}), ("tokenizers", set()), ("numpy", set())):
        if not names & {package, *also}:
            yield Advice(package, "not installed", "a bundle cannot run without it: pip install edgekd", serious=True)


def _state(found: Diagnosis) -> Iterator[Advice]:
    processor, heat = found.processor, found.heat
    now = [flag for flag in heat.throttled if "since boot" not in flag]
    if now:
        yield Advice("throttling", ", ".join(now), "cool the machine, or give it a stronger supply", serious=True)
    before = [flag for flag in heat.throttled if "since boot" in flag]
    if before:
        supply = any("voltage" in flag for flag in before)
        advice = "use a stronger power supply and a better cable" if supply else "watch the temperature under load"
        yield Advice("throttling", ", ".join(before), f"{advice}; numbers from before may be too slow")
    if heat.temperature_c is not None and heat.temperature_c >= HOT_C:
        yield Advice(
            "temperature",
            units.temperature(heat.temperature_c),
            "cool the machine before measuring",
            serious=True,
        )
    if processor.governor not in (None, "performance"):
        yield Advice(
            "governor",
            f"'{processor.governor}': the clock follows the load, so first calls are slow",
            f"for steady numbers: {SET_GOVERNOR}",
        )
    load = processor.load_average
    if load is not None and _is_busy(found):
        yield Advice(
            "other load",
            f"load average {units.load(load)} on {processor.logical_cpus} processors",
            "stop other programs; until then trust ratios, not times",
        )
    if len(processor.kinds) > 1:
        kinds = ", ".join(f"{count} {name}" for name, count in processor.kinds.items())
        yield Advice(
            "cores", kinds, "numbers depend on the kind of core: keep to one kind, for instance with taskset -c"
        )


def _is_busy(found: Diagnosis) -> bool:
    load = found.processor.load_average
    return load is not None and load > max(0.5, BUSY_SHARE * found.processor.logical_cpus)


def _limits(found: Diagnosis) -> Iterator[Advice]:
    board, processor = found.board, found.processor
    if board.virtual is not None and found.emulated is None:
        yield Advice(
            "virtual machine",
            board.virtual,
            "the host may give time to others: compare what was measured in turns, not days apart",
        )
    if board.cpu_quota is not None and board.cpu_quota < processor.usable_cpus:
        yield Advice(
            "processor limit",
            f"{board.cpu_quota:g} of {processor.usable_cpus} processors, by the control group",
            "a process that has used up its share is stopped for tens of milliseconds: high percentiles show it",
            serious=board.cpu_quota < 1,
        )


def _memory(found: Diagnosis) -> Iterator[Advice]:
    memory = found.memory
    free = memory.available_bytes
    if free is not None and min(free, memory.limit_bytes or free) < LITTLE_MEMORY_BYTES:
        yield Advice(
            "memory",
            f"{units.binary_size(free)} are free",
            "stop other programs: Python, a runtime and a small student take about 100 MiB",
            serious=True,
        )
    used = memory.swap_used_bytes or 0
    if used > SWAP_SHARE * memory.total_bytes:
        yield Advice(
            "swap",
            f"{units.binary_size(used)} in use",
            "free memory before measuring: a page fault takes milliseconds",
        )


def _jetson(found: Diagnosis) -> Iterator[Advice]:
    board = found.board
    if board.power_mode is not None and not board.power_mode.upper().startswith("MAXN"):
        yield Advice(
            "power mode",
            f"'{board.power_mode}'",
            "cores and clocks are limited by it, and results carry it; all there is: sudo nvpmodel -m 0, then sudo "
            "jetson_clocks",
        )
    if board.jetpack is not None:
        providers = {provider for runtime in found.software.runtimes for provider in runtime.providers}
        if not {"TensorrtExecutionProvider", "CUDAExecutionProvider"} & providers:
            yield Advice(
                "GPU",
                "this onnxruntime has no CUDA or TensorRT provider",
                "the wheel of PyPI computes on the CPU; NVIDIA has one for JetPack. Or: edgekd export --to tensorrt",
            )


def _int8(found: Diagnosis) -> Iterator[Advice]:
    test = found.test
    if test is None:
        return
    if test.saturates:
        yield Advice(
            "int8",
            "large sums of uint8 times int8 are wrong: 16-bit sums saturate without VNNI",
            "use 7-bit weights (reduce_range), as targets without VNNI do; edgekd's own sessions avoid it too",
        )
    measured = [speed for speed in test.speeds if speed.ratio is not None and speed.flavour not in ("fp32", "fp16")]
    if not measured:
        return
    largest = max(measured, key=lambda speed: speed.rows * speed.width).width
    there = [speed for speed in measured if speed.width == largest]
    best = min(there, key=lambda speed: speed.ratio or 1)
    size = f"{best.rows} x {best.width} x {best.width}"
    if best.ratio_high is not None and best.ratio_high < 1:
        equal = [speed.flavour for speed in there if speed is not best and _is_as_fast(speed, best)]
        names = best.flavour + (f" (as fast: {', '.join(equal)})" if equal else "")
        yield Advice(
            "int8",
            f"fastest at {size}: {names}, {units.factor(best.ratio or 1)} the time of fp32",
            "quantize: it is faster here, and a quarter of the bytes"
            if not test.saturates
            else "quantize, with 7 bits",
        )
    else:
        yield Advice(
            "int8",
            f"no flavour is surely faster than fp32 at {size} (best: {best.flavour}, {units.factor(best.ratio or 1)})",
            "quantize for a quarter of the bytes, not for speed; prune to be faster",
        )
    small = [speed for speed in measured if speed.rows == 1 and (speed.ratio_low or 0) > 1]
    if small:
        least = min(speed.ratio or 0 for speed in small)
        yield Advice(
            "small models",
            f"one row of {small[0].width}: int8 takes {units.factor(least)} the time of fp32, or more",
            "leave the layers after pooling in fp32 when microseconds count",
        )


def _is_as_fast(speed: Speed, best: Speed) -> bool:
    return speed.ratio_low is not None and best.ratio_high is not None and speed.ratio_low <= best.ratio_high


def _threads(found: Diagnosis) -> Iterator[Advice]:
    share = None if found.test is None else found.test.two_threads
    processor = found.processor
    if share is not None and _is_busy(found):
        share = None  # the second thread waited for the processor, not for the work
    if share is not None:
        worth = share <= WORTH_A_THREAD
        yield Advice(
            "threads",
            f"two threads take {units.factor(share)} the time of one (64 x 384 x 384, fp32)",
            "two threads are worth it for a transformer; not for smaller students"
            if worth
            else "stay with one thread: it repeats best and leaves the other cores to the product",
        )
    if (processor.threads_per_core or 1) > 1:
        yield Advice(
            "cores",
            f"{processor.logical_cpus} logical processors are {processor.physical_cores} cores",
            "threads on the same core share its multipliers: count cores",
        )
