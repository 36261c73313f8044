"""A profile of this machine: facts from the diagnosis, choices from a profile that it is like."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

from edgekd.devices import DeviceProfile
from edgekd.doctor.target import names_of
from edgekd.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edgekd.doctor.diagnosis import Diagnosis
    from edgekd.steps import Rung

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
DATA_LEVELS = {1: "l1d_bytes", 2: "l2_bytes", 3: "l3_bytes"}


class _Dumper(yaml.SafeDumper):
    """Writes lists of plain values on one line."""

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> yaml.SequenceNode:
        """Choose the style by what is in the list."""
        return super().represent_sequence(tag, sequence, not any(isinstance(item, (dict, list)) for item in sequence))


def check_name(name: str, taken: Iterable[str]) -> str:
    """Return a name that a profile may have.

    Raises:
        ConfigError: when it is no such name, or another profile has it.
    """
    if not NAME.fullmatch(name):
        raise ConfigError(
            f"'{name}' is no name of a target.",
            hint="Use lower-case letters, digits, dots, dashes and underscores, starting with a letter or a digit.",
        )
    if name in set(taken):
        raise ConfigError(
            f"There is a target '{name}' already.", hint="Choose another name; 'edgekd devices list' shows those taken."
        )
    return name


def new_profile(name: str, found: Diagnosis, like: DeviceProfile) -> dict[str, Any]:
    """Return a profile, as it is in a file, with the facts of a machine and the choices of another profile.

    Args:
        name: of the profile.
        found: what was read and measured on the machine.
        like: its runtimes, int8 flavour, ladder, students and budgets are taken.

    Raises:
        ConfigError: when the other profile is for another architecture.
    """
    processor, board = found.processor, found.board
    if like.cpu.arch not in ("host", processor.arch):
        raise ConfigError(
            f"This machine is {processor.arch}, the target '{like.name}' is {like.cpu.arch}.",
            hint="Give --like a target of the same architecture; 'edgekd devices list' shows them.",
        )
    same_core = _same_core(found, like)
    raw: dict[str, Any] = {
        "name": name,
        "boards": [board.name] if board.name else [],
        "description": f"{board.name or processor.model}, {found.software.os}",
        "cpu": {**_cpu(found), "peaks": _peaks(like) if same_core else None},
        "accelerator": like.accelerator.model_dump(exclude_none=True) if same_core and like.accelerator else None,
        "power_sensors": like.power_sensors,
        "power_modes": like.power_modes,
        "runtimes": [runtime.model_dump() for runtime in like.runtimes],
        "threads": like.threads,
        "spinning": like.spinning,
        "int8": like.int8.model_dump(),
        "ladder": [_rung(rung) for rung in like.ladder],
        "opset": like.opset,
        "students": like.students,
        "budgets": like.budgets.model_dump(exclude_none=True),
        "software": {
            "os": found.software.os,
            "python": found.software.python,
            "stack": board.jetpack or "",
        },
        "emulator": like.emulator.model_dump(exclude_none=True) if same_core and like.emulator else None,
        "reasons": like.reasons.model_dump(),
        "sources": _sources(found, like, same_core),
    }
    known = _without_nothing(raw)
    DeviceProfile.model_validate(known)
    return known


def profile_text(profile: dict[str, Any], like: str, day: str) -> str:
    """Return a profile as YAML, with a comment on what to look at."""
    body = yaml.dump(profile, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    return (
        f"# Written by 'edgekd devices new' on {day}. Facts were read or measured on the machine; runtimes, int8,\n"
        f"# ladder, students and budgets are those of '{like}': look at them, above all at the budgets.\n{body}"
    )


def _cpu(found: Diagnosis) -> dict[str, Any]:
    processor, test = found.processor, found.test
    largest = {cache.level: cache.size_bytes for cache in processor.caches}
    return {
        "model": processor.model,
        "arch": processor.arch,
        "cores": processor.physical_cores or processor.logical_cpus,
        "clock_hz": processor.max_hz,
        "isa": names_of(processor.isa),
        **{field: largest.get(level) for level, field in DATA_LEVELS.items()},
        "memory_bytes": found.memory.total_bytes,
        "memcpy_bytes_per_s": round(test.copy_bytes_per_s) if test and test.copy_bytes_per_s else None,
    }


def _rung(rung: Rung) -> dict[str, Any]:
    """Return a candidate as files have it: a step is its name, with its settings where it has some."""
    steps: list[Any] = []
    for step in rung.steps:
        settings = step.model_dump(mode="json", exclude_defaults=True, exclude={"step"})
        steps.append({"step": step.step, **settings} if settings else step.step)
    return {**rung.model_dump(mode="json", exclude_defaults=True), "steps": steps}


def _peaks(like: DeviceProfile) -> dict[str, Any] | None:
    return like.cpu.peaks.model_dump(exclude_none=True) if like.cpu.peaks else None


def _same_core(found: Diagnosis, like: DeviceProfile) -> bool:
    """Tell whether what is known about the other profile's cores holds here."""
    if like.emulator is not None and like.emulator.cpuinfo is not None:
        info = like.emulator.cpuinfo
        return found.processor.parts == [f"{info.implementer} {info.part}"]
    named = [text for text in (found.board.name, found.processor.model) if text]
    return any(text.startswith(board) for board in like.boards for text in named)


def _sources(found: Diagnosis, like: DeviceProfile, same_core: bool) -> list[dict[str, str]]:
    day = found.created_at[:10]
    sources = [{"fact": "processor, instructions, caches, clock and memory", "source": f"read on the machine {day}"}]
    if found.test is not None and found.test.copy_bytes_per_s is not None:
        sources.append(
            {"fact": "memcpy on one core", "source": f"measured on the machine {day} by 'edgekd devices doctor'"}
        )
    kept = "runtimes, int8, ladder, students, budgets and their reasons"
    kept += ", peaks, accelerator and emulator" if same_core else ""
    return [*sources, {"fact": kept, "source": f"the profile '{like.name}' of edgekd {found.edgekd_version}"}]


def _without_nothing(raw: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is unknown."""
    kept = {}
    for key, value in raw.items():
        inner = _without_nothing(value) if isinstance(value, dict) else value
        if inner not in (None, {}, [], ""):
            kept[key] = inner
    return kept
