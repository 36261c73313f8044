"""What can go wrong with a board, and what to do about it."""

from __future__ import annotations

import re

from edgekd.errors import EXIT_INVALID, EdgekdError


class BoardFailed(EdgekdError):
    """A board cannot be reached or used, or failed at what it was asked."""

    exit_code = EXIT_INVALID


class ConnectionLost(BoardFailed):
    """The connection broke; what runs on the board goes on."""


def printable(text: str) -> str:
    """Return foreign text without control characters, which a terminal would obey."""
    return re.sub(r"[^\x20-\x7e\xa0-\U0010ffff\n]", "?", text).strip()


_CAUSES = (
    (
        "IDENTIFICATION HAS CHANGED",
        "its host key is another one than before: it was installed anew, or something else answers in its place",
        "Only if you know why the key changed: ssh-keygen -R '{host}', then connect once by hand and compare the new "
        "fingerprint.",
    ),
    (
        "host key",
        "its host key is not known here",
        "Connect once by hand and compare the fingerprint: {command}",
    ),
    (
        "Permission denied",
        "it does not let this user in with a key",
        "Copy your key there with ssh-copy-id, or add it to your agent with ssh-add. edgekd never asks for passwords.",
    ),
    ("Could not resolve", "no such host", "Check the name, or give the board's IP address."),
    ("refused", "nothing listens on that port", "Check the port, and that the board runs sshd."),
    ("timed out", "it does not answer", "Is it switched on, and in this network?"),
    ("No route to host", "there is no way to it", "Is it switched on, and in this network?"),
)


def unreachable(name: str, host: str, command: str, said: str) -> BoardFailed:
    """Turn what ssh said into an error that says what to do.

    Args:
        name: of the board, for the message.
        host: for commands of the hint.
        command: that connects by hand.
        said: by ssh on stderr.
    """
    said = printable(said)
    for mark, cause, hint in _CAUSES:
        if mark.lower() in said.lower():
            return BoardFailed(f"{name}: {cause}.", hint=hint.format(host=host, command=command))
    last = said.splitlines()[-1] if said else "ssh said nothing"
    return BoardFailed(f"{name}: no connection: {last}", hint=f"Try it by hand: {command}")
