"""A diagnosis as a sheet: sections of labelled lines, and the micro-test as a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgekd import units
from edgekd.report.datasheet import Line, Section

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.doctor.diagnosis import Diagnosis, MicroTest, Speed


@dataclass(frozen=True)
class SpeedTable:
    """Flavours down, sizes across; each cell is the time as a share of that of fp32, the last the error against it."""

    headings: list[str]
    rows: list[list[str]]


def doctor_sheet(found: Diagnosis, target: str, differences: Sequence[str] = ()) -> list[Section]:
    """Return the sections of a diagnosis; what the machine does not tell is left out.

    Args:
        found: the diagnosis.
        target: the profile that this machine is.
        differences: in what it is another one than the profile says.
    """
    sections = [
        Section("Machine", _machine(found, target, differences)),
        Section("Processor", _processor(found)),
        Section("Memory", _memory(found)),
        Section("Software", _software(found)),
    ]
    return [Section(section.title, [line for line in section.lines if line.value]) for section in sections]


def _machine(found: Diagnosis, target: str, differences: Sequence[str]) -> list[Line]:
    board, heat = found.board, found.heat
    between = [
        board.virtual and f"virtual machine ({board.virtual})",
        board.container and f"container ({board.container})",
    ]
    return [
        Line("board", board.name or ""),
        Line("runs in", ", ".join(part for part in between if part)),
        Line("emulated", found.emulated or ""),
        Line("target", "" if found.emulated else target, "; ".join(differences)),
        Line("fingerprint", "" if found.emulated else found.fingerprint, "results and gates of this machine carry it"),
        Line("JetPack", board.jetpack or ""),
        Line("power mode", board.power_mode or ""),
        Line("firmware", board.firmware or ""),
        Line("temperature", units.temperature(heat.temperature_c) if heat.temperature_c is not None else ""),
        Line("throttled", ", ".join(heat.throttled)),
    ]


def _processor(found: Diagnosis) -> list[Line]:
    cpu = found.processor
    cores = f"{cpu.physical_cores} cores, " if cpu.physical_cores else ""
    usable = f", {cpu.usable_cpus} usable" if cpu.usable_cpus != cpu.logical_cpus else ""
    clocks = [units.frequency(hz) for hz in (cpu.min_hz, cpu.max_hz) if hz]
    now = f"{units.frequency(cpu.current_hz)} now" if cpu.current_hz else ""
    caches = [f"L{cache.level} {units.binary_size(cache.size_bytes)}" for cache in cpu.caches]
    quota = found.board.cpu_quota
    return [
        Line("model", cpu.model),
        Line("architecture", cpu.arch),
        Line("cores", f"{cores}{cpu.logical_cpus} logical processors{usable}"),
        Line("kinds", ", ".join(f"{count}x {name}" for name, count in cpu.kinds.items())),
        Line("MIDR", ", ".join(cpu.parts)),
        Line("instructions", ", ".join(cpu.isa)),
        Line("clock", ", ".join(part for part in (" to ".join(clocks), now) if part)),
        Line("governor", cpu.governor or ""),
        Line("data caches", ", ".join(caches)),
        Line("load average", units.load(cpu.load_average) if cpu.load_average is not None else ""),
        Line("limit", f"{quota:g} processors, by the control group" if quota is not None else ""),
    ]


def _memory(found: Diagnosis) -> list[Line]:
    memory = found.memory
    swap = memory.swap_bytes
    used = f", {units.binary_size(memory.swap_used_bytes)} used" if memory.swap_used_bytes else ""
    return [
        Line("memory", units.binary_size(memory.total_bytes), "of the machine that emulates" if found.emulated else ""),
        Line("free", units.binary_size(memory.available_bytes) if memory.available_bytes else ""),
        Line("limit", f"{units.binary_size(memory.limit_bytes)}, by the control group" if memory.limit_bytes else ""),
        Line("swap", "" if swap is None else (f"{units.binary_size(swap)}{used}" if swap else "none")),
    ]


def _software(found: Diagnosis) -> list[Line]:
    software = found.software
    runtimes = [
        Line(one.name, one.version or "installed", one.problem or ", ".join(one.providers)) for one in software.runtimes
    ]
    return [
        Line("system", software.os),
        Line("kernel", software.kernel),
        Line("C library", software.libc),
        Line("Python", f"{software.python}, {software.bits} bits"),
        *runtimes,
        Line("edgekd", found.edgekd_version),
    ]


def speed_table(test: MicroTest) -> SpeedTable:
    """Return the micro-test's products as a table; without times where there are none."""
    sizes = sorted({(speed.rows, speed.width) for speed in test.speeds}, key=lambda size: size[0] * size[1])
    timed = [size for size in sizes if any(speed.seconds for speed in test.speeds)]
    by_key = {(speed.flavour, speed.rows, speed.width): speed for speed in test.speeds}
    rows = []
    for flavour in dict.fromkeys(speed.flavour for speed in test.speeds):
        last = by_key.get((flavour, *sizes[-1]))
        cells = [_cell(by_key.get((flavour, *size))) for size in timed]
        rows.append([flavour, *cells, units.percent(last.error) if last else ""])
    return SpeedTable(["", *(f"{rows} x {width} x {width}" for rows, width in timed), "off by"], rows)


def _cell(speed: Speed | None) -> str:
    if speed is None:
        return ""
    if speed.seconds is None or speed.ratio is None or speed.ratio_low is None or speed.ratio_high is None:
        return ""
    if speed.flavour == "fp32":
        rate = 2 * speed.rows * speed.width**2 / speed.seconds
        return f"{units.duration(speed.seconds)}, {units.operations(rate, 'FLOP/s')}"
    bounds = (speed.ratio, speed.ratio_low, speed.ratio_high)
    return f"{units.factor(*bounds)} ({units.factor_interval(*bounds[1:])})"


def other_lines(test: MicroTest) -> list[Line]:
    """Return the other results of the micro-test."""
    return [
        line
        for line in (
            Line("int8 sums", "saturate (no VNNI)" if test.saturates else "exact"),
            Line("two threads", f"{units.factor(test.two_threads)} the time of one" if test.two_threads else ""),
            Line("memory copy", f"{units.rate(test.copy_bytes_per_s)}, one core" if test.copy_bytes_per_s else ""),
            Line(
                "tokenizer", f"{units.duration(test.tokenizer_s)} for 20 words, WordPiece" if test.tokenizer_s else ""
            ),
        )
        if line.value
    ]
