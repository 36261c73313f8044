"""Small programs of a board or a system that tell something about it."""

from __future__ import annotations

import os
import subprocess

from edgekd.environment import NO_TELEMETRY

LIMIT_S = 5.0


def run(command: list[str], limit_s: float = LIMIT_S) -> str | None:
    """Return what a program prints; None when it is missing, fails, or takes longer than ``limit_s``."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=limit_s,
            check=True,
            env={**os.environ, **NO_TELEMETRY},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
