"""Look at a machine, measure for some seconds, and give advice."""

from __future__ import annotations

import dataclasses
import platform
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import edgekd
from edgekd.bench.machine import fingerprint
from edgekd.doctor.advice import advise
from edgekd.doctor.board import read_board
from edgekd.doctor.diagnosis import Board, Diagnosis, Heat, MicroTest, Processor
from edgekd.doctor.emulator import emulated_by
from edgekd.doctor.heat import read_heat
from edgekd.doctor.memory import read_memory
from edgekd.doctor.processor import read_processor
from edgekd.doctor.software import read_software
from edgekd.doctor.system import System

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = 10.0


def diagnose(
    *,
    seconds: float = SECONDS,
    system: System | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Diagnosis:
    """Find out what this machine is and can do.

    Args:
        seconds: of measuring; 0 leaves it out.
        system: whose files are read; this machine's if not given.
        say: called with a line of text now and then.
    """
    system = system or System()
    say("reading the machine")
    processor = read_processor(system)
    software = read_software()
    memory = read_memory(system)
    emulated = emulated_by(system, processor.arch)
    board, heat = read_board(system), read_heat(system)  # before the test warms it up
    if emulated is not None:
        processor, board, heat = _emulated_only(processor), Board(name=None), Heat(None)
    test, no_test = None, "not asked for"
    if seconds > 0:
        say("running small matrix products" if emulated else f"measuring for {seconds:g} s")
        test, no_test = _test(seconds, processor.isa, processor.usable_cpus, memory.available_bytes, emulated is None)
    runtime = next((one.version for one in software.runtimes if one.name == "onnxruntime"), "")
    found = Diagnosis(
        edgekd_version=edgekd.__version__,
        created_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        fingerprint=fingerprint(
            model=processor.model,
            arch=processor.arch,
            logical_cpus=processor.logical_cpus,
            isa=processor.isa,
            memory_bytes=memory.total_bytes,
            system=platform.system(),
            runtime=runtime,
            power_mode=board.power_mode,
        ),
        processor=processor,
        board=board,
        heat=heat,
        memory=memory,
        software=software,
        emulated=emulated,
        test=test,
        no_test=no_test,
    )
    return dataclasses.replace(found, advice=advise(found))


def _emulated_only(processor: Processor) -> Processor:
    """Leave out what an emulator does not replace: it is of the machine below."""
    return dataclasses.replace(
        processor,
        usable_cpus=processor.logical_cpus,
        physical_cores=None,
        caches=[],
        governor=None,
        min_hz=None,
        max_hz=None,
        current_hz=None,
        load_average=None,
    )


def _test(
    seconds: float, isa: list[str], threads: int, free_bytes: int | None, has_time: bool
) -> tuple[MicroTest | None, str]:
    """Return the measurement, or why there is none."""
    try:
        from edgekd.doctor.microtest import micro_test
    except ImportError as error:
        return None, f"it needs numpy and onnxruntime: {str(error).splitlines()[0]}"
    return micro_test(seconds, isa, threads=threads, free_bytes=free_bytes, has_time=has_time), ""
