"""A device profile as a data sheet: sections of labelled lines. Facts that are unknown are left out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from edgekd import units

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edgekd.devices import DeviceProfile, Int8
    from edgekd.steps import Rung


@dataclass(frozen=True)
class Line:
    """One labelled fact or choice; ``reason`` says why a choice was made, ``sources`` number where a fact is from."""

    label: str
    value: str
    reason: str = ""
    sources: tuple[int, ...] = ()

    @property
    def sourced_value(self) -> str:
        """The value, followed by the numbers of its sources: "2.4 GHz [1]"."""
        numbers = ", ".join(map(str, self.sources))
        return f"{self.value} [{numbers}]" if numbers else self.value


@dataclass(frozen=True)
class Section:
    """A titled group of lines."""

    title: str
    lines: list[Line]


def int8_text(int8: Int8) -> str:
    """Write an int8 flavour in a few words: "U8S8, integer operators, per channel"."""
    short = {"uint8": "U8", "int8": "S8"}
    parts = [
        short[int8.activation] + short[int8.weight],
        {"integer-ops": "integer operators", "qdq": "QDQ"}[int8.format],
    ]
    parts += ["per channel"] if int8.per_channel else []
    parts += ["7-bit weights (reduce_range)"] if int8.reduce_range else []
    return ", ".join(parts)


def budgets_text(profile: DeviceProfile) -> str:
    """Write the default limits on one line, or an empty string when there is none."""
    limits = profile.budgets
    parts = [
        f"p95 {units.short_duration(limits.p95_s)}" if limits.p95_s else "",
        f"size {units.short_size(limits.size_bytes)}" if limits.size_bytes else "",
        f"peak memory {units.short_size(limits.peak_rss_bytes)}" if limits.peak_rss_bytes else "",
        f"accuracy {units.points(-limits.accuracy_drop)}" if limits.accuracy_drop is not None else "",
    ]
    return ", ".join(part for part in parts if part)


# Words of a source's fact that tell which line of the sheet it is about.
_KEYWORDS = {
    "cores": ("cores",),
    "clock": ("clock",),
    "instructions": ("dotprod", "avx2", "AVX2", "instructions,"),
    "L1 data cache": ("L1", "caches"),
    "L2 cache": ("L2", "caches"),
    "L3 cache": ("L3", "caches"),
    "memory": ("GB of memory", "memory,", "largest memory", "memory sizes", "version with"),
    "memory bandwidth": ("bandwidth",),
    "memory copy": ("memcpy",),
    "GPU": ("GPU",),
    "fp32": ("fp32 rate", "fp32 and fp16 rate", "TFLOP/s"),
    "fp16": ("fp16",),
    "int8 rate": ("int8 rate", "TOPS"),
    "kernel start": ("starting a kernel",),
    "modes": ("power modes",),
    "sensors": ("power sensor", "power rails"),
    "Python": ("Python",),
    "stack": ("JetPack",),
    "emulated by": ("emulated",),
    "threads": ("thread scaling",),
    "int8": ("flavours", "reduce_range", "saturation"),
    "ONNX opset": ("opset",),
    "students": ("latency of a small transformer",),
}


def _sourced(profile: DeviceProfile, lines: Iterable[Line]) -> list[Line]:
    """Leave out lines without a value, and number the sources of the others."""
    facts = [source.fact for source in profile.sources]
    return [
        replace(
            line,
            sources=tuple(
                number
                for number, fact in enumerate(facts, start=1)
                if any(word in fact for word in _KEYWORDS.get(line.label, ()))
            ),
        )
        for line in lines
        if line.value
    ]


def _processor(profile: DeviceProfile) -> list[Line]:
    cpu = profile.cpu
    memory = [units.binary_size(b) for b in (cpu.memory_bytes, cpu.memory_max_bytes) if b]
    up_to = "up to " if cpu.memory_max_bytes and not cpu.memory_bytes else ""
    facts = [
        ("model", cpu.model),
        ("architecture", "that of this machine" if profile.is_this_machine else cpu.arch),
        ("cores", str(cpu.cores) if cpu.cores else ""),
        ("clock", units.frequency(cpu.clock_hz) if cpu.clock_hz else ""),
        ("instructions", ", ".join(cpu.isa)),
        ("L1 data cache", units.binary_size(cpu.l1d_bytes) if cpu.l1d_bytes else ""),
        ("L2 cache", units.binary_size(cpu.l2_bytes) if cpu.l2_bytes else ""),
        ("L3 cache", units.binary_size(cpu.l3_bytes) if cpu.l3_bytes else ""),
        ("memory", up_to + " to ".join(memory) if memory else ""),
        (
            "memory bandwidth",
            f"{units.rate(cpu.memory_bandwidth_bytes_per_s)} in theory" if cpu.memory_bandwidth_bytes_per_s else "",
        ),
        (
            "memory copy",
            f"{units.rate(cpu.memcpy_bytes_per_s)} measured, one core" if cpu.memcpy_bytes_per_s else "",
        ),
    ]
    return [Line(label, value) for label, value in facts]


def _accelerator(profile: DeviceProfile) -> list[Line]:
    accelerator = profile.accelerator
    if accelerator is None:
        return []
    rates = (
        ("fp32", accelerator.fp32_flops_per_s, "FLOP/s"),
        ("fp16", accelerator.fp16_flops_per_s, "FLOP/s, dense"),
        ("int8 rate", accelerator.int8_ops_per_s, "OP/s, dense"),
    )
    return [
        Line("GPU", accelerator.name, accelerator.notes),
        *(Line(label, units.operations(rate, unit) if rate else "") for label, rate, unit in rates),
        Line("kernel start", units.short_duration(accelerator.launch_s) if accelerator.launch_s else ""),
    ]


def _peaks(profile: DeviceProfile) -> list[Line]:
    peaks, clock = profile.cpu.peaks, profile.cpu.clock_hz
    if peaks is None:
        return []
    rows = (
        ("fp32 peak", peaks.fp32_flops_per_cycle, "FLOP"),
        ("fp16 peak", peaks.fp16_flops_per_cycle, "FLOP"),
        ("int8 peak", peaks.int8_ops_per_cycle, "OP"),
    )
    lines = [
        Line(label, units.operations(value * clock, f"{unit}/s a core") if clock else f"{value:g} {unit} a cycle")
        for label, value, unit in rows
        if value
    ]
    scaling = [
        f"{value:g}x ({name})"
        for name, value in (("fp32", peaks.all_cores_fp32), ("int8", peaks.all_cores_int8))
        if value
    ]
    fp32, int8 = units.rough_percent(peaks.efficiency_fp32), units.rough_percent(peaks.efficiency_int8)
    return [
        *lines,
        Line("reached", f"{fp32} of it in fp32, {int8} in int8"),
        Line("memory reads", f"{units.rate(peaks.read_bytes_per_s)}, one core" if peaks.read_bytes_per_s else ""),
        Line("all cores", f"{' and '.join(scaling)} of one" if scaling else ""),
        Line("basis", "estimates, not measurements", peaks.source),
    ]


def _software(profile: DeviceProfile) -> list[Line]:
    software, emulator = profile.software, profile.emulator
    emulated = f"qemu-{emulator.arch} -cpu {emulator.cpu}" if emulator else ""
    return [
        Line("system", software.os),
        Line("Python", software.python),
        Line("stack", software.stack),
        Line("emulated by", emulated, emulator.note if emulator else ""),
    ]


def _choices(profile: DeviceProfile) -> list[Line]:
    why = profile.reasons
    runtimes = [
        Line(
            "runtime" if i == 0 else "or",
            runtime.name + (f" ({', '.join(runtime.providers)})" if runtime.providers else ""),
            runtime.reason,
        )
        for i, runtime in enumerate(profile.runtimes)
    ]
    return [
        *runtimes,
        Line("threads", f"{profile.threads}{'' if profile.spinning else ', sleeping while they wait'}", why.threads),
        Line("int8", int8_text(profile.int8), profile.int8.reason),
        Line("ONNX opset", f"{profile.opset} at most", why.opset),
        Line("students", ", ".join(profile.students), why.students),
        Line("budgets", budgets_text(profile), why.budgets),
    ]


def data_sheet(profile: DeviceProfile) -> list[Section]:
    """Return the sections of a profile's data sheet; empty lines and sections are left out."""
    ladder = [Line(str(number), _rung_text(rung), rung.reason) for number, rung in enumerate(profile.ladder, start=1)]
    power = [Line("modes", ", ".join(profile.power_modes)), Line("sensors", ", ".join(profile.power_sensors))]
    sections = [
        ("Processor", _processor(profile)),
        ("Accelerator", _accelerator(profile)),
        ("Power", power),
        ("Software", _software(profile)),
        ("What edgekd does for it", _choices(profile)),
        ("Compression, in the order it is tried", ladder),
        ("For estimates", _peaks(profile)),
    ]
    sheet = [Section(title, _sourced(profile, lines)) for title, lines in sections]
    sources = [
        Line(f"[{number}]", source.fact, source.source) for number, source in enumerate(profile.sources, start=1)
    ]
    return [section for section in (*sheet, Section("Sources", sources)) if section.lines]


def _rung_text(rung: Rung) -> str:
    """Return the name of a candidate, and for what and when it is tried."""
    kinds = f" ({', '.join(rung.kinds)})" if rung.kinds else ""
    when = "" if rung.when == "always" else ", if int8 loses"
    return f"{rung.label}{kinds}{when}"
