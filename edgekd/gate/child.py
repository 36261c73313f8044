"""Starts a measuring process and waits for its answer."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from edgekd import units
from edgekd.bench.child import environment
from edgekd.errors import InvalidArtifact
from edgekd.gate.protocol import RoundsRequest, write_request

if TYPE_CHECKING:
    from edgekd.gate.protocol import Request

GRACE_S = 120.0  # start, loading and warm-up of a slow model on a busy machine
SLOWEST_TEXT_S = 10.0  # no model that fits a small board takes longer


def ask(request: Request, *, what: str) -> dict[str, Any]:
    """Start a fresh process, hand it the request and block until it has answered.

    Args:
        request: what to measure.
        what: names the bundle or bundles in an error.

    Raises:
        InvalidArtifact: when the process dies or hangs; the end of its stderr is quoted.
    """
    if isinstance(request, RoundsRequest):
        limit_s = GRACE_S + request.max_seconds
    else:
        limit_s = GRACE_S + SLOWEST_TEXT_S * len(request.texts)
    try:
        child = subprocess.run(
            [sys.executable, "-m", "edgekd.gate.worker"],
            input=write_request(request),
            capture_output=True,
            env=environment(request.threads),
            timeout=limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise InvalidArtifact(
            f"Measuring {what} took longer than {units.short_duration(limit_s)} and was stopped.",
            hint="Try the bundle with 'edgekd predict', or give fewer texts.",
        ) from error
    if child.returncode != 0:
        raise InvalidArtifact(_death(child, what), hint="Try the bundle with 'edgekd predict BUNDLE TEXT'.")
    answer: dict[str, Any] = json.loads(child.stdout)
    return answer


def _death(child: subprocess.CompletedProcess[bytes], what: str) -> str:
    lines = child.stderr.decode(errors="replace").strip().splitlines()
    reason = lines[-1] if lines else "it said nothing"
    how = f"by signal {-child.returncode}" if child.returncode < 0 else f"with exit code {child.returncode}"
    return f"The process that measures {what} ended {how}: {reason}"
