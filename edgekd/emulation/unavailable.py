"""The error for a processor that cannot be emulated here."""

from __future__ import annotations

from edgekd.errors import EXIT_INVALID, EdgekdError

INSTALL = "Install QEMU 7.2 or later: apt-get install qemu-user-static"


class EmulationUnavailable(EdgekdError):
    """A tool, package or network that emulation needs is not there; the message says which."""

    exit_code = EXIT_INVALID
