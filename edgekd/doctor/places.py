"""A diagnosis of this machine, of a board over SSH, or of what an emulator shows."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from edgekd.bench.qemu_place import find_emulator, is_qemu, qemu_place
from edgekd.doctor.diagnose import SECONDS, diagnose
from edgekd.doctor.read import read_diagnosis
from edgekd.emulation.run import Place as Emulation
from edgekd.emulation.run import run_python
from edgekd.emulation.unavailable import EmulationUnavailable
from edgekd.errors import ConfigError
from edgekd.remote.address import is_remote, parse_address
from edgekd.remote.board import BoardOptions, run_module

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgekd.doctor.diagnosis import Diagnosis

MODULE = "edgekd.doctor"
EMULATED_LIMIT_S = 600.0


def diagnose_at(
    on: str | None,
    *,
    seconds: float = SECONDS,
    options: BoardOptions | None = None,
    devices: Path | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Diagnosis:
    """Diagnose a machine.

    Args:
        on: ``ssh://[USER@]HOST[:PORT]`` or ``qemu://NAME``; None: this machine.
        seconds: of measuring; 0 leaves it out.
        options: how a board is used.
        devices: profiles of the user, whose emulators may be named.
        say: called with a line of text now and then.

    Raises:
        EdgekdError: when there is no such place, or it cannot be reached.
    """
    if on is None:
        return diagnose(seconds=seconds, say=say)
    arguments = ["--json", "--seconds", f"{seconds:g}"]
    if is_remote(on):
        address = parse_address(on)
        say(f"{address.name}: reading the board" + (f" and measuring for {seconds:g} s" if seconds else ""))
        return read_diagnosis(run_module(address, MODULE, arguments, options=options, say=say), on)
    if is_qemu(on):
        return read_diagnosis(_emulated(on, arguments, devices, say), on)
    raise ConfigError(
        f"--on '{on}' is no place.",
        hint="Give ssh://[USER@]HOST[:PORT] or qemu://NAME; without --on it is this machine.",
    )


def _emulated(on: str, arguments: list[str], devices: Path | None, say: Callable[[str], None]) -> str:
    """Return what the doctor prints in an emulated system."""
    profile = find_emulator(on, devices)
    with qemu_place(profile, say) as place:
        say(f"running small matrix products on {place.name}, emulated")
        emulation = Emulation(place.name, place.python, place.environment)
        try:
            done = run_python(emulation, ["-m", MODULE, *arguments], EMULATED_LIMIT_S)
        except subprocess.TimeoutExpired as error:
            raise EmulationUnavailable(
                f"The doctor took longer than {EMULATED_LIMIT_S:g} s on {place.name}."
            ) from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise EmulationUnavailable(f"The doctor failed on {place.name}: {last}")
    return done.stdout
