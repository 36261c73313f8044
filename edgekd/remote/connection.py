"""The user's own OpenSSH: its configuration, keys, agent and jump hosts; host keys are always checked.

One connection is made and kept (``ssh -M``), and every request is a channel of it, which costs a round trip instead of
a handshake. Its socket lies in a private temporary folder. It ends with this process, however that ends, because it
runs ``cat`` there, whose input is a pipe from here. ``EDGEKD_SSH`` names another command, with its options.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from edgekd.errors import ConfigError
from edgekd.remote.errors import BoardFailed, unreachable

if TYPE_CHECKING:
    from types import TracebackType

    from edgekd.remote.address import Address

SSH_VARIABLE = "EDGEKD_SSH"
END_LIMIT_S = 1.0
CONNECT_LIMIT_S = 60.0  # through jump hosts; ssh itself gives one host 15 s
OPTIONS = {
    "BatchMode": "yes",  # nothing is ever asked: there may be no terminal
    "ConnectTimeout": "15",
    "ServerAliveInterval": "15",
    "ServerAliveCountMax": "4",  # a minute without an answer ends the connection, not the measurement
    "ForwardAgent": "no",
    "ForwardX11": "no",
    "ClearAllForwardings": "yes",
    "PermitLocalCommand": "no",
    "RemoteCommand": "none",
    "RequestTTY": "no",
    "ControlPersist": "no",
    "LogLevel": "ERROR",
}
UNCHECKED = {"no", "off", "false"}


def ssh_command() -> list[str]:
    """Return the command of the SSH client.

    Raises:
        ConfigError: when there is none.
    """
    command = shlex.split(os.environ.get(SSH_VARIABLE) or "ssh")
    if not command or shutil.which(command[0]) is None:
        raise ConfigError(
            f"The SSH client '{' '.join(command)}' is not installed.",
            hint=f"Install OpenSSH (Debian: sudo apt install openssh-client), or set {SSH_VARIABLE}.",
        )
    return command


class Connection:
    """A connection to a board; a context manager.

    Args:
        address: where it is.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self._ssh = ssh_command()
        self._folder: Path | None = None
        self._unchecked = False  # whether the user's configuration checks no host keys
        self._master: subprocess.Popen[bytes] | None = None

    def open(self) -> None:
        """Connect.

        Raises:
            BoardFailed: when the board cannot be reached, is another one than before, or does not let the user in.
        """
        self._unchecked = self._checks_nothing()
        self._folder = Path(tempfile.mkdtemp(prefix="edgekd-"))  # mode 0700; short, as socket paths must be
        said = self._folder / "said"
        with said.open("wb") as stderr:
            self._master = subprocess.Popen(
                [*self._ssh, *self._options("ControlMaster=yes"), "-T", *self.address.arguments(), "cat"],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                start_new_session=True,  # Ctrl-C reaches this program alone
            )
        end = time.monotonic() + CONNECT_LIMIT_S
        while not self._socket.exists():
            if self._master.poll() is not None:
                raise self._unreachable(said.read_text(encoding="utf-8", errors="replace"))
            if time.monotonic() > end:
                raise self._unreachable("Connection timed out")
            time.sleep(0.02)

    def start(self, command: str) -> subprocess.Popen[bytes]:
        """Start a command on the board; its stdin, stdout and stderr are pipes.

        Args:
            command: for the login shell there, completely quoted.
        """
        return subprocess.Popen(
            [*self._ssh, *self._options("ControlMaster=no"), "-T", *self.address.arguments(), command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def is_open(self) -> bool:
        """Tell whether the connection still stands."""
        return self._master is not None and self._master.poll() is None

    def close(self) -> None:
        """Disconnect; what runs on the board by itself goes on."""
        if self._master is not None:
            assert self._master.stdin is not None
            self._master.terminate()
            try:
                self._master.wait(timeout=END_LIMIT_S)
            except subprocess.TimeoutExpired:  # it looks at signals only when its next sign of life is due
                self._master.kill()
                self._master.wait()
            self._master.stdin.close()
            self._master = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    @property
    def by_hand(self) -> str:
        """The command that a user types to connect."""
        return shlex.join(["ssh", *self.address.arguments()])

    @property
    def _socket(self) -> Path:
        assert self._folder is not None
        return self._folder / "s"

    def _options(self, master: str) -> list[str]:
        options = [f"{name}={value}" for name, value in OPTIONS.items()]
        options += [master, f"ControlPath={self._socket}"]
        if self._unchecked:
            options.append("StrictHostKeyChecking=yes")
        return [part for option in options for part in ("-o", option)]

    def _checks_nothing(self) -> bool:
        """Tell whether the user's configuration switches the check of host keys off; it stays on here."""
        done = subprocess.run(
            [*self._ssh, "-G", *self.address.arguments()],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        words = (line.lower().split() for line in done.stdout.splitlines())
        return any(line[0] == "stricthostkeychecking" and line[-1] in UNCHECKED for line in words if line)

    def _unreachable(self, said: str) -> BoardFailed:
        return unreachable(str(self.address), self.address.host, self.by_hand, said)

    def __enter__(self) -> Connection:
        try:
            self.open()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
