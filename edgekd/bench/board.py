"""What runs on a board: ``python -m edgekd.bench.board JOB_DIR`` measures by itself, and leaves everything there.

job.json          the options, as :class:`Order`
bundles/, *.jsonl what is measured, and with which texts
progress.jsonl    where the work stands, a line each
results/          result files
state.json        last: {"state": "done"}, or "failed" with message, hint and exit code
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from pydantic import BaseModel, ConfigDict

from edgekd.artifacts import write_json_atomic, write_text_atomic
from edgekd.bench.engines import build_engines
from edgekd.bench.job import BenchJob, run_job
from edgekd.bench.limits import DoesNotFit
from edgekd.bench.place import board_place
from edgekd.devices import DeviceProfile
from edgekd.errors import EdgekdError, InvalidArtifact

if TYPE_CHECKING:
    from edgekd.progress import Progress

JOB_FILE = "job.json"
STATE_FILE = "state.json"
PROGRESS_FILE = "progress.jsonl"
RESULTS = "results"
PYTHON_VARIABLE = "EDGEKD_PYTHON"  # the command that starts Python here
ENGINES_VARIABLE = "EDGEKD_ENGINES"  # folder of the engines that were built here
UPDATE_INTERVAL_S = 0.5


class Order(BaseModel):
    """What is to be measured; paths are relative to the job's folder.

    ``job`` has the options that the user gave, and none of the user's paths.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str  # for people who look what runs here
    bundles: list[str]
    teacher: str | None
    texts: str
    warm_up: str | None
    profile: DeviceProfile
    job: BenchJob


class FileProgress:
    """Writes where the work stands; who follows the file shows it.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self._stream = path.open("a", encoding="utf-8")
        self._last = 0.0

    def start(self, description: str, total: int | None) -> None:
        """Begin a piece of work."""
        self._write("start", description, total)
        self._last = 0.0

    def update(self, done: int, note: str = "") -> None:
        """Say how many steps are done, twice a second at most."""
        now = time.monotonic()
        if now - self._last >= UPDATE_INTERVAL_S:
            self._last = now
            self._write("update", done, note)

    def finish(self, note: str = "") -> None:
        """End the piece of work."""
        self._write("finish", note)

    def say(self, message: str) -> None:
        """Say one line."""
        self._write("say", message)

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def _write(self, do: str, *arguments: Any) -> None:
        self._stream.write(json.dumps({"do": do, "arguments": arguments}) + "\n")
        self._stream.flush()


def carry_out(folder: Path, progress: Progress) -> list[str]:
    """Measure what the job in a folder says; return the names of the variants.

    Raises:
        InvalidArtifact: when the job cannot be read.
        EdgekdError: whatever a measurement raises.
    """
    try:
        order = Order.model_validate_json((folder / JOB_FILE).read_bytes())
    except ValueError as error:
        raise InvalidArtifact(f"'{folder / JOB_FILE}' is no job of this edgekd: {error}") from error
    profile = folder / "profile.yaml"
    write_text_atomic(profile, order.profile.model_dump_json())  # JSON is YAML
    bundles = [folder / name for name in order.bundles]
    teacher = folder / order.teacher if order.teacher else None
    engines = os.environ.get(ENGINES_VARIABLE)
    build_engines([*bundles, *([teacher] if teacher else [])], Path(engines) if engines else None, progress)
    job = replace(
        order.job,
        bundles=tuple(bundles),
        teacher=teacher,
        target=order.profile.name,
        devices=profile,
        data=str(folder / order.texts),
        warm_up_data=str(folder / order.warm_up) if order.warm_up else None,
        out=folder / RESULTS,
    )
    place = replace(board_place(), python=(os.environ.get(PYTHON_VARIABLE) or sys.executable,))
    return [result.variant for result in run_job(job, progress, place=place)]


def _stop(*_: object) -> NoReturn:
    raise SystemExit(1)  # ends the measuring processes on the way out


def main() -> None:
    """Carry out the job; what is no error for a user ends with a traceback in the log."""
    signal.signal(signal.SIGTERM, _stop)
    folder = Path(sys.argv[1])
    progress = FileProgress(folder / PROGRESS_FILE)
    try:
        state: dict[str, Any] = {"state": "done", "variants": carry_out(folder, progress)}
    except DoesNotFit as error:
        state = {"state": "done", "variants": [result.variant for result in error.results], "misfit": _shown(error)}
    except EdgekdError as error:
        state = {"state": "failed", **_shown(error)}
    finally:
        progress.close()
    write_json_atomic(folder / STATE_FILE, state)


def _shown(error: EdgekdError) -> dict[str, Any]:
    return {"message": error.message, "hint": error.hint, "exit_code": error.exit_code}


if __name__ == "__main__":
    main()
