"""A board that is ready to work: reachable, with its packages and this edgekd."""

from __future__ import annotations

import re
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekd import units
from edgekd.environment import NO_TELEMETRY
from edgekd.errors import ConfigError
from edgekd.remote.client import Client
from edgekd.remote.connection import Connection
from edgekd.remote.errors import BoardFailed
from edgekd.remote.fit import check_platform
from edgekd.remote.payload import Content, key_of, package_zip
from edgekd.remote.requirements import candidates, download, needed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from edgekd.remote.address import Address

_PATH = re.compile(r"(~/|/)[A-Za-z0-9_.+/-]{1,500}")


@dataclass(frozen=True)
class BoardOptions:
    """How a board is used.

    Args:
        python: an interpreter on the board that has the packages; nothing is installed then.
        folder: where edgekd keeps its things there; None: ``EDGEKD_BOARD_DIR`` of the board, or
            ``~/.cache/edgekd/board``.
        push_wheels: fetch packages here and copy them, instead of asking pip on the board.

    Raises:
        ConfigError: for paths that are not absolute on the board or have unusual characters.
    """

    python: str | None = None
    folder: str | None = None
    push_wheels: bool = False

    def __post_init__(self) -> None:
        for option, path in (("--board-python", self.python), ("--board-dir", self.folder)):
            if path is not None and not _PATH.fullmatch(path):
                raise ConfigError(
                    f"{option} {path!r} is no path that is allowed on a board: it begins with / or ~/ and has letters, "
                    "digits and _ . + - / only."
                )


@dataclass
class Board:
    """Requests to a board, in the order they are needed.

    Args:
        client: connected.
        options: how it is used.
        say: called with lines of text for the user.
        path: folders for ``PYTHONPATH`` there, once it is prepared.
    """

    client: Client
    options: BoardOptions
    say: Callable[[str], None]
    path: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The address, for messages."""
        return self.client.name

    def ask(self, step: str, request: dict[str, Any] | None = None, **handlers: Any) -> dict[str, Any]:
        """Carry out a step there; see :meth:`Client.ask`."""
        return self.client.ask(step, {**(request or {}), "root": self.options.folder}, **handlers)

    def copy(self, contents: Iterable[Content]) -> int:
        """Copy what is not there yet; return how many bytes that was."""
        by_hash = {content.sha256: content for content in contents}
        absent = [by_hash[digest] for digest in self.ask("missing", {"hashes": list(by_hash)})["missing"]]
        size = sum(content.size for content in absent)
        if absent:
            self.say(f"copying {len(absent)} file{'s' if len(absent) > 1 else ''}, {units.size(size)}")
            self.ask(
                "put",
                {"blobs": [[content.sha256, content.size] for content in absent]},
                content=(chunk for content in absent for chunk in content.chunks()),
            )
        return size

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What the board is."""
        return self.ask("facts")

    def prepare(self, runtimes: Sequence[str], contents: Iterable[Content] = ()) -> None:
        """See that packages and edgekd are there, and files besides.

        Args:
            runtimes: of the bundles.
            contents: copied in the same go.

        Raises:
            BoardFailed: when it cannot be done; the message says what is missing.
        """
        packed = Content.of(package_zip())
        self.copy([packed, *contents])
        code = str(self.ask("code", {"sha256": packed.sha256})["folder"])
        modules = needed(runtimes)
        if self.options.python is not None:
            self.ask("check", {"modules": list(modules.values())})
            self.path = [code]
            return
        self.path = [code, self._packages(modules)]

    def _packages(self, modules: dict[str, str]) -> str:
        facts = self.facts
        check_platform(facts, self.name)
        wanted = candidates(modules)
        key = key_of(facts["python"], facts["machine"], *wanted[0])
        request = {"key": key, "modules": list(modules.values())}
        found = self.ask("packages", {**request, "how": "look"})
        if found["folder"] is None and not self.options.push_wheels:
            self.say(f"installing {', '.join(modules)} (once)")
            try:
                found = self.ask("packages", {**request, "how": "index", "requirements": wanted})
            except BoardFailed as error:
                self.say(f"{error.message} Fetching the packages here instead.")
        if found["folder"] is None:
            found = self._push(request, wanted, facts)
        return str(found["folder"])

    def _push(self, request: dict[str, Any], wanted: list[list[str]], facts: dict[str, Any]) -> dict[str, Any]:
        self.say(f"fetching packages for {facts['machine']} and Python {facts['python']} here, to copy them (once)")
        with tempfile.TemporaryDirectory(prefix="edgekd-wheels-") as work:
            wheels = [Content.of(wheel) for wheel in download(wanted, facts, Path(work), self.name)]
            self.copy(wheels)
        digests = [wheel.sha256 for wheel in wheels]
        return self.ask("packages", {**request, "how": "wheels", "wheels": digests})

    @property
    def environment(self) -> dict[str, str]:
        """What is set for processes of edgekd on the board."""
        return dict(NO_TELEMETRY)


@contextmanager
def open_board(
    address: Address,
    options: BoardOptions,
    say: Callable[[str], None],
    opened: Callable[[Connection], None] = lambda _: None,
) -> Iterator[Board]:
    """Connect to a board.

    Args:
        address: where it is.
        options: how it is used.
        say: called with lines of text for the user.
        opened: gets the connection, which another thread may close to stop this one.

    Raises:
        BoardFailed: when it cannot be reached.
        ConfigError: when there is no SSH client here.
    """
    with Connection(address) as connection:
        opened(connection)
        yield Board(Client(connection, options.python, say), options, say)


def run_module(
    address: Address,
    module: str,
    arguments: Sequence[str],
    *,
    options: BoardOptions | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> str:
    """Run a module of edgekd on a board, ``python -m edgekd.doctor --json`` for example, and return what it prints.

    The board is prepared for ONNX bundles first, and nobody measures there meanwhile.

    Args:
        address: of the board.
        module: its name.
        arguments: of the module.
        options: how the board is used.
        say: called with lines of text for the user.

    Raises:
        BoardFailed: when the board cannot be reached or prepared, or the module fails there.
        Busy: when somebody measures there.
    """
    with open_board(address, options or BoardOptions(), say) as board:
        board.prepare(["onnxruntime"])
        request = {"module": module, "arguments": list(arguments), "path": board.path}
        done = board.ask("run", {**request, "environment": board.environment})
        if done["exit_code"] != 0:
            last = (str(done["stderr"]).strip().splitlines() or ["it said nothing"])[-1]
            raise BoardFailed(f"{board.name}: {module} failed on the board: {last}")
        return str(done["stdout"])
