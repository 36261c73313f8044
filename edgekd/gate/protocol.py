"""What the gate asks of a measuring process, and how it starts one."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TypeVar, Union

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from edgekd.environment import NO_TELEMETRY
from edgekd.errors import InvalidArtifact
from edgekd.results import Record

GRACE_S = 120.0  # start, loading and warm-up of a slow model on a busy machine


class RoundsRequest(Record):
    """Time one or two bundles in turns."""

    bundles: list[str] = Field(min_length=1, max_length=2)
    first: int = 0  # side whose session is created first
    threads: int
    affinity: list[int]
    texts: list[str] = Field(min_length=1)
    warm_up: list[str] = Field(min_length=1)
    seconds: float
    min_rounds: int
    max_rounds: int
    max_seconds: float
    seed: int


class ProbeRequest(Record):
    """Label all texts with one bundle."""

    bundle: str
    threads: int
    affinity: list[int]
    texts: list[str]


Request = Union[RoundsRequest, ProbeRequest]  # noqa: UP007 - evaluated at run time
_REQUEST: TypeAdapter[Request] = TypeAdapter(Request)

Answer = TypeVar("Answer", bound=BaseModel)


def read_request(data: bytes) -> Request:
    """Read a request as the parent wrote it."""
    return _REQUEST.validate_json(data)


def _environment(threads: int) -> dict[str, str]:
    """Return the child's environment: no telemetry, the profile's threads, equal hashing in every process."""
    count = str(threads)
    limits = {"OMP_NUM_THREADS": count, "OPENBLAS_NUM_THREADS": count, "MKL_NUM_THREADS": count}
    return {**os.environ, **NO_TELEMETRY, **limits, "PYTHONHASHSEED": "0"}


def ask(request: Request, answer: type[Answer], *, what: str) -> Answer:
    """Start a fresh process, hand it the request and block until it has answered.

    Args:
        request: what to measure.
        answer: the record that comes back.
        what: names the bundle or bundles in an error.

    Raises:
        InvalidArtifact: when the process dies, hangs or answers nonsense; the end of its stderr is quoted.
    """
    limit_s = GRACE_S + (
        request.max_seconds if isinstance(request, RoundsRequest) else 10 * len(request.texts)
    )
    try:
        child = subprocess.run(
            [sys.executable, "-m", "edgekd.gate.worker"],
            input=request.model_dump_json().encode(),
            capture_output=True,
            env=_environment(request.threads),
            timeout=limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise InvalidArtifact(
            f"Measuring {what} took longer than {limit_s:.0f} s and was stopped.",
            hint="Try the bundle with 'edgekd predict', or give fewer texts.",
        ) from error
    if child.returncode != 0:
        raise InvalidArtifact(_death(child, what), hint="Try the bundle with 'edgekd predict BUNDLE TEXT'.")
    try:
        return answer.model_validate_json(child.stdout)
    except ValidationError as error:
        raise InvalidArtifact(f"Measuring {what} gave no usable answer.") from error


def _death(child: subprocess.CompletedProcess[bytes], what: str) -> str:
    lines = child.stderr.decode(errors="replace").strip().splitlines()
    reason = lines[-1] if lines else "it said nothing"
    how = f"by signal {-child.returncode}" if child.returncode < 0 else f"with exit code {child.returncode}"
    return f"The process that measures {what} ended {how}: {reason}"
