"""What ``--counts`` and ``--profile`` add to a measurement, and which counter stands for a target."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from edgekd.bench.counts.counters import X86_CORE, CallgrindCounter, Counter, PerfCounter, PluginCounter, Tool
from edgekd.bench.counts.phase import CountsPhase
from edgekd.bench.profile_phase import ProfilePhase
from edgekd.bench.qemu_place import find_emulator
from edgekd.emulation.unavailable import EmulationUnavailable
from edgekd.errors import ConfigError, NotApplicable, unknown_name
from edgekd.processor import X86
from edgekd.results import Evidence

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgekd.bench.phase import Phase
    from edgekd.bench.place import Place
    from edgekd.devices import DeviceProfile

TOOLS: tuple[Tool, ...] = ("qemu-plugin", "callgrind", "perf")


def cost_phases(
    profile: DeviceProfile,
    place: Place,
    say: Callable[[str], None],
    *,
    counts: bool,
    timed: bool,
    core: str | None = None,
    tool: str | None = None,
    devices: Path | None = None,
) -> list[Phase]:
    """Return the phases that tell what an inference costs.

    Args:
        profile: of the target.
        place: where variants are measured.
        say: called with a line of text now and then.
        counts: count instructions, multiply-adds and bytes.
        timed: time the operators.
        core: to be emulated; by default the target's.
        tool: of the instructions; None chooses.
        devices: profiles of the user.

    Raises:
        ConfigError: for an unknown tool or core, or when one is given and nothing is counted.
        NotApplicable: when nothing counts for this target.
        EmulationUnavailable: when the tools for it cannot be had.
    """
    if not counts and (core or tool):
        given = "--core" if core else "--counter"
        raise ConfigError(f"{given} says how instructions are counted, and none are.", hint="Add --counts.")
    phases: list[Phase] = []
    if counts:
        counter = choose_counter(profile, place, say, core=core, tool=tool, devices=devices)
        phases.append(CountsPhase(counter))
    if counts or timed:
        phases.append(ProfilePhase(timed=timed))
    return phases


def choose_counter(
    profile: DeviceProfile,
    place: Place,
    say: Callable[[str], None],
    *,
    core: str | None = None,
    tool: str | None = None,
    devices: Path | None = None,
) -> Counter:
    """Return the counter of a target, ready to be used; tools that it needs are fetched.

    Without ``tool``: another processor is emulated; on the target itself the processor's own counter is read where
    there is one. On x86 callgrind does what is left.

    Args:
        profile: of the target.
        place: where variants are measured.
        say: called with a line of text now and then.
        core: to be emulated, "cortex-a72"; by default the target's.
        tool: one of ``TOOLS``; None chooses.
        devices: profiles of the user.

    Raises:
        ConfigError: for an unknown tool or core, or a core that the tool does not take.
        NotApplicable: when nothing counts for this target.
        EmulationUnavailable: when the tools for it cannot be had.
    """
    if tool is not None and tool not in TOOLS:
        raise unknown_name("counter", tool, TOOLS)
    if core is not None and tool not in (None, "qemu-plugin"):
        raise ConfigError(f"--core is for the counter qemu-plugin; {tool} counts on this processor.")
    if tool == "perf":
        return PerfCounter(place)
    if tool == "callgrind":
        return CallgrindCounter(say)
    emulated = _emulated(profile, place, core, devices)
    if tool == "qemu-plugin" or emulated is not None:
        return _plugin_or_callgrind(emulated or _of_this_machine(devices), say, only=tool is not None)
    return _on_this_machine(place, say, devices)


def _emulated(profile: DeviceProfile, place: Place, core: str | None, devices: Path | None) -> DeviceProfile | None:
    """Return whose emulator is meant; None for the processor of this machine."""
    if core is not None:
        return find_emulator(core, devices)
    if place.evidence is Evidence.EMULATED:
        raise NotApplicable(
            "An emulated board cannot count its instructions.",
            hint="Count here: --on qemu://cortex-a72 --counts, or whichever core it has.",
        )
    if profile.is_this_machine or place.evidence is Evidence.DEVICE:
        return None
    return profile


def _of_this_machine(devices: Path | None) -> DeviceProfile:
    if platform.machine().lower() not in X86:
        raise ConfigError(
            f"Which core? No profile stands for this {platform.machine()}.",
            hint="Give --core, for example --core cortex-a72.",
        )
    return find_emulator(X86_CORE, devices)


def _plugin_or_callgrind(profile: DeviceProfile, say: Callable[[str], None], *, only: bool) -> Counter:
    try:
        return PluginCounter(profile, say)
    except EmulationUnavailable as error:
        if only or profile.emulator is None or profile.emulator.arch not in X86:
            raise
        say(f"{error.message} callgrind counts instead.")
        return CallgrindCounter(say)


def _on_this_machine(place: Place, say: Callable[[str], None], devices: Path | None) -> Counter:
    try:
        return PerfCounter(place)
    except NotApplicable as error:
        if platform.machine().lower() not in X86:
            raise
        say(f"{error.message} An emulated {X86_CORE} counts instead.")
    return _plugin_or_callgrind(_of_this_machine(devices), say, only=False)
