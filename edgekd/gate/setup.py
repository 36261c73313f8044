"""From options to a checked plan: rules, sides, texts, conditions. Measures nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from edgekd import units
from edgekd.bench.affinity import allowed_cpus
from edgekd.bench.machine import describe_machine
from edgekd.devices import find_profile
from edgekd.errors import ConfigError
from edgekd.gate.baselines import find_baseline
from edgekd.gate.budgets import required, rules_of
from edgekd.gate.job import find_texts, needs_texts
from edgekd.gate.sides import (
    BASELINE,
    Conditions,
    check_conditions,
    check_labels,
    conditions_of,
    open_side,
    share_session,
    side_of_baseline,
    with_artifact,
)
from edgekd.results import Evidence
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from pathlib import Path

    from edgekd.devices import DeviceProfile
    from edgekd.gate.grammar import Rule
    from edgekd.gate.job import GateJob, Texts
    from edgekd.gate.sides import Side
    from edgekd.results import Machine

FEW_TEXTS = 100


@dataclass(frozen=True)
class Setup:
    """Everything that is known before the first measurement."""

    job: GateJob
    rules: list[Rule]
    candidate: Side
    baseline: Side | None
    profile: DeviceProfile
    machine: Machine
    texts: Texts | None  # None: nothing has to be run
    notes: list[str]

    @property
    def threads(self) -> int:
        """Threads that are used: the profile's, at most as many as this process may use."""
        return min(self.profile.threads, len(allowed_cpus()))

    @property
    def in_turns(self) -> bool:
        """True when both sides are, or were, measured in turns."""
        if self.baseline is None:
            return False
        both_now = self.candidate.bundle is not None and self.baseline.bundle is not None
        return both_now or share_session(self.baseline.result, self.candidate.result)


def prepare(job: GateJob, into: Path) -> Setup:
    """Check the options and open both sides.

    Args:
        job: what was asked for.
        into: folder to unpack to; must last as long as the gate.

    Raises:
        ConfigError: for wrong options.
        DataError: for texts that cannot be used.
        Incomparable: when the sides do not fit.
        InvalidArtifact: for a damaged side.
    """
    required(job)  # a slip in a rule is said before anything is opened
    candidate = open_side(job.candidate, "candidate", into)
    if job.self_test and candidate.bundle is None:
        raise ConfigError("--self-test measures a bundle against itself; the candidate is a stored result.")
    profile = find_profile(job.target or candidate.target, job.devices)
    baseline, notes = _open_baseline(job, candidate, profile, into)
    chosen = rules_of(job, candidate.task.kind, profile, has_baseline=baseline is not None)
    rules = chosen.rules
    machine = describe_machine()
    sides = [candidate] if baseline is None else [candidate, baseline]
    if baseline is not None:
        check_labels(baseline, candidate)
    texts = find_texts(job, rules, sides) if needs_texts(job, rules, sides) else None
    setup = Setup(job, rules, candidate, baseline, profile, machine, texts, [])
    setup = _settle_stored(setup)
    return replace(setup, notes=[*notes, *chosen.notes, *_notes(setup)])


def _open_baseline(job: GateJob, candidate: Side, profile: DeviceProfile, into: Path) -> tuple[Side | None, list[str]]:
    """Open what the user named, else the newest baseline of the target and the variant."""
    if job.self_test:
        return candidate, []
    if job.baseline is not None:
        return open_side(job.baseline, BASELINE, into), []
    if job.baselines is None:
        return None, []
    entry = find_baseline(job.baselines, profile.name, candidate.name)
    if entry is None:
        return None, []
    note = f"No baseline is given; the newest of {candidate.name} for {profile.name} is {entry.path}."
    return side_of_baseline(entry, into), [note]


def _settle_stored(setup: Setup) -> Setup:
    """Go back from stored results to their bundles where those are still there, and check that the rest fits."""
    if setup.baseline is None:
        return setup
    if setup.texts is not None and not share_session(setup.baseline.result, setup.candidate.result):
        setup = replace(setup, baseline=with_artifact(setup.baseline), candidate=with_artifact(setup.candidate))
    sides = (setup.baseline, setup.candidate)
    stored = [side.result for side in sides if side is not None and side.result is not None]
    if not stored:
        return setup
    now = Conditions(
        machine=setup.machine.fingerprint,
        target=setup.profile.name,
        data=setup.texts.examples.hash() if setup.texts else stored[0].data_hash,
        threads=setup.threads,
        machine_name=setup.machine.cpu_model,
    )
    before, after = (conditions_of(side.result) if side is not None and side.result else now for side in sides)
    check_conditions(before, after)
    return setup


def _notes(setup: Setup) -> list[str]:
    notes = []
    candidate, baseline, profile = setup.candidate, setup.baseline, setup.profile
    if setup.job.config is not None:
        notes.append(f"Settings of {setup.job.config}.")
    stored = candidate.result if setup.texts is None else None
    evidence = stored.evidence if stored else Evidence.HOST
    if evidence is Evidence.EMULATED:
        notes.append(f"Answered under an emulator, not on {profile.name}.")
    elif evidence is Evidence.HOST and not profile.is_this_machine and (stored or setup.texts is not None):
        notes.append(f"Measured on this host with {setup.threads} of its CPUs, not on {profile.name}.")
    if setup.threads < profile.threads:
        notes.append(f"The profile has {profile.threads} threads; this machine allows {setup.threads}.")
    if candidate.target != profile.name:
        notes.append(f"The candidate was made for {candidate.target} and is judged for {profile.name}.")
    if baseline is not None:
        if baseline.remeasured:
            notes.append("The baseline's bundle is still where its result says, so it was measured now.")
        if baseline.artifact_hash == candidate.artifact_hash and not setup.job.self_test:
            notes.append("Candidate and baseline are the same files.")
    if setup.texts is not None and len(setup.texts.examples) < FEW_TEXTS:
        count = len(setup.texts.examples)
        coarse = f": accuracy moves in steps of {units.points_amount(1 / count)}"
        notes.append(f"Only {count} texts{coarse if candidate.task.kind is TaskKind.SINGLE_LABEL else ''}.")
    return notes
