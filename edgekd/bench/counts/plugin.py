"""The counter that runs inside QEMU: compiled here, once, and started with the emulator of a core."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgekd.bench.counts.addresses import fixed_addresses
from edgekd.emulation.plugin_build import built_plugin
from edgekd.emulation.plugin_qemu import PluginQemu, find_plugin_qemu

if TYPE_CHECKING:
    from collections.abc import Callable

SOURCE = Path(__file__).with_name("plugin.c")
SAME_RANDOM = ("-seed", "1")  # of the bytes that the kernel gives to every program


def counting_command(qemu: PluginQemu, plugin: Path, log: Path) -> tuple[str, ...]:
    """Return what stands in the place of the emulator in a command: it counts and writes to a file."""
    return (*fixed_addresses(), *qemu.command, *SAME_RANDOM, "-plugin", str(plugin), "-d", "plugin", "-D", str(log))


def get_counter(arch: str, say: Callable[[str], None]) -> tuple[PluginQemu, Path]:
    """Return an emulator of an architecture that takes plugins, and the plugin.

    Raises:
        EmulationUnavailable: when one of them cannot be had.
    """
    plugin = built_plugin(SOURCE, "counter", say)  # first: it needs no network
    return find_plugin_qemu(arch, say), plugin
