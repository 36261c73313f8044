"""Which profile a machine is, and in what the machine differs from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd import units

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edgekd.devices import DeviceProfile
    from edgekd.doctor.diagnosis import Diagnosis

# How profiles call the instructions of ARM, and how /proc/cpuinfo does.
ARM_NAMES = {"neon": "asimd", "dotprod": "asimddp", "fp16": "asimdhp"}
CLOCK_TOLERANCE = 0.03
MEMORY_TOLERANCE = 0.15  # firmware, GPU and kernel keep some of what is sold


def names_of(isa: Iterable[str]) -> list[str]:
    """Return flags of /proc/cpuinfo as profiles call them."""
    names = {flag: name for name, flag in ARM_NAMES.items()}
    skipped = {"fphp"}  # always together with asimdhp
    return [names.get(flag, flag) for flag in isa if flag not in skipped]


def find_target(found: Diagnosis, profiles: Iterable[DeviceProfile]) -> DeviceProfile | None:
    """Return the profile whose boards call themselves as this one does; the longest name wins."""
    named = [text for text in (found.board.name, found.processor.model) if text]
    matches = [
        (len(board), profile)
        for profile in profiles
        for board in profile.boards
        if any(text.startswith(board) for text in named)
    ]
    return max(matches, key=lambda match: match[0])[1] if matches else None


def differences(found: Diagnosis, profile: DeviceProfile) -> list[str]:
    """Say in what a machine is another one than its profile describes, a sentence each."""
    said = []
    cpu, processor = profile.cpu, found.processor
    if cpu.cores and processor.logical_cpus != cpu.cores:
        said.append(f"{processor.logical_cpus} processors are on, the profile has {cpu.cores} cores")
    if cpu.clock_hz and processor.max_hz and abs(processor.max_hz / cpu.clock_hz - 1) > CLOCK_TOLERANCE:
        most = units.frequency(processor.max_hz)
        said.append(f"the clock goes up to {most}, the profile says {units.frequency(cpu.clock_hz)}")
    present = set(names_of(processor.isa))
    missing = [name for name in cpu.isa if name not in present]
    if missing and processor.isa:
        said.append(f"the processor does not report {', '.join(missing)}, which the profile relies on")
    least = cpu.memory_bytes
    if least and found.memory.total_bytes < (1 - MEMORY_TOLERANCE) * least:
        said.append(
            f"{units.binary_size(found.memory.total_bytes)} of memory, the profile says {units.binary_size(least)}"
        )
    return said
