"""What the processor and the system say to a program: ``python -m edgekd.emulation.about`` prints it as JSON.

Runs under an emulator; standard library only.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from importlib import metadata
from pathlib import Path

from edgekd.processor import cpu_flags

LIBRARIES = ("onnxruntime", "numpy", "tokenizers")


def main() -> None:
    """Print one line of JSON."""
    versions = {name: next(iter(metadata.distributions(name=name)), None) for name in LIBRARIES}
    try:
        system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    except OSError:
        system = platform.system()
    found = {
        "arch": platform.machine(),
        "cpus": os.cpu_count() or 1,
        "flags": cpu_flags(Path("/proc/cpuinfo")),
        "python": platform.python_version(),
        "os": system,
        "libraries": {name: package.version for name, package in versions.items() if package is not None},
    }
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
