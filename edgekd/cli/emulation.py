"""``edgekd devices setup``: fetch what emulating a processor needs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option, Typer

if TYPE_CHECKING:
    from edgekd.bench.place import Place


def register(devices: Typer) -> None:
    """Add the command to ``edgekd devices``."""
    devices.command("setup")(setup)


def setup(
    names: Annotated[
        list[str] | None,
        Argument(
            metavar="NAME",
            help="Targets, or processors like cortex-a72.",
            show_default="all that can be emulated",
        ),
    ] = None,
    folder: Annotated[Path | None, Option("--devices", metavar="DIR", help="Your own profiles.")] = None,
    qemu: Annotated[str | None, Option(help="Emulator to use.", show_default="PATH, the cache, or fetched")] = None,
) -> None:
    """Fetch QEMU, and for ARM a Python with the runtime's packages, for 'edgekd bench --on qemu://...' and 'verify'.

    Once, into the cache, without root: nothing is installed. Both commands do it themselves when something is missing.
    """
    from edgekd.bench.qemu_place import core_of, emulators, find_emulator, qemu_place
    from edgekd.cli.common import stdout_console
    from edgekd.cli.progress import ConsoleProgress
    from edgekd.devices import load_profiles
    from edgekd.emulation.store import emulation_dir

    known = [find_emulator(name, folder) for name in names or ()] or list(emulators(load_profiles(folder)).values())
    console, progress = stdout_console(), ConsoleProgress()
    for core, profile in sorted({core_of(profile): profile for profile in known}.items()):
        with qemu_place(profile, progress.say, qemu) as place:
            console.print(f"qemu://{core}: {_ready(place)}", highlight=False, markup=False, soft_wrap=True)
    console.print(f"Kept in {emulation_dir()}", highlight=False, markup=False, soft_wrap=True)


def _ready(place: Place) -> str:
    assert place.machine is not None
    libraries = ", ".join(f"{name} {version}" for name, version in sorted(place.machine.libraries.items()))
    return f"ready. {place.machine.cpu_model}, Python {place.machine.python}, {libraries}"
