"""From flags and the configuration file to jobs. Flags win."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgekd.devices import find_profile
from edgekd.errors import ConfigError, InvalidArtifact
from edgekd.gate.baselines import BASELINES
from edgekd.gate.benchmark_json import is_benchmark_job
from edgekd.gate.config import CONFIG_FILE, TargetConfig
from edgekd.gate.job import GateJob
from edgekd.gate.margin import DEFAULT_MARGIN, parse_margin
from edgekd.gate.sides import open_side

if TYPE_CHECKING:
    from edgekd.gate.config import GateFile

MAX_SECONDS = 60.0


@dataclass(frozen=True)
class Flags:
    """What the command line says; None: nothing."""

    candidate: Path | None = None
    baseline: Path | None = None
    require: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    profile_budgets: bool = True
    report_only: bool | None = None
    self_test: bool = False
    devices: Path | None = None
    data: str | None = None
    text_column: str | None = None
    label_column: str | None = None
    max_seconds: float | None = None
    margin: str | None = None
    seed: int = 0


def jobs_of(flags: Flags, file: GateFile | None) -> list[GateJob]:
    """Return what has to be judged: the named candidate, else every target of the file that names one.

    Raises:
        ConfigError: when there is nothing to judge, a target is unknown, or one baseline is given for several
            candidates.
    """
    devices = flags.devices or (file.devices if file else None)
    wanted = list(dict.fromkeys(find_profile(name, devices).name for name in flags.targets))
    common = _common(flags, file, devices)
    if flags.candidate is not None:
        named = [replace(common, target=target) for target in wanted] or [common]
        jobs = [_of_candidate(job, file) for job in named]
    else:
        jobs = _of_file(file, common, wanted)
    if flags.candidate is None and flags.baseline is not None and len(jobs) > 1:
        names = ", ".join(job.target or "" for job in jobs)
        raise ConfigError(
            f"--baseline is one baseline, and {len(jobs)} targets are judged: {names}.",
            hint="Pick one with --target, or name the baselines in the file.",
        )
    return jobs


def _common(flags: Flags, file: GateFile | None, devices: Path | None) -> GateJob:
    """Return what all jobs share; the candidate is none yet."""
    config = file.config if file else None
    return GateJob(
        candidate=flags.candidate or Path(),
        baseline=flags.baseline,
        baselines=BASELINES,
        rules=flags.require,
        profile_budgets=flags.profile_budgets,
        config=file.path if file else None,
        devices=devices,
        data=flags.data or (file.data if file else None),
        text_column=flags.text_column or (config.text_column if config else None),
        label_column=flags.label_column or (config.label_column if config else None),
        max_seconds=flags.max_seconds or (config.max_seconds if config else MAX_SECONDS),
        margin=config.margin if config and flags.margin is None else parse_margin(flags.margin or DEFAULT_MARGIN),
        self_test=flags.self_test,
        report_only=(config is not None and config.report_only) if flags.report_only is None else flags.report_only,
        seed=flags.seed,
    )


def _with_target(job: GateJob, file: GateFile, target: TargetConfig) -> GateJob:
    baseline = file.at(target.baseline) if target.baseline else None
    return replace(
        job,
        baseline=job.baseline or baseline,
        file_rules=tuple(target.require),
        profile_budgets=job.profile_budgets and target.budgets == "profile",
    )


def _of_candidate(job: GateJob, file: GateFile | None) -> GateJob:
    """Take over what the file says about the candidate's target."""
    if file is None or is_benchmark_job(job):
        return job
    name = job.target
    if name is None:
        try:
            with tempfile.TemporaryDirectory(prefix="edgekd-gate-") as folder:
                name = find_profile(open_side(job.candidate, "candidate", Path(folder)).target, job.devices).name
        except InvalidArtifact:
            return job  # it will be opened again, and told then
    target = file.target_of(name)
    return job if target is None else _with_target(job, file, target)


def _of_file(file: GateFile | None, common: GateJob, wanted: list[str]) -> list[GateJob]:
    if file is None:
        raise ConfigError(
            f"There is nothing to judge: no CANDIDATE is given, and there is no '{CONFIG_FILE}' here.",
            hint="Give a bundle folder, or name candidates in the file; see docs/gating.md.",
        )
    missing = [name for name in wanted if file.target_of(name) is None]
    if missing:
        raise ConfigError(
            f"'{file.path}' has no target {', '.join(missing)}. It has: {', '.join(file.config.targets) or 'none'}."
        )
    jobs = []
    for key, profile in file.profiles.items():
        target = file.config.targets[key]
        if target.candidate and (not wanted or profile in wanted):
            job = replace(common, candidate=file.at(target.candidate), target=profile)
            jobs.append(_with_target(job, file, target))
        elif profile in wanted:
            raise ConfigError(
                f"Target {key} of '{file.path}' names no candidate.",
                hint=f"Give one: edgekd gate CANDIDATE --target {key}, or write targets.{key}.candidate.",
            )
    if not jobs:
        raise ConfigError(
            f"There is nothing to judge: no CANDIDATE is given, and no target of '{file.path}' names one.",
            hint="Give a bundle folder, or write 'candidate' below a target.",
        )
    return jobs
