"""An emulator that takes plugins: QEMU 7.2 to 8.2, linked dynamically.

Later ones have another interface, and Debian links those of its newer releases statically, which takes no plugins. A
fetched one comes with all of its libraries and is started by their own loader, so that it does not matter which
libraries this machine has.
"""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgekd.emulation.debian import ARCHITECTURES
from edgekd.emulation.programs import LIBRARIES, fetch_programs, started_by
from edgekd.emulation.qemu import qemu_version
from edgekd.emulation.store import prepared
from edgekd.emulation.unavailable import EmulationUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

OLDEST, BEFORE = (7, 2), (9,)
PACKAGE = "qemu-user"
INSTALL = "Install a QEMU from 7.2 to 8.2 that takes plugins: on Debian 12 and Ubuntu 24.04 'apt-get install qemu-user'"


@dataclass(frozen=True)
class PluginQemu:
    """An emulator that takes plugins.

    Attributes:
        command: that starts it.
        version: as it says, "7.2.22".
    """

    command: tuple[str, ...]
    version: str


def find_plugin_qemu(arch: str, say: Callable[[str], None]) -> PluginQemu:
    """Return an emulator of an architecture: one that is installed, one in the cache, or one that apt fetches.

    Args:
        arch: ``aarch64`` or ``x86_64``.
        say: called with a line of text now and then.

    Raises:
        EmulationUnavailable: when there is none and none can be fetched.
    """
    name = f"qemu-{arch}"
    if (path := shutil.which(name)) and (found := checked((path,))):
        return found
    host = platform.machine()
    if host not in ARCHITECTURES:
        raise EmulationUnavailable(f"There is no QEMU with plugins on this {host}, and none is fetched.", hint=INSTALL)
    folder, facts = prepared(f"qemu-plugins-{host}", {"package": PACKAGE}, lambda into: _build(host, into, say), say)
    if not (folder / name).is_file():
        raise EmulationUnavailable(f"The fetched QEMU has no emulator of {arch}.", hint=INSTALL)
    fetched = checked(started_by(folder / LIBRARIES / facts["loader"], folder / name))
    if fetched is None:
        raise EmulationUnavailable(
            f"The QEMU that apt fetches ({facts['packages'].get(PACKAGE, 'no version')}) takes no plugins.",
            hint=INSTALL,
        )
    return fetched


def checked(command: Sequence[str]) -> PluginQemu | None:
    """Return an emulator if it runs here, takes plugins and has an interface that the plugins are made for."""
    version = qemu_version(*command)
    if version is None or not OLDEST <= tuple(int(part) for part in version.split(".")) < BEFORE:
        return None
    said = subprocess.run([*command, "-h"], capture_output=True, text=True, errors="replace", check=False).stdout
    return PluginQemu(tuple(command), version) if re.search(r"^-plugin\b", said, re.MULTILINE) else None


def _build(host: str, folder: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Fetch QEMU; keep the emulators that are needed."""
    say("fetching QEMU with its libraries with apt (about 30 MB, once)")
    return fetch_programs(PACKAGE, [f"usr/bin/qemu-{arch}" for arch in ARCHITECTURES], host, folder, say, hint=INSTALL)
