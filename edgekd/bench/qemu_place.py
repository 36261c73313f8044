"""``--on qemu://CPU``: the same measuring process on another processor's instructions, emulated. It has no time."""

from __future__ import annotations

import json
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import edgekd
from edgekd.bench.machine import describe_machine, fingerprint, isa_flags
from edgekd.bench.place import Place
from edgekd.devices import load_profiles
from edgekd.emulation.run import Place as Emulation
from edgekd.emulation.run import emulated, run_python
from edgekd.emulation.unavailable import EmulationUnavailable
from edgekd.environment import EVIDENCE_VARIABLE
from edgekd.errors import ConfigError, unknown_name
from edgekd.results import Evidence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from edgekd.devices import DeviceProfile
    from edgekd.results import Machine

SCHEME = "qemu://"
ABOUT = "edgekd.emulation.about"
START_LIMIT_S = 120.0
UNSET = ("LD_PRELOAD", "LD_LIBRARY_PATH")  # they name libraries of this machine


def is_qemu(on: str) -> bool:
    """Tell whether an ``--on`` names an emulator."""
    return on.startswith(SCHEME)


def core_name(cpu: str) -> str:
    """Return how users call a processor of ``qemu -cpu``: "cortex-a72", "haswell"."""
    return cpu.lower().partition(",")[0].removesuffix("-notsx")


def core_of(profile: DeviceProfile) -> str:
    """Return the name of the processor that a profile's emulator emulates."""
    assert profile.emulator is not None
    return core_name(profile.emulator.cpu)


def emulators(profiles: Mapping[str, DeviceProfile]) -> dict[str, DeviceProfile]:
    """Return the profiles that can be emulated by all their names: core, target and aliases.

    Of several profiles with one core the first is taken whose emulator is that very core.
    """
    able = [profile for profile in profiles.values() if profile.emulator is not None]
    able.sort(key=lambda profile: (bool(profile.emulator and profile.emulator.note), profile.name))
    names: dict[str, DeviceProfile] = {}
    for profile in able:
        names.setdefault(core_of(profile), profile)
    for profile in able:
        names |= dict.fromkeys((profile.name, *profile.aliases), profile)
    return names


def find_emulator(on: str, devices: Path | None = None) -> DeviceProfile:
    """Return the profile whose emulator ``qemu://NAME`` means.

    Args:
        on: as given, ``qemu://cortex-a72`` or ``qemu://pi4``.
        devices: profiles of the user.

    Raises:
        ConfigError: when there is no such emulator; the message lists them.
    """
    name = on.removeprefix(SCHEME).strip("/")
    names = emulators(load_profiles(devices))
    if not name:
        raise ConfigError(f"'{on}' names no processor. Available: {', '.join(sorted(names))}.")
    if name.lower() not in names:
        raise unknown_name("emulated processor", name, names, hint="See docs/emulation.md.")
    return names[name.lower()]


@contextmanager
def qemu_place(profile: DeviceProfile, say: Callable[[str], None], qemu: str | None = None) -> Iterator[Place]:
    """Yield the place of an emulated processor; what it needs is fetched first where it is not in the cache.

    Args:
        profile: its ``emulator`` says what is emulated.
        say: called with a line of text now and then.
        qemu: the emulator; searched if not given.

    Raises:
        EmulationUnavailable: when a tool or the network is missing, or the emulated Python does not start.
    """
    with tempfile.TemporaryDirectory(prefix="edgekd-qemu-") as folder:
        prefix, code = Path(folder) / "prefix", Path(folder) / "code"
        prefix.mkdir()
        code.mkdir()
        # A folder with this package and nothing else: what is installed beside it is made for this processor.
        (code / "edgekd").symlink_to(Path(edgekd.__file__).parent, target_is_directory=True)
        found = emulated(profile, prefix, say, qemu)
        variables = dict(found.environment)
        if "PYTHONPATH" in variables:
            variables["PYTHONPATH"] = f"{code}:{variables['PYTHONPATH']}"
        variables[EVIDENCE_VARIABLE] = Evidence.EMULATED.value
        emulator, *options = found.command
        unset = [part for name in UNSET for part in ("-U", name)]
        place = Emulation(found.name, (emulator, *unset, *options), tuple(variables.items()), found.emulator)
        yield _described(place, profile)


def _described(place: Emulation, profile: DeviceProfile) -> Place:
    assert profile.emulator is not None
    core = core_of(profile)
    about = _ask(place)
    libraries = ", ".join(f"{name} {version}" for name, version in about["libraries"].items())
    note = (
        f"answered on the instructions of {core} ({place.emulator} -cpu {profile.emulator.cpu}), with Python "
        f"{about['python']}, {libraries}; nothing is timed there, and memory is the program's without the emulator"
    )
    if profile.emulator.note:
        note += f"; {profile.emulator.note}"
    return Place(
        name=core,
        python=place.command,
        environment=place.environment,
        evidence=Evidence.EMULATED,
        has_time=False,
        machine=_machine(about, core, place.emulator),
        note=note,
    )


def _ask(place: Emulation) -> dict[str, Any]:
    """Return what the emulated system says about itself."""
    try:
        done = run_python(place, ["-m", ABOUT], START_LIMIT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EmulationUnavailable(f"The emulated Python of {place.name} does not start: {error}.") from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise EmulationUnavailable(f"The emulated Python of {place.name} does not start: {last}")
    about: dict[str, Any] = json.loads(done.stdout)
    return about


def _machine(about: dict[str, Any], core: str, emulator: str) -> Machine:
    """Return the record of the emulated processor; the kernel and the memory it sees are this machine's."""
    host = describe_machine()
    isa = isa_flags({"Features": " ".join(about["flags"])})
    identity = fingerprint(
        model=f"{core}, emulated",
        arch=about["arch"],
        logical_cpus=about["cpus"],
        isa=isa,
        memory_bytes=host.memory_bytes,
        system="Linux",
        runtime=about["libraries"].get("onnxruntime", ""),
    )
    return host.model_copy(
        update={
            "fingerprint": identity,
            "cpu_model": f"{core} ({emulator})",
            "arch": about["arch"],
            "logical_cpus": about["cpus"],
            "isa": isa,
            "os": about["os"],
            "python": about["python"],
            "libraries": about["libraries"],
            "governor": None,
            "load_average": None,
        }
    )
