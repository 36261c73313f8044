"""System, Python, and the runtimes that this Python finds."""

from __future__ import annotations

import platform
import struct
from importlib import import_module, metadata

from edgekd.bench.machine import os_name
from edgekd.doctor.diagnosis import RuntimeFound, Software

# Packages that run models or prepare texts, and the module of each.
PACKAGES = {
    "onnxruntime": "onnxruntime",
    "onnxruntime-gpu": "onnxruntime",
    "openvino": "openvino",
    "tensorrt": "tensorrt",
    "tokenizers": "tokenizers",
    "numpy": "numpy",
    "torch": "torch",
}
IMPORTED = ("onnxruntime", "numpy", "tokenizers")  # small ones, which a bundle needs


def read_software() -> Software:
    """Describe what this process runs on."""
    libc, version = platform.libc_ver()
    return Software(
        os=os_name(),
        kernel=f"{platform.system()} {platform.release()}",
        libc=f"{libc} {version}".strip() or "unknown",
        python=platform.python_version(),
        bits=8 * struct.calcsize("P"),
        runtimes=find_runtimes(),
    )


def find_runtimes() -> list[RuntimeFound]:
    """Return the installed packages; those that a bundle needs are imported, because a wheel may not fit."""
    found = []
    for package, module in PACKAGES.items():
        try:
            version = metadata.version(package)
        except metadata.PackageNotFoundError:
            version = ""
        if module in IMPORTED and (version or package == module):
            runtime = _imported(package, module, version)
        else:
            runtime = RuntimeFound(package, version) if version else None
        if runtime is not None:
            found.append(runtime)
    return found


def _imported(package: str, module: str, version: str) -> RuntimeFound | None:
    """Import a package; None when it is not installed at all."""
    try:
        library = import_module(module)
    except ModuleNotFoundError as error:
        if error.name == module:
            return None
        return RuntimeFound(package, version, problem=str(error))
    except (ImportError, OSError) as error:
        return RuntimeFound(package, version, problem=str(error).splitlines()[0])
    providers = list(library.get_available_providers()) if module == "onnxruntime" else []
    return RuntimeFound(package, version or str(library.__version__), providers)
