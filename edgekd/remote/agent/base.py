"""What all steps on the board share: messages, paths, the interpreter."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

PARTS = ("store", "packages", "code", "engines", "jobs")
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,200}")

Request = dict[str, Any]
Answer = dict[str, Any]


class Refused(Exception):
    """The request cannot be carried out; the message says why.

    Args:
        message: for the user.
        hint: what to do next.
        kind: "busy", or "failed".
    """

    def __init__(self, message: str, hint: str | None = None, kind: str = "failed") -> None:
        super().__init__(message)
        self.message, self.hint, self.kind = message, hint, kind


def emit(value: Answer) -> None:
    """Send one line."""
    sys.stdout.buffer.write(json.dumps(value).encode() + b"\n")
    sys.stdout.buffer.flush()


def root_of(request: Request) -> Path:
    """Return the folder that everything lies in, with its parts.

    Raises:
        Refused: when it is no absolute path.
    """
    given = request.get("root") or os.environ.get("EDGEKD_BOARD_DIR") or "~/.cache/edgekd/board"
    root = Path(given).expanduser()
    if not root.is_absolute():
        raise Refused(f"'{given}' is no absolute path on the board.")
    for part in PARTS:
        (root / part).mkdir(parents=True, exist_ok=True, mode=0o700)
    return root


def inside(folder: Path, name: str) -> Path:
    """Return a path below a folder.

    Raises:
        Refused: when the name could lead out of it.
    """
    parts = name.split("/")
    if not all(NAME.fullmatch(part) for part in parts):
        raise Refused(f"'{name}' is no file name that is allowed on the board.")
    return folder.joinpath(*parts)


def python() -> str:
    """Return the command that starts this Python: not always the file that is running."""
    return sys.argv[1] if len(sys.argv) > 1 and sys.argv[1] else sys.executable


def environment(folders: list[str], more: dict[str, str]) -> dict[str, str]:
    """Return the environment of a process that sees the packages of these folders first."""
    path = {"PYTHONPATH": os.pathsep.join(folders), "PYTHONNOUSERSITE": "1"} if folders else {}
    return {**os.environ, "EDGEKD_PYTHON": python(), "ORT_DISABLE_TELEMETRY": "1", **path, **more}
