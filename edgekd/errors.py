"""Errors that a user can act on, and the exit code each one maps to.

Exit codes are a contract: 0 pass, 1 regression or failed budget, 2 usage, 3 invalid or cannot tell.
Every message says what failed, what was given, what is allowed and what to do next.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

EXIT_PASS = 0
EXIT_REGRESSION = 1
EXIT_USAGE = 2
EXIT_INVALID = 3
EXIT_INTERRUPTED = 130


class EdgekdError(Exception):
    """A problem that the user can solve; shown without a traceback.

    Args:
        message: what failed, what was given and what is allowed.
        hint: what to do next.
    """

    exit_code = EXIT_USAGE

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ConfigError(EdgekdError):
    """A recipe, profile or option has a wrong value."""


class DataError(EdgekdError):
    """A data file cannot be used; the message names file, row and column where they are known."""


class MissingExtra(EdgekdError):
    """A command needs packages that the base install leaves out."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"This needs the package '{package}', which is not installed.",
            hint=f"Run: pip install 'edgekd[{extra}]'",
        )


class AssetUnavailable(EdgekdError):
    """A pinned asset could not be fetched or does not match its hash."""

    exit_code = EXIT_INVALID


class InvalidArtifact(EdgekdError):
    """An artifact is damaged, or failed a check that must hold before it is published."""

    exit_code = EXIT_INVALID


class NotApplicable(EdgekdError):
    """A compression step has nothing to do on this model; the message says why."""

    exit_code = EXIT_INVALID


class Incomparable(EdgekdError):
    """Two measurements cannot be compared (other machine, other data, too few samples)."""

    exit_code = EXIT_INVALID


class Busy(EdgekdError):
    """Another edgekd process is working in the same folder."""

    exit_code = EXIT_INVALID


def unknown_name(kind: str, given: str, available: Iterable[str], *, hint: str | None = None) -> ConfigError:
    """Build the error for a name that is not in a catalogue, with the nearest name when there is one."""
    names = sorted(available)
    near = get_close_matches(given, names, n=1, cutoff=0.5)
    guess = f" Did you mean '{near[0]}'?" if near else ""
    return ConfigError(f"Unknown {kind} '{given}'. Available: {', '.join(names)}.{guess}", hint=hint)
