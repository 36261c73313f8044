"""Three ways to count the instructions of a text: in an emulator, under callgrind, by the processor itself."""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from edgekd.bench.child import Child
from edgekd.bench.counts.addresses import with_fixed_names
from edgekd.bench.counts.marks import PerfMarks
from edgekd.bench.counts.plugin import counting_command, get_counter
from edgekd.bench.counts.regions import Region, parse_callgrind_dump, parse_plugin_log
from edgekd.bench.counts.valgrind import callgrind_command, find_valgrind
from edgekd.bench.place import HERE
from edgekd.bench.qemu_place import core_name, qemu_place
from edgekd.errors import NotApplicable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgekd.bench.place import Place
    from edgekd.bench.variants import Variant
    from edgekd.devices import DeviceProfile

Tool = Literal["qemu-plugin", "callgrind", "perf"]
Evidence = Literal["emulated", "host", "device"]
# Carries out a request in the counting process; returns its reply and the regions that were marked meanwhile.
Ask = Callable[[dict[str, Any]], tuple[dict[str, Any], list[Region]]]

LIMIT_S = 3600.0  # of one text: a teacher under an emulator
X86_CORE = "haswell"  # what counts on x86 stand for: the emulator and valgrind know AVX2 at most
ARM_RUNTIMES = ("onnxruntime", "ort-format")  # others are not fetched for another architecture
THREADS = 1  # threads that wait for one another execute as many instructions as they have time for


class Counter(Protocol):
    """Counts single texts of a variant."""

    tool: Tool
    core: str
    evidence: Evidence

    def why_not(self, variant: Variant, /) -> str:
        """Return why a variant cannot be counted; nothing when it can."""

    def opened(self, variant: Variant, warm: Child, /) -> AbstractContextManager[Ask]:
        """Return a process that counts the variant; ``warm`` is the one that was measured."""


class PluginCounter:
    """Counts under the emulator of a core, with the plugin.

    Args:
        profile: whose emulator is started.
        say: called with a line of text now and then.

    Raises:
        NotApplicable: when the profile has no emulator.
        EmulationUnavailable: when a tool or the network is missing.
    """

    tool: Tool = "qemu-plugin"
    evidence: Evidence = "emulated"

    def __init__(self, profile: DeviceProfile, say: Callable[[str], None]) -> None:
        if profile.emulator is None:
            raise NotApplicable(
                f"The profile '{profile.name}' does not say what emulates its processor.",
                hint="Give the core with --core, for example --core cortex-a72.",
            )
        self.core = core_name(profile.emulator.cpu)
        self._arch = profile.emulator.arch
        self._profile = profile
        self._say = say
        self._qemu, self._plugin = get_counter(self._arch, say)

    def why_not(self, variant: Variant, /) -> str:
        """Return why a variant cannot be counted; nothing when it can."""
        if self._arch == platform.machine() or variant.backend in ARM_RUNTIMES:
            return ""
        return f"{variant.backend} is not fetched for {self._arch}"

    @contextmanager
    def opened(self, variant: Variant, _: Child, /) -> Iterator[Ask]:
        """Start a process under the emulator."""
        with tempfile.TemporaryDirectory(prefix="edgekd-counts-") as folder, qemu_place(self._profile, self._say) as at:
            log = Path(folder) / "log"
            emulator = counting_command(self._qemu, self._plugin, log)
            counting = replace(with_fixed_names(at), python=(*emulator, *at.python[1:]))
            with loaded(variant, counting) as child:
                read = 0

                def ask(request: dict[str, Any]) -> tuple[dict[str, Any], list[Region]]:
                    nonlocal read
                    reply = child.ask(request, LIMIT_S)
                    regions = parse_plugin_log(log.read_text(encoding="utf-8"))[read:]
                    read += len(regions)
                    return reply, regions

                yield ask


class CallgrindCounter:
    """Counts under callgrind, on this machine's x86.

    Args:
        say: called with a line of text now and then.

    Raises:
        EmulationUnavailable: when there is no valgrind and none can be fetched, or this is no x86.
    """

    tool: Tool = "callgrind"
    evidence: Evidence = "emulated"
    core = X86_CORE

    def __init__(self, say: Callable[[str], None]) -> None:
        self._valgrind, self._variables = find_valgrind(say)

    def why_not(self, _: Variant, /) -> str:
        """Return nothing: whatever runs here runs under valgrind."""
        return ""

    @contextmanager
    def opened(self, variant: Variant, _: Child, /) -> Iterator[Ask]:
        """Start a process under valgrind."""
        with tempfile.TemporaryDirectory(prefix="edgekd-counts-") as folder:
            python = (*callgrind_command(self._valgrind, Path(folder)), *HERE.python)
            with loaded(variant, replace(HERE, python=python, environment=self._variables)) as child:

                def ask(request: dict[str, Any]) -> tuple[dict[str, Any], list[Region]]:
                    reply = child.ask(request, LIMIT_S)
                    files = sorted(Path(folder).glob("dump.*"), key=lambda path: int(path.suffix[1:]))
                    found = [parse_callgrind_dump(path.read_text(encoding="utf-8")) for path in files]
                    for path in files:
                        path.unlink()
                    return reply, [region for region in found if region is not None]

                yield ask


class PerfCounter:
    """Counts with the processor's own counter, in the process that was measured.

    Args:
        place: where that process runs.

    Raises:
        NotApplicable: when there is no such counter, or this user may not read it.
    """

    tool: Tool = "perf"
    core = "this processor"

    def __init__(self, place: Place) -> None:
        PerfMarks().close()
        self.evidence: Evidence = "device" if place.evidence.value == "device" else "host"

    def why_not(self, _: Variant, /) -> str:
        """Return nothing: what was measured can be counted."""
        return ""

    @contextmanager
    def opened(self, _: Variant, warm: Child, /) -> Iterator[Ask]:
        """Take the warm process."""

        def ask(request: dict[str, Any]) -> tuple[dict[str, Any], list[Region]]:
            reply = warm.ask(request, LIMIT_S)
            return reply, [Region(tag, total) for tag, total in reply["regions"]]

        yield ask


@contextmanager
def loaded(variant: Variant, place: Place) -> Iterator[Child]:
    """Start a measuring process with one thread and load the variant."""
    with Child(variant.name, THREADS, place=place) as child:
        child.ask({"do": "load", "variant": variant.worker_spec(), "threads": THREADS, "affinity": []}, LIMIT_S)
        yield child
