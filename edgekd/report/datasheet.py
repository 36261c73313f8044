"""A device profile as a data sheet: sections of labelled lines. Facts that are unknown are left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgekd.report import units

if TYPE_CHECKING:
    from edgekd.devices import DeviceProfile, Int8
    from edgekd.steps import Rung


@dataclass(frozen=True)
class Line:
    """One labelled fact or choice; ``reason`` says why a choice was made."""

    label: str
    value: str
    reason: str = ""


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
    return [Line(label, value) for label, value in facts if value]


def _accelerator(profile: DeviceProfile) -> list[Line]:
    accelerator = profile.accelerator
    if accelerator is None:
        return []
    lines = [Line("model", accelerator.name, accelerator.notes)]
    if accelerator.int8_ops_per_s:
        lines.append(Line("int8", f"{accelerator.int8_ops_per_s / 1e12:.3g} TOPS, dense"))
    return lines


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
    ladder = [
        Line("ladder" if i == 0 else "then", _rung_text(rung), rung.reason) for i, rung in enumerate(profile.ladder)
    ]
    lines = [
        *runtimes,
        Line("threads", str(profile.threads), why.threads),
        Line("int8", int8_text(profile.int8), profile.int8.reason),
        *ladder,
        Line("ONNX opset", str(profile.opset), why.opset),
        Line("students", ", ".join(profile.students), why.students),
        Line("budgets", budgets_text(profile), why.budgets),
    ]
    return [line for line in lines if line.value]


def data_sheet(profile: DeviceProfile) -> list[Section]:
    """Return the sections of a profile's data sheet; empty ones are left out."""
    software = profile.software
    sections = [
        Section("Processor", _processor(profile)),
        Section("Accelerator", _accelerator(profile)),
        Section(
            "Power",
            [
                *([Line("modes", ", ".join(profile.power_modes))] if profile.power_modes else []),
                *([Line("sensors", ", ".join(profile.power_sensors))] if profile.power_sensors else []),
            ],
        ),
        Section(
            "Software",
            [
                Line(label, value)
                for label, value in (
                    ("system", software.os),
                    ("Python", software.python),
                    ("stack", software.stack),
                )
                if value
            ],
        ),
        Section("What edgekd does for it", _choices(profile)),
        Section("Sources", [Line(source.fact, source.source) for source in profile.sources]),
    ]
    return [section for section in sections if section.lines]


def _rung_text(rung: Rung) -> str:
    """Return the name of a candidate, and for what and when it is tried."""
    kinds = f" ({', '.join(rung.kinds)})" if rung.kinds else ""
    when = "" if rung.when == "always" else ", if int8 loses"
    return f"{rung.label}{kinds}{when}"
