"""May two results be compared, and what else changed between them: machine, system, libraries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgekd.analysis.finding import Severity
from edgekd.analysis.machine_findings import throttled
from edgekd.errors import Incomparable
from edgekd.results import Evidence

if TYPE_CHECKING:
    from edgekd.results import BenchResult, Machine

GIB = 1 << 30
RUNTIME = "onnxruntime"  # a part of the fingerprint, because it changes the numbers
UNKNOWN = "unknown"


@dataclass(frozen=True)
class FactChange:
    """Something of the machine that was not the same on both sides."""

    what: str
    before: str
    after: str


@dataclass(frozen=True)
class Doubt:
    """Why a comparison is worth less, and which verdicts cannot be given because of it."""

    words: str
    spoils: frozenset[str] = frozenset()  # column keys


class Mismatch(Incomparable):
    """Two results that cannot be compared; ``reason`` is the message without their names."""

    def __init__(self, before: BenchResult, after: BenchResult, reason: str, *, hint: str) -> None:
        """Name the results and say why."""
        super().__init__(f"Cannot compare '{before.variant}' with '{after.variant}': {reason}", hint=hint)
        self.reason = reason


TIMES = frozenset({"p50_s", "p95_s", "load_time_s", "energy_j"})
OF_THE_MACHINE = TIMES | {"peak_rss_bytes", "steady_rss_bytes"}


def check_comparable(before: BenchResult, after: BenchResult, *, allow_different_machine: bool = False) -> list[Doubt]:
    """Return what speaks against comparing, or refuse.

    Another version of onnxruntime on the same machine is allowed, and said: what an upgrade changes is a fair question.

    Raises:
        Mismatch: when task, target, threads, texts or labels differ, or the machine does and may not.
    """
    for what, old, new, advice in (
        ("the task", before.quality.task.value, after.quality.task.value, "Compare results of one task."),
        ("the target", before.target, after.target, "Compare results of one target."),
        ("the number of threads", before.threads, after.threads, "Measure both with one profile."),
        (
            "the hash of the evaluation texts",
            before.data_hash[:12],
            after.data_hash[:12],
            "Measure both on the same data.",
        ),
        (
            "the list of labels",
            before.quality.labels,
            after.quality.labels,
            "Both models must know the same labels.",
        ),
    ):
        if old != new:
            raise Mismatch(before, after, f"{what} differs: {old} and {new}.", hint=advice)
    return [
        *_throttled(before, after),
        *_evidence(before, after),
        *_machines(before, after, allow_different_machine=allow_different_machine),
    ]


def _throttled(before: BenchResult, after: BenchResult) -> list[Doubt]:
    return [
        Doubt(f"Latencies of '{side.variant}' cannot be compared: {found.measured}. {found.advice}", TIMES)
        for side in (before, after)
        for found in throttled(side)
        if found.severity is Severity.INVALID
    ]


def _evidence(before: BenchResult, after: BenchResult) -> list[Doubt]:
    if before.evidence is after.evidence:
        return []
    words = f"The evidence differs: {before.evidence.value} before, {after.evidence.value} after."
    if Evidence.EMULATED in (before.evidence, after.evidence):
        return [Doubt(words, OF_THE_MACHINE)]  # what an emulator does not have is not compared at all
    told = f"{words} Latency, memory and load time of a board and of this host say nothing about each other."
    return [Doubt(told, OF_THE_MACHINE)]


def _machines(before: BenchResult, after: BenchResult, *, allow_different_machine: bool) -> list[Doubt]:
    if before.machine.fingerprint == after.machine.fingerprint:
        return []
    runtimes = [_library(side.machine, RUNTIME) for side in (before, after)]
    if runtimes[0] != runtimes[1] and _hardware(before.machine) == _hardware(after.machine):
        words = f"{RUNTIME} {runtimes[0]} before, {runtimes[1]} after"
        return [Doubt(f"{words}: changes may come from it rather than from the model.")]
    machines = " and ".join(
        f"{r.machine.cpu_model} ({r.machine.fingerprint[:8]}, {RUNTIME} {_library(r.machine, RUNTIME)})"
        for r in (before, after)
    )
    if not allow_different_machine:
        raise Mismatch(
            before,
            after,
            f"measured on different machines: {machines}.",
            hint="Measure both here with 'edgekd bench', or add --allow-different-machine.",
        )
    words = f"Measured on different machines ({machines}): latency, memory and load time say little."
    return [Doubt(words, OF_THE_MACHINE)]


def _hardware(machine: Machine) -> tuple[object, ...]:
    """Return what the fingerprint is made of, but for the version of the runtime."""
    memory_gib = round(machine.memory_bytes / GIB)
    facts = (machine.cpu_model, machine.arch, machine.logical_cpus, sorted(machine.isa), memory_gib, machine.os)
    return (*facts, machine.power_mode)


def _library(machine: Machine, name: str) -> str:
    return machine.libraries.get(name, UNKNOWN)


def fact_changes(before: BenchResult, after: BenchResult) -> list[FactChange]:
    """Return what was not the same on both sides, libraries by name; what one side does not tell is left out."""
    one, other = before.machine, after.machine
    found = [
        ("processor", one.cpu_model, other.cpu_model),
        ("board", before.board, after.board),
        ("logical CPUs", str(one.logical_cpus), str(other.logical_cpus)),
        ("system", one.os, other.os),
        ("kernel", one.kernel, other.kernel),
        ("Python", one.python, other.python),
        ("CPU governor", one.governor, other.governor),
        ("power mode", one.power_mode, other.power_mode),
        ("edgekd", before.edgekd_version, after.edgekd_version),
        *((name, one.libraries[name], other.libraries.get(name)) for name in sorted(one.libraries)),
    ]
    return [FactChange(what, old, new) for what, old, new in found if old and new and old != new]
