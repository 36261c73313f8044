"""Plugins of QEMU: compiled here, once, because they must fit this machine and no binary is shipped."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekd.artifacts import sha256_file
from edgekd.emulation.store import prepared
from edgekd.emulation.unavailable import EmulationUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

COMPILERS = ("cc", "gcc", "clang")
FLAGS = ("-O2", "-fPIC", "-shared", "-nostdlib", "-fvisibility=hidden")
LIMIT_S = 120.0
HEADER = Path(__file__).with_name("qemu_plugin.h")


def compiler() -> str:
    """Return the C compiler of this machine: ``$CC``, or what it is usually called.

    Raises:
        EmulationUnavailable: when there is none.
    """
    for name in (os.environ.get("CC", ""), *COMPILERS):
        if name and (path := shutil.which(name)):
            return path
    raise EmulationUnavailable(
        f"There is no C compiler here (looked for {', '.join(COMPILERS)}), which builds plugins for QEMU.",
        hint="Install one: apt-get install gcc",
    )


def built_plugin(source: Path, name: str, say: Callable[[str], None]) -> Path:
    """Return a compiled plugin from the cache; compile it first when it is not there.

    Args:
        source: of one file, beside the header that all share.
        name: of its folder in the cache.
        say: called with a line of text now and then.

    Raises:
        EmulationUnavailable: when there is no compiler or it refuses.
    """
    library = f"{source.stem}.so"

    def build(folder: Path) -> dict[str, Any]:
        program = compiler()
        done = subprocess.run(
            [program, *FLAGS, f"-I{HEADER.parent}", "-o", str(folder / library), str(source)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        if done.returncode:
            first = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[0]
            raise EmulationUnavailable(f"'{program}' cannot build '{source.name}' for QEMU: {first}")
        return {"compiler": program}

    key = {
        "source": sha256_file(source),
        "header": sha256_file(HEADER),
        "machine": platform.machine(),
        "flags": list(FLAGS),
    }
    folder, _ = prepared(f"{name}-{platform.machine()}", key, build, say)
    return folder / library
