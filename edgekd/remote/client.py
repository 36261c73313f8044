"""Requests to a board: this end of :mod:`edgekd.remote.agent`, whose source travels with each of them."""

from __future__ import annotations

import json
import shlex
import tempfile
import threading
from contextlib import suppress
from importlib import resources
from typing import IO, TYPE_CHECKING, Any

from edgekd.errors import Busy
from edgekd.remote.errors import BoardFailed, ConnectionLost, printable

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterable, Mapping

    from edgekd.remote.connection import Connection

MODULES = ("base", "files", "packages", "locks", "jobs", "upkeep", "main")  # each imports only those before it
HELLO = b"edgekd-agent 1"
NO_PYTHON = b"edgekd-no-python"
MAX_LINE_BYTES = 1 << 24
MAX_FILE_BYTES = 1 << 30
SSH_FAILED = 255
PYTHONS = ("python3", *(f"python3.{minor}" for minor in range(15, 9, -1)))
OLD_ENOUGH = "import sys; sys.exit(sys.version_info < (3, 10))"
BOOT = (
    "import json, sys; parts = json.loads(sys.stdin.buffer.read(int(sys.stdin.buffer.readline()))); exec(parts.pop(0))"
)
LOADER = """
import types
for name, source in parts:
    sys.modules[name] = types.ModuleType(name)
    exec(compile(source, name, "exec"), sys.modules[name].__dict__)
sys.modules[name].main()
"""
# Finds the Python, and becomes it. Without single quote, backslash and "!", which login shells read differently.
FIND = (
    'test="$1"; boot="$2"; shift 2; for p in "$@"; do '
    'case "$p" in "~/"*) p="$HOME/${p#??}";; esac; '
    'if "$p" -c "$test" 2>/dev/null; then exec "$p" -c "$boot" "$(command -v "$p")"; fi; done; '
    f"echo {NO_PYTHON.decode()}; exit 86"
)


def command_for(pythons: Iterable[str]) -> str:
    """Return the command line for the login shell of a board, whichever shell that is.

    Args:
        pythons: interpreters to try, in this order; ``~/`` is the home folder there.
    """
    return shlex.join(["sh", "-c", FIND, "sh", OLD_ENOUGH, BOOT, *pythons])


def agent_source() -> bytes:
    """Return the program for the board, as :data:`BOOT` reads it."""
    folder = resources.files("edgekd.remote.agent")
    parts = [
        (f"edgekd.remote.agent.{name}", folder.joinpath(f"{name}.py").read_text(encoding="utf-8")) for name in MODULES
    ]
    source = json.dumps([LOADER, *parts]).encode()
    return b"%d\n%s" % (len(source), source)


