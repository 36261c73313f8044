"""A real sshd on loopback, with keys, configuration and home folder of its own: a board for tests."""

from __future__ import annotations

import getpass
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

import psutil
import pytest

from edgekd.assets import cache_dir

PACKAGES = ("openssh-server", "libwrap0", "libnss-wrapper")
SYSTEM_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
STARTED_S = 10.0


@cache
def find_sshd() -> tuple[Path, dict[str, str]]:
    """Return an sshd and the environment that it needs; of Debian's package, unpacked, where none is installed."""
    if shutil.which("ssh") is None or shutil.which("ssh-keygen") is None:
        pytest.skip("no OpenSSH client (ssh, ssh-keygen)")
    found = shutil.which("sshd", path=SYSTEM_PATH)
    needs_user = os.geteuid() == 0 and not _has_user("sshd")
    if found and not needs_user:
        return Path(found), {}
    root = _unpacked()
    [libraries] = {path.parent for path in root.rglob("libnss_wrapper.so")}
    environment = {"LD_LIBRARY_PATH": str(libraries)}
    if needs_user:  # root's sshd wants a user "sshd", whom only this process then sees
        users = root / "passwd"
        me = pwd.getpwuid(0)
        users.write_text(f"root:x:0:0:root:{me.pw_dir}:/bin/sh\nsshd:x:65533:65534::/run/sshd:/bin/false\n")
        (root / "group").write_text("root:x:0:\nnogroup:x:65534:\n")
        environment |= {
            "LD_PRELOAD": str(libraries / "libnss_wrapper.so"),
            "NSS_WRAPPER_PASSWD": str(users),
            "NSS_WRAPPER_GROUP": str(root / "group"),
        }
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    return root / "usr" / "sbin" / "sshd", environment


def _has_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _unpacked() -> Path:
    """Return Debian's packages, unpacked in the cache; skips the test where they cannot be fetched."""
    root = cache_dir() / "test-sshd"
    if not (root / "usr" / "sbin" / "sshd").is_file():
        root.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root.parent) as work:
            try:
                subprocess.run(["apt-get", "download", *PACKAGES], cwd=work, check=True, capture_output=True)
                for package in Path(work).glob("*.deb"):
                    subprocess.run(["dpkg", "-x", package, Path(work) / "root"], check=True, capture_output=True)
            except (OSError, subprocess.CalledProcessError):
                pytest.skip("sshd is not installed, and Debian's package cannot be fetched")
            shutil.rmtree(root, ignore_errors=True)
            (Path(work) / "root").rename(root)
    return root


class LoopbackBoard:
    """An sshd that takes one key and shows one home folder.

    Args:
        folder: for everything; empty.
        python: the board's ``python3``: an executable, by default the one that runs the tests; None: there is none.
        environment: set in every session besides HOME, PATH and TMPDIR.
    """

    def __init__(
        self,
        folder: Path,
        *,
        python: Path | None = Path(sys.executable),
        environment: Mapping[str, str] = {},
    ) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.port = _free_port()
        self.config = folder / "ssh_config"
        self._sshd, self._sshd_environment = find_sshd()
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None
        for name in ("home", "bin", "tmp", "keys"):
            (folder / name).mkdir(parents=True)
        for key in ("host", "user"):
            self.make_key(key)
        self._link_tools(python)
        self._write_configuration()
        self.trust()

    @property
    def url(self) -> str:
        """For ``--on``."""
        return f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}"

    @property
    def root(self) -> Path:
        """Where edgekd keeps its things on this board."""
        return self.home / ".cache" / "edgekd" / "board"

    @property
    def ssh(self) -> str:
        """The client's command with its own configuration, for EDGEKD_SSH."""
        return f"ssh -F {self.config}"

    def make_key(self, name: str) -> None:
        """Write a new key pair."""
        path = self.folder / "keys" / name
        path.unlink(missing_ok=True)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)

    def trust(self) -> None:
        """Let the client know the host key."""
        key = (self.folder / "keys" / "host.pub").read_text().split()
        (self.folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {key[0]} {key[1]}\n")

    def _link_tools(self, python: Path | None) -> None:
        """Fill the board's only folder of programs: system tools without any Python, and the board's own."""
        for place in ("/usr/bin", "/bin"):
            for tool in Path(place).iterdir():
                link = self.folder / "bin" / tool.name
                if not tool.name.startswith("python") and not link.is_symlink():
                    link.symlink_to(tool)
        if python is not None:
            starter = self.folder / "bin" / "python3"
            starter.write_text(f'#!/bin/sh\nexec "{python}" "$@"\n')
            starter.chmod(0o755)

    def _write_configuration(self) -> None:
        session = {
            "HOME": self.home,
            "TMPDIR": self.folder / "tmp",
            "PATH": self.folder / "bin",
            "OMP_NUM_THREADS": "1",
            **self._environment,
        }
        (self.folder / "keys" / "authorized").write_bytes((self.folder / "keys" / "user.pub").read_bytes())
        settings = {
            "Port": self.port,
            "ListenAddress": "127.0.0.1",
            "HostKey": self.folder / "keys" / "host",
            "AuthorizedKeysFile": self.folder / "keys" / "authorized",
            "PidFile": "none",
            "StrictModes": "no",
            "UsePAM": "no",
            "PasswordAuthentication": "no",
            "KbdInteractiveAuthentication": "no",
            "PermitRootLogin": "prohibit-password",
            "SetEnv": " ".join(f'"{name}={value}"' for name, value in session.items()),
        }
        (self.folder / "sshd_config").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
        client = {
            "IdentityFile": self.folder / "keys" / "user",
            "IdentitiesOnly": "yes",
            "UserKnownHostsFile": self.folder / "known_hosts",
            "GlobalKnownHostsFile": "/dev/null",
        }
        self.config.write_text("Host *\n" + "".join(f"  {name} {value}\n" for name, value in client.items()))

    def start(self) -> None:
        """Start sshd and wait until it listens."""
        with (self.folder / "sshd.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._sshd, "-D", "-e", "-f", self.folder / "sshd_config"],
                env={"PATH": SYSTEM_PATH, **self._sshd_environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        end = time.monotonic() + STARTED_S
        while time.monotonic() < end and self._process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise RuntimeError((self.folder / "sshd.log").read_text())

    def cut(self) -> int:
        """Kill every session with all that runs in it, and return how many processes that were; sshd goes on."""
        assert self._process is not None
        sessions = psutil.Process(self._process.pid).children(recursive=True)
        for process in sessions:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        return len(sessions)

    def stop(self) -> None:
        """Stop sshd and what was measured by itself."""
        if self._process is not None:
            self.cut()
            self._process.kill()
            self._process.wait()
            self._process = None
        for pid in self.root.glob("jobs/*/pid"):
            with suppress(ProcessLookupError):
                os.kill(int(pid.read_text()), signal.SIGKILL)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
