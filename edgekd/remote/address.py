"""``ssh://[user@]host[:port]``: what a user gives, checked character by character before any process is started.

Everything here ends up in an argument of ``ssh``, which takes an argument that begins with a dash as an option, and
whose ``ProxyCommand`` runs what it is given. So only characters are allowed that occur in names.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from edgekd.errors import ConfigError

SCHEME = "ssh://"
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}")  # a name, an IPv4 address or an alias of ~/.ssh/config
_PORT = re.compile(r"[0-9]{1,5}")
_ZONE = re.compile(r"[A-Za-z0-9_.-]{1,32}")
_FORM = "ssh://[USER@]HOST[:PORT], for example ssh://pi@raspberrypi.local or ssh://[fe80::1%eth0]:2222"


@dataclass(frozen=True)
class Address:
    """Where a board is.

    Args:
        host: a name, an address without brackets, or an alias of ``~/.ssh/config``.
        user: None: what OpenSSH chooses.
        port: None: what OpenSSH chooses.
    """

    host: str
    user: str | None = None
    port: int | None = None

    def __str__(self) -> str:
        user = f"{self.user}@" if self.user else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{SCHEME}{user}{host}{f':{self.port}' if self.port else ''}"

    @property
    def name(self) -> str:
        """A name for folders and messages: the host, and the port where one is given."""
        host = re.sub(r"[^A-Za-z0-9_.-]", "-", self.host).strip("-.") or "board"
        return f"{host}-{self.port}" if self.port else host

    def arguments(self) -> list[str]:
        """Return what ``ssh`` is given, the host last and behind ``--``."""
        user = ["-l", self.user] if self.user else []
        port = ["-p", str(self.port)] if self.port else []
        return [*user, *port, "--", self.host]


def is_remote(place: str) -> bool:
    """Tell whether a value of ``--on`` names a board over SSH."""
    return place.lower().startswith(SCHEME)


def parse_address(url: str) -> Address:
    """Read an address.

    Raises:
        ConfigError: when it is anything but ``ssh://[user@]host[:port]`` of allowed characters. The message never
            shows a password.
    """
    if not is_remote(url):
        raise _refused(url, "it does not begin with ssh://")
    rest = url[len(SCHEME) :].removesuffix("/")
    user, at, place = rest.rpartition("@")
    if ":" in user:
        raise _refused(f"{SCHEME}...@{place}", "it has a password", hint="Use a key: ssh-copy-id USER@HOST.")
    if at and not _USER.fullmatch(user):
        raise _refused(url, f"{user!r} is no user name")
    if place.startswith("["):
        host, bracket, after = place[1:].partition("]")
        if not bracket or (after and not after.startswith(":")):
            raise _refused(url, "the brackets of an IPv6 address are not closed")
        colon, port = after[:1], after[1:]
        _check_ipv6(url, host)
    else:
        host, colon, port = place.partition(":")
        if not _HOST.fullmatch(host):
            raise _refused(url, f"{host!r} is no host name" if host else "the host is missing")
    if colon and not (_PORT.fullmatch(port) and 0 < int(port) < 65536):
        raise _refused(url, f"{port!r} is no port (1 to 65535)")
    return Address(host, user or None, int(port) if colon else None)


def _check_ipv6(url: str, host: str) -> None:
    address, percent, zone = host.partition("%")
    try:
        ipaddress.IPv6Address(address)
    except ValueError as error:
        raise _refused(url, f"{host!r} is no IPv6 address") from error
    if percent and not _ZONE.fullmatch(zone):
        raise _refused(url, f"{zone!r} is no network interface")


def _refused(shown: str, why: str, *, hint: str | None = None) -> ConfigError:
    return ConfigError(f"{shown!r} is no address of a board: {why}. Allowed: {_FORM}.", hint=hint)