class Client:
    """Sends requests over an open connection.

    Args:
        connection: open.
        python: the user's interpreter on the board; None: the first one that is new enough.
        say: called with lines of text for the user.
    """

    def __init__(self, connection: Connection, python: str | None, say: Callable[[str], None]) -> None:
        self.name = str(connection.address)
        self._connection = connection
        self._python = python
        self._say = say
        self._source = agent_source()

    def ask(
        self,
        step: str,
        request: Mapping[str, Any],
        *,
        content: Iterable[bytes] = (),
        on_progress: Callable[[dict[str, Any]], None] | None = None,
        on_file: Callable[[str, bytes], None] | None = None,
    ) -> dict[str, Any]:
        """Carry out one step on the board.

        Args:
            step: a name of ``edgekd.remote.agent.main.STEPS``.
            request: what it takes.
            content: bytes behind the request.
            on_progress: gets each line of a job's progress.
            on_file: gets each file that is sent, with its name.

        Raises:
            BoardFailed: when the board says that it cannot, or has no Python.
            Busy: when somebody measures there.
            ConnectionLost: when the connection breaks.
        """
        process = self._connection.start(command_for([self._python] if self._python else PYTHONS))
        head = json.dumps({**request, "do": step}).encode() + b"\n"
        with _Streams(process) as streams:
            streams.send([self._source, head, *content])
            self._find_hello(streams)
            while line := streams.line():
                message = self._message(line)
                if "done" in message:
                    done: dict[str, Any] = message["done"]
                    return done
                if "error" in message:
                    raise self._refusal(message["error"])
                if "say" in message:
                    self._say(printable(str(message["say"])))
                elif "progress" in message and on_progress is not None:
                    on_progress(message["progress"])
                elif "file" in message and on_file is not None:
                    on_file(str(message["file"]), streams.content(int(message["size"])))
            raise self._lost(streams)

    def _message(self, line: bytes) -> dict[str, Any]:
        try:
            message = json.loads(line)
        except ValueError:
            message = None
        if not isinstance(message, dict):
            raise BoardFailed(f"{self.name}: the board answers what is not understood: {printable(repr(line[:80]))}")
        return message

    def _find_hello(self, streams: _Streams) -> None:
        """Skip what start-up files of the login shell print."""
        while line := streams.line():
            if line.strip() == HELLO:
                return
            if line.strip() == NO_PYTHON:
                raise self._no_python()
        raise self._lost(streams)

    def _no_python(self) -> BoardFailed:
        if self._python:
            return BoardFailed(
                f"{self.name}: '{self._python}' is no Python of version 3.10 or later.",
                hint="Give the path of an interpreter on the board with --board-python, or leave the option out.",
            )
        return BoardFailed(
            f"{self.name}: there is no Python of version 3.10 or later on the board.",
            hint="Install one there (Debian, Raspberry Pi OS: sudo apt install python3; Ubuntu 20.04 and JetPack 5: "
            "python3.10 or later beside the system's), or name it with --board-python.",
        )

    def _refusal(self, error: dict[str, Any]) -> BoardFailed | Busy:
        message = f"{self.name}: {printable(str(error['message']))}"
        hint = printable(str(error["hint"])) if error.get("hint") else None
        return Busy(message, hint=hint) if error.get("kind") == "busy" else BoardFailed(message, hint=hint)

    def _lost(self, streams: _Streams) -> BoardFailed:
        code, said = streams.end()
        last = (said.splitlines() or [""])[-1]
        if code in (SSH_FAILED, None) or code < 0 or not self._connection.is_open():
            return ConnectionLost(f"{self.name}: the connection was lost{f' ({last})' if last else ''}.")
        return BoardFailed(f"{self.name}: the board's side ended with exit code {code}: {last or 'it said nothing'}")


class _Streams:
    """The pipes of one request. Sending happens beside receiving, so that neither end waits for the other."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._process = process
        self._stdin: IO[bytes] = process.stdin
        self._stdout: IO[bytes] = process.stdout
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        self._threads = [threading.Thread(target=self._listen, args=(process.stderr,), daemon=True)]
        self._threads[0].start()

    def _listen(self, stderr: IO[bytes]) -> None:
        with stderr:
            for line in stderr:
                self._said.write(line)

    def send(self, parts: Iterable[bytes]) -> None:
        def write() -> None:
            with suppress(BrokenPipeError, ValueError):  # the other end has gone: what it said is what counts
                for part in parts:
                    self._stdin.write(part)
                self._stdin.flush()

        self._threads.append(threading.Thread(target=write, daemon=True))
        self._threads[-1].start()

    def line(self) -> bytes:
        """Return the next line; empty at the end."""
        return self._stdout.readline(MAX_LINE_BYTES)

    def content(self, size: int) -> bytes:
        """Return so many bytes.

        Raises:
            BoardFailed: when they are more than a result can have.
            ConnectionLost: when they end before.
        """
        if not 0 <= size <= MAX_FILE_BYTES:
            raise BoardFailed(f"The board sends a file of {size:,} bytes, which no result has.")
        found = self._stdout.read(size)
        if len(found) < size:
            raise ConnectionLost("The connection was lost in the middle of a file.")
        return found

    def end(self) -> tuple[int | None, str]:
        """Return the exit code and what was said on stderr."""
        code = self._process.wait()
        self._threads[0].join(timeout=5)
        self._said.seek(0)
        return code, printable(self._said.read().decode(errors="replace"))

    def __enter__(self) -> _Streams:
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the request; what it has started by itself goes on."""
        self._process.kill()
        self._process.wait()
        for thread in self._threads:
            thread.join(timeout=5)
        with suppress(OSError):
            self._stdin.close()
        self._stdout.close()
        self._said.close()
