"""One graph answers texts in a process of its own: here, or under an emulator."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekd.emulation.board import fewer_flags, write_prefix
from edgekd.emulation.qemu import find_qemu
from edgekd.emulation.unavailable import EmulationUnavailable
from edgekd.emulation.userland import get_userland
from edgekd.emulation.wheels import get_packages, older
from edgekd.environment import NO_TELEMETRY
from edgekd.errors import EXIT_INVALID, EdgekdError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from edgekd.devices import DeviceProfile

GUEST = Path(__file__).with_name("guest.py")
OWN_CPUINFO = Path("/proc/cpuinfo")
STDERR_LINES = 10


class GuestFailed(EdgekdError):
    """The process that answers died, hung, or could not open the graph."""

    exit_code = EXIT_INVALID


@dataclass(frozen=True)
class Answers:
    """What a graph says about texts.

    Attributes:
        logits: shape ``(texts, outputs)``.
        ids: token ids of each text.
        about: versions and instructions of the process.
    """

    logits: NDArray[np.float32]
    ids: list[list[int]]
    about: dict[str, Any]


@dataclass(frozen=True)
class Place:
    """Where a process runs.

    Attributes:
        name: for messages.
        command: what stands before the script, up to the interpreter.
        environment: what is added for the program.
        emulator: "QEMU 7.2.22", or nothing here.
    """

    name: str
    command: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()
    emulator: str = ""


def here() -> Place:
    """Return this machine with this interpreter."""
    return Place("this machine", (sys.executable,))


def emulated(profile: DeviceProfile, prefix: Path, say: Callable[[str], None], qemu: str | None = None) -> Place:
    """Return a target's processor; what is needed for it is fetched first when it is not in the cache.

    Args:
        profile: of the target.
        prefix: an empty folder that must stay as long as the place is used.
        say: called with a line of text now and then.
        qemu: the emulator; searched if not given.

    Raises:
        EmulationUnavailable: when the profile has no emulator, or a tool or the network is missing.
    """
    if profile.emulator is None:
        raise EmulationUnavailable(
            f"The profile '{profile.name}' does not say what emulates it.",
            hint="Give a target with an emulator: 'edgekd devices show NAME' lists it, docs/emulation.md explains it.",
        )
    facts = profile.emulator
    found = find_qemu(facts.arch, say, qemu)
    command = (str(found.program), "-cpu", facts.cpu, "-L", str(prefix))
    named = f"QEMU {found.version}"
    if platform.machine() == facts.arch:  # the same architecture, another processor: the same programs run
        write_prefix(prefix, None, facts.cpuinfo, profile.cpu.cores or 1)
        if facts.arch == "x86_64":
            own = OWN_CPUINFO.read_text(encoding="utf-8", errors="replace")
            written = prefix / OWN_CPUINFO.relative_to("/")
            written.parent.mkdir(parents=True, exist_ok=True)
            written.write_text(fewer_flags(own, profile.cpu.model, profile.cpu.isa), encoding="utf-8")
        return Place(profile.name, (*command, sys.executable), emulator=named)
    userland = get_userland(facts.arch, say)
    packages, _ = get_packages(facts.arch, userland.version, older(facts.glibc, userland.glibc), say)
    write_prefix(prefix, userland.root, facts.cpuinfo, profile.cpu.cores or 1)
    variables = (("PYTHONHOME", str(userland.root / "usr")), ("PYTHONPATH", str(packages)))
    return Place(profile.name, (*command, str(userland.python)), variables, named)


def answer(place: Place, job: dict[str, Any], limit_s: float) -> Answers:
    """Let a graph answer texts in a fresh process.

    Args:
        place: where.
        job: see ``guest.py``.
        limit_s: the process is stopped after so long.

    Raises:
        GuestFailed: when it dies, hangs, or reports an error.
    """
    with tempfile.TemporaryDirectory() as folder:
        given, out = Path(folder) / "job.json", Path(folder) / "out.npz"
        given.write_text(json.dumps(job), encoding="utf-8")
        try:
            done = run_python(place, ["-s", str(GUEST), str(given), str(out)], limit_s)
        except subprocess.TimeoutExpired as error:
            raise GuestFailed(
                f"'{job['name']}' gave no answer on {place.name} within {limit_s:g} s and was stopped.",
                hint="Give fewer texts with --count, or more time with --timeout.",
            ) from error
        except OSError as error:
            raise GuestFailed(f"'{place.command[0]}' does not start: {error.strerror or error}.") from error
        if done.returncode or not out.is_file():
            raise _death(place, job["name"], done)
        return read_answers(out)


def run_python(place: Place, arguments: Sequence[str], limit_s: float) -> subprocess.CompletedProcess[str]:
    """Run the place's Python to its end; what it printed is text.

    Raises:
        OSError: when it does not start.
        subprocess.TimeoutExpired: after ``limit_s``.
    """
    return subprocess.run(
        [*place.command, *arguments],
        env=environment(place),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=limit_s,
        check=False,
    )


def read_answers(path: Path) -> Answers:
    """Read what the guest wrote; nothing in it is executed."""
    with np.load(path, allow_pickle=False) as found:
        ends = np.cumsum(found["counts"])[:-1]
        ids = [part.tolist() for part in np.split(found["ids"], ends)]
        return Answers(found["logits"], ids, json.loads(str(found["about"])))


def environment(place: Place) -> dict[str, str]:
    """Return the environment of the process: the same here and there but for where its packages are."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "QEMU_", "LD_"))}
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    fixed = {"TOKENIZERS_PARALLELISM": "false", "PYTHONHASHSEED": "0", "PYTHONUTF8": "1"}
    return {**kept, **NO_TELEMETRY, **one_thread, **fixed, **dict(place.environment)}


def _death(place: Place, name: str, done: subprocess.CompletedProcess[str]) -> GuestFailed:
    lines = done.stderr.strip().splitlines()[-STDERR_LINES:]
    code = done.returncode
    how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
    said = f" It said: {lines[-1]}" if lines else " It said nothing."
    return GuestFailed(f"The process that answers with '{name}' on {place.name} {how}.{said}")


def job_of(name: str, model: Path, settings: dict[str, Any], texts: Sequence[str]) -> dict[str, Any]:
    """Return the job of a graph for ``guest.py``."""
    return {"name": name, "model": str(model), "texts": list(texts), **settings}
