"""Carries out one request."""

from __future__ import annotations

import json
import os
import sys

from edgekd.remote.agent.base import Refused, emit
from edgekd.remote.agent.files import code, missing, put
from edgekd.remote.agent.jobs import fetch, find, follow, forget, run, start
from edgekd.remote.agent.packages import check, facts, packages
from edgekd.remote.agent.upkeep import cancel, clean, status

HELLO = b"edgekd-agent 1\n"  # what comes before it was printed by the login shell's start-up files

_ALL = (facts, packages, check, missing, put, code, find, start, follow, fetch, forget, run, status, cancel, clean)
STEPS = {step.__name__: step for step in _ALL}


def main() -> None:
    """Read the request from stdin and answer it on stdout."""
    stdin = sys.stdin.buffer
    request = json.loads(stdin.readline())
    sys.stdout.buffer.write(HELLO)
    sys.stdout.buffer.flush()
    try:
        emit({"done": STEPS[request["do"]](request, stdin)})
    except Refused as error:
        emit({"error": {"message": error.message, "hint": error.hint, "kind": error.kind}})
    except BrokenPipeError:
        os._exit(1)  # nobody listens any more
    except OSError as error:
        where = f" '{error.filename}'" if error.filename else ""
        emit({"error": {"message": f"On the board{where}: {error.strerror or error}.", "hint": None, "kind": "failed"}})
