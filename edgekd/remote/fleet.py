"""Several boards at once, each with its own thread, connection and folder; one that fails does not lose the others."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from edgekd.bench.limits import DoesNotFit
from edgekd.errors import ConfigError, EdgekdError
from edgekd.remote.address import Address, parse_address
from edgekd.remote.measure import NoLongerFollowed, how_to_go_on, measure_on
from edgekd.remote.order import Prepared, prepare

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from edgekd.bench.job import BenchJob
    from edgekd.progress import Progress
    from edgekd.remote.board import BoardOptions
    from edgekd.remote.connection import Connection
    from edgekd.results import BenchResult


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _on_is_a_word(cls, value: Any) -> Any:
        """YAML 1.1 reads the key ``on`` as true."""
        if isinstance(value, dict):
            return {"on" if key is True else key: content for key, content in value.items()}
        return value

    on: str
    target: str | None = None
    name: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")


class _Fleet(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    boards: list[_Entry] = Field(min_length=1)


@dataclass(frozen=True)
class Station:
    """A board of a measurement.

    Args:
        address: where it is.
        name: of its folder of results; unique.
        target: its profile; None: as for a measurement here.
    """

    address: Address
    name: str
    target: str | None = None


@dataclass
class FleetRun:
    """What came back from all boards.

    Args:
        results: of those that succeeded, also in part.
        failures: of the others, by name.
    """

    results: list[BenchResult] = field(default_factory=list)
    failures: dict[str, EdgekdError] = field(default_factory=dict)

    @property
    def failure(self) -> EdgekdError | None:
        """All failures as one error, with the highest of their exit codes."""
        if not self.failures:
            return None
        hints = [f"{name}: {error.hint}" for name, error in self.failures.items() if error.hint]
        messages = [f"{name}: {error.message}" for name, error in self.failures.items()]
        joined = EdgekdError("\n".join(messages), hint="\n".join(hints) or None)
        joined.exit_code = max(error.exit_code for error in self.failures.values())
        return joined


def read_fleet(path: Path) -> list[Station]:
    """Read a ``fleet.yaml``: ``boards``, a list of ``on``, and optionally ``target`` and ``name``.

    Raises:
        ConfigError: naming the file and the wrong value.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"Cannot read the fleet '{path}': {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"'{path}' is not valid YAML: {error}") from error
    try:
        fleet = _Fleet.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "file"
        raise ConfigError(
            f"Fleet '{path}': {where}: {first['msg']}.",
            hint="It looks like this:\nboards:\n  - {on: ssh://pi@pi5.local, target: pi5, name: kitchen}",
        ) from error
    addresses = [parse_address(entry.on) for entry in fleet.boards]
    return [
        Station(address, entry.name or address.name, entry.target)
        for address, entry in zip(addresses, fleet.boards, strict=True)
    ]


def stations(on: Sequence[str], fleet: Path | None) -> list[Station]:
    """Return all boards of ``--on`` and ``--fleet``.

    Raises:
        ConfigError: for addresses that are none, and names that occur twice.
    """
    found = [Station(address, address.name) for address in map(parse_address, on)]
    found += read_fleet(fleet) if fleet is not None else []
    names = [station.name for station in found]
    double = sorted({name for name in names if names.count(name) > 1})
    if double:
        raise ConfigError(
            f"Two boards are called '{double[0]}', and each needs a folder of its own for its results.",
            hint="Give them names in a fleet file, or leave one out.",
        )
    return found


def measure_fleet(
    job: BenchJob,
    boards: Sequence[Station],
    *,
    options: BoardOptions,
    out: Path,
    progress: Progress,
    resume: bool = False,
) -> FleetRun:
    """Measure on one board or several at once.

    Args:
        job: the options of the user.
        boards: at least one.
        options: how they are used.
        out: folder for the results: of one board; several get a folder each in it.
        progress: told where the work stands.
        resume: collect what was begun before.

    Raises:
        ConfigError, DataError, InvalidArtifact: for what is wrong before any board is asked.
        EdgekdError: what failed, when there is one board only.
    """
    work = [(station, prepare(job, station.target)) for station in boards]
    if len(work) == 1:
        [(station, prepared)] = work
        found = measure_on(station.address, prepared, options=options, out=out, progress=progress, resume=resume)
        return FleetRun(found)
    return _at_once(work, options, out, progress, resume=resume)


def _at_once(
    work: list[tuple[Station, Prepared]], options: BoardOptions, out: Path, progress: Progress, *, resume: bool
) -> FleetRun:
    lock = threading.Lock()
    connections: list[Connection] = []
    with ThreadPoolExecutor(max_workers=len(work)) as pool:
        tasks = {
            station: pool.submit(
                measure_on,
                station.address,
                prepared,
                options=options,
                out=out / station.name,
                progress=_Lines(station.name, progress, lock),
                resume=resume,
                opened=connections.append,
            )
            for station, prepared in work
        }
        try:
            wait(tasks.values())
        except BaseException as stop:  # Ctrl-C: the threads end when their connections do
            for connection in connections:
                connection.close()
            hints = [f"{station.name}: {how_to_go_on(station.address)}" for station in tasks]
            raise NoLongerFollowed(f"Stopped following {len(work)} boards.", hint="\n".join(hints)) from stop
    return _gathered(tasks)


def _gathered(tasks: dict[Station, Future[list[BenchResult]]]) -> FleetRun:
    """Return what all threads brought; what is no error for a user is raised."""
    run = FleetRun()
    for station, task in tasks.items():
        error = task.exception()
        if isinstance(error, EdgekdError):
            run.failures[station.name] = error
            run.results += error.results if isinstance(error, DoesNotFit) else []
        else:
            run.results += task.result()
    return run


class _Lines:
    """Progress of one of several boards: a line at the beginning and the end of each piece of work."""

    def __init__(self, name: str, progress: Progress, lock: threading.Lock) -> None:
        self._name, self._progress, self._lock = name, progress, lock
        self._description = ""

    def start(self, description: str, total: int | None) -> None:
        """Remember what is done."""
        self._description = description
        self.say(f"{description} ...")

    def update(self, done: int, note: str = "") -> None:
        """Say nothing: lines of several boards would only be noise."""

    def finish(self, note: str = "") -> None:
        """Say that it is done."""
        self.say(f"{self._description}: done{'; ' + note if note else ''}")

    def say(self, message: str) -> None:
        """Say one line, with the board's name."""
        with self._lock:
            self._progress.say(f"{self._name}: {message}")
