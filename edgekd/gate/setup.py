"""From options to a checked plan: rules, sides, texts, conditions. Measures nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from edgekd.bench.affinity import allowed_cpus
from edgekd.bench.machine import describe_machine
from edgekd.devices import find_profile
from edgekd.errors import ConfigError
from edgekd.gate.grammar import parse_rules
from edgekd.gate.job import find_texts, needs_texts, rules_of
from edgekd.gate.sides import (
    Conditions,
    check_conditions,
    check_labels,
    conditions_of,
    open_side,
    share_session,
    with_artifact,
)
from edgekd.results import Evidence
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
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


def prepare(job: GateJob) -> Setup:
    """Check the options and open both sides.

    Raises:
        ConfigError: for wrong options.
        DataError: for texts that cannot be used.
        Incomparable: when the sides do not fit.
        InvalidArtifact: for a damaged side.
    """
    parse_rules(job.rules)  # a slip in a rule is said before anything is opened
    candidate = open_side(job.candidate, "candidate")
    rules = rules_of(job, candidate.task.kind)
    if job.self_test and candidate.bundle is None:
        raise ConfigError("--self-test measures a bundle against itself; the candidate is a stored result.")
    given = job.candidate if job.self_test else job.baseline
    baseline = open_side(given, "baseline") if given is not None else None
    profile = find_profile(job.target or candidate.target, job.devices)
    machine = describe_machine()
    sides = [candidate] if baseline is None else [candidate, baseline]
    if baseline is not None:
        check_labels(baseline, candidate)
    texts = find_texts(job, sides) if needs_texts(job, rules, sides) else None
    setup = Setup(job, rules, candidate, baseline, profile, machine, texts, [])
    if baseline is not None:
        setup = _settle_stored(setup, baseline)
    return replace(setup, notes=_notes(setup))


def _settle_stored(setup: Setup, baseline: Side) -> Setup:
    """Check that stored results fit, and go back to their bundles where those are still there."""
    candidate = setup.candidate
    stored = [side.result for side in (baseline, candidate) if side.result]
    if not stored:
        return setup
    now = Conditions(
        machine=setup.machine.fingerprint,
        target=setup.profile.name,
        data=setup.texts.examples.hash() if setup.texts else stored[0].data_hash,
        threads=setup.threads,
    )
    check_conditions(
        conditions_of(baseline.result) if baseline.result else now,
        conditions_of(candidate.result) if candidate.result else now,
    )
    if setup.texts is None or share_session(baseline.result, candidate.result):
        return setup
    return replace(setup, baseline=with_artifact(baseline), candidate=with_artifact(candidate))


def _notes(setup: Setup) -> list[str]:
    notes = []
    candidate, baseline, profile = setup.candidate, setup.baseline, setup.profile
    if not setup.job.rules and not setup.job.self_test:
        notes.append(f"No --fail-if given; the default rules are {', '.join(r.text for r in setup.rules)}.")
    stored = candidate.result if setup.texts is None else None
    evidence = stored.evidence if stored else Evidence.HOST
    if evidence is Evidence.EMULATED:
        notes.append(f"Answered under an emulator, not on {profile.name}.")
    elif evidence is Evidence.HOST and not profile.is_this_machine:
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
        coarse = f": accuracy moves in steps of {100 / count:.1f} points"
        notes.append(f"Only {count} texts{coarse if candidate.task.kind is TaskKind.SINGLE_LABEL else ''}.")
    return notes
