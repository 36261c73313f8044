"""Files of pytest-benchmark (``--benchmark-json``): the times of a test-suite, with the machine they were taken on.

The file has no schema version, only that of the plugin that wrote it: 3, 4 and 5 have the fields that are read here.
``stats.data`` holds the seconds of a call of each round, in the order in which they ran; files that are made with
``--benchmark-save`` leave it out unless ``--benchmark-save-data`` is given.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, Field, ValidationError

from edgekd.artifacts import read_json
from edgekd.errors import DataError, InvalidArtifact
from edgekd.results import RESULT_SUFFIX

if TYPE_CHECKING:
    from pathlib import Path

SUFFIX = ".json"
NEWEST_KNOWN = 5  # major version of pytest-benchmark
EXTRA_KEY = "edgekd"  # in ``extra_info``: what edgekd's own plugin says of a test
WRITE_ONE = "Write one with: pytest --benchmark-json FILE"
_HEAD = 4096

_Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Facts(BaseModel):
    """What edgekd's plugin knows of the bundle that a test timed."""

    variant: str = ""
    target: str = ""
    artifact_hash: str = ""
    machine: str = ""  # fingerprint
    evidence: str = ""
    threads: int | None = None
    edgekd_version: str = ""


class _Stats(BaseModel):
    median: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    iqr: _Seconds
    rounds: Annotated[int, Field(ge=1)]
    iterations: Annotated[int, Field(ge=1)] = 1
    data: list[_Seconds] | None = None


class _Test(BaseModel):
    fullname: Annotated[str, Field(min_length=1)]
    stats: _Stats
    extra_info: dict[str, Any] | None = None


class _File(BaseModel):
    version: str
    machine_info: dict[str, Any] | None = None
    benchmarks: list[_Test]
    datetime: str | None = None


@dataclass(frozen=True)
class TimedTest:
    """One test. ``median_s`` and ``iqr_s`` are of its rounds, each the mean of ``iterations`` calls, in seconds."""

    name: str
    median_s: float
    iqr_s: float
    rounds: int
    iterations: int
    seconds: tuple[float, ...] | None  # of each round in its order; None: not in the file
    facts: Facts


@dataclass(frozen=True)
class BenchmarkFile:
    """A file of pytest-benchmark."""

    path: Path
    tests: dict[str, TimedTest]
    machine: dict[str, str]  # what there is of: host, processor, cpus, architecture, system, python
    version: str  # of pytest-benchmark
    created_at: str

    @property
    def warnings(self) -> list[str]:
        """What a reader should know before believing the numbers."""
        if _major(self.version) <= NEWEST_KNOWN:
            return []
        return [
            f"'{self.path}' was written by pytest-benchmark {self.version}; the newest that this edgekd knows is "
            f"{NEWEST_KNOWN}. What it needs is there."
        ]


def is_benchmark_json(path: Path) -> bool:
    """Tell from the beginning of a file whether it is one of pytest-benchmark, even a truncated or an empty one."""
    if path.suffix != SUFFIX or path.name.endswith(RESULT_SUFFIX) or not path.is_file():
        return False
    with path.open("rb") as stream:
        head = stream.read(_HEAD).lstrip()
    return not head or (head.startswith(b"{") and (b'"machine_info"' in head or b'"benchmarks"' in head))


def load_benchmark_json(path: Path) -> BenchmarkFile:
    """Read a file of pytest-benchmark.

    Raises:
        DataError: when the file is empty or something else.
        InvalidArtifact: when it is missing, truncated or damaged, or holds no test.
    """
    raw = _read(path)
    if not isinstance(raw, dict) or "benchmarks" not in raw:
        keys = f" (it has {', '.join(map(str, list(raw)[:5]))})" if isinstance(raw, dict) and raw else ""
        raise DataError(f"'{path}' is no file of pytest-benchmark: it has no 'benchmarks'{keys}.", hint=WRITE_ONE)
    try:
        found = _File.model_validate(raw)
    except ValidationError as error:
        raise _damaged(path, raw, error) from error
    if not found.benchmarks:
        raise InvalidArtifact(
            f"'{path}' holds no benchmark: no test of that run used the fixture 'benchmark'.",
            hint="Look at what pytest ran: -k, --benchmark-skip and --benchmark-disable leave benchmarks out.",
        )
    tests = {test.fullname: _timed(path, test) for test in found.benchmarks}
    return BenchmarkFile(path, tests, _machine(found.machine_info or {}), found.version, found.datetime or "")


def _read(path: Path) -> Any:
    if path.is_file() and not path.stat().st_size:
        raise DataError(f"'{path}' is empty.", hint=f"pytest may have ended before it wrote it. {WRITE_ONE}")
    if not path.is_file():
        raise InvalidArtifact(f"'{path}' does not exist or is no file.", hint=WRITE_ONE)
    try:
        return read_json(path)
    except InvalidArtifact as error:
        hint = f"It may be truncated, or a run was stopped while it was written. {WRITE_ONE}"
        raise InvalidArtifact(error.message, hint=hint) from error


def _major(version: str) -> int:
    match = re.match(r"\d+", version)
    return int(match[0]) if match else 0


def _damaged(path: Path, raw: dict[str, Any], error: ValidationError) -> InvalidArtifact:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "file"
    problem = f"{where}: {first['msg']}"
    version = raw.get("version")
    if isinstance(version, str) and _major(version) > NEWEST_KNOWN:
        return InvalidArtifact(
            f"'{path}' was written by pytest-benchmark {version}, which is newer than this edgekd knows "
            f"({NEWEST_KNOWN}): {problem}.",
            hint="Update edgekd.",
        )
    return InvalidArtifact(f"'{path}' is a damaged file of pytest-benchmark: {problem}.", hint=WRITE_ONE)


def _timed(path: Path, test: _Test) -> TimedTest:
    given = (test.extra_info or {}).get(EXTRA_KEY)
    try:
        facts = Facts.model_validate(given) if isinstance(given, dict) else Facts()
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidArtifact(
            f"'{path}' is damaged: {test.fullname}: extra_info.{EXTRA_KEY}.{where}: {first['msg']}."
        ) from error
    stats = test.stats
    return TimedTest(
        name=test.fullname,
        median_s=stats.median,
        iqr_s=stats.iqr,
        rounds=stats.rounds,
        iterations=stats.iterations,
        seconds=tuple(stats.data) if stats.data else None,
        facts=facts,
    )


def _machine(info: dict[str, Any]) -> dict[str, str]:
    """Return what tells machines apart; py-cpuinfo calls the processor 'brand' or 'brand_raw'."""
    cpu = info.get("cpu")
    cpu = cpu if isinstance(cpu, dict) else {}
    python = f"{info.get('python_implementation') or ''} {'.'.join(str(info.get('python_version', '')).split('.')[:2])}"
    known = {
        "host": info.get("node"),
        "processor": cpu.get("brand_raw") or cpu.get("brand"),
        "CPUs": cpu.get("count"),
        "architecture": info.get("machine"),
        "system": info.get("system"),
        "python": python.strip(),
    }
    return {name: str(value) for name, value in known.items() if value not in (None, "")}
