"""The parent's end of a measuring process. The parent blocks on the pipe; it never polls."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from threading import Timer
from typing import TYPE_CHECKING, Any

from edgekd import units
from edgekd.bench.limits import MemoryExceeded
from edgekd.bench.place import HERE
from edgekd.environment import NO_TELEMETRY
from edgekd.errors import EXIT_INVALID, EdgekdError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from edgekd.bench.place import Place

STDERR_LINES = 15


class WorkerFailed(EdgekdError):
    """A measuring process died, hung, or refused what it was asked."""

    exit_code = EXIT_INVALID


def environment(threads: int) -> dict[str, str]:
    """Return the child's environment: no telemetry, thread pools as large as the profile says."""
    pools = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return {
        **os.environ,
        **NO_TELEMETRY,
        **dict.fromkeys(pools, str(threads)),
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONIOENCODING": "utf-8",
    }


class Child:
    """A fresh process that measures one variant.

    Args:
        name: of the variant, for messages.
        threads: size of thread pools.
        command: what is started; another one in tests.
        place: where it runs.
    """

    def __init__(self, name: str, threads: int, command: Sequence[str] | None = None, *, place: Place = HERE) -> None:
        self.name = name
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        self._hung = False
        self._process = subprocess.Popen(
            command or [*place.python, "-m", "edgekd.bench.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env={**environment(threads), **dict(place.environment)},
            text=True,
            encoding="utf-8",
            start_new_session=True,  # Ctrl-C reaches the parent alone, which then stops its children in order
        )

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def ask(self, request: dict[str, Any], limit_s: float) -> dict[str, Any]:
        """Send a request and wait for its answer.

        Raises:
            WorkerFailed: when the child reports an error, dies, or has not answered after ``limit_s``.
            MemoryExceeded: when it says that it took more memory than it may have.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        watchdog = Timer(limit_s, self._give_up)
        watchdog.daemon = True
        watchdog.start()
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            watchdog.cancel()
        if not line.endswith("\n"):
            raise self._death(request["do"], limit_s)
        reply = json.loads(line)
        if "error" in reply:
            if reply["error"].get("memory_exceeded"):
                raise MemoryExceeded(f"'{self.name}': {reply['error']['message']}", reply["error"]["needed_bytes"])
            failure = WorkerFailed(f"'{self.name}': {reply['error']['message']}", hint=reply["error"]["hint"])
            failure.exit_code = reply["error"]["exit_code"]
            raise failure
        answer: dict[str, Any] = reply["ok"]
        return answer

    def _give_up(self) -> None:
        self._hung = True
        self._process.kill()

    def _death(self, step: str, limit_s: float) -> WorkerFailed:
        code = self._process.wait()
        tail = self._stderr_tail()
        if self._hung:
            how = f"gave no answer within {units.short_duration(limit_s)} and was stopped"
            hint = "Measure fewer texts with --max-texts, or leave this variant out."
        elif code < 0:
            how = f"was killed by signal {-code}"
            hint = "Signal 9 usually means that the memory was used up. Measure fewer variants at once."
        else:
            how = f"ended with exit code {code}"
            hint = "Try the same bundle with 'edgekd predict'."
        said = f" It said:\n{tail}" if tail else " It said nothing."
        return WorkerFailed(f"The process that measures '{self.name}' {how} (step: {step}).{said}", hint=hint)

    def _stderr_tail(self) -> str:
        self._stderr.seek(0)
        lines = self._stderr.read().decode(errors="replace").strip().splitlines()
        return "\n".join(lines[-STDERR_LINES:])

    def close(self) -> None:
        """Stop the process, whatever it is doing."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    continue
        self._stderr.close()

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
