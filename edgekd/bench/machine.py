"""What machine this is, and a fingerprint that says whether two results come from the same one."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

import psutil

from edgekd.artifacts import hash_json
from edgekd.results import Machine

GIB = 1 << 30

# Instructions that decide how fast a small classifier runs; names as in /proc/cpuinfo.
ISA_FLAGS = (
    *("sse4_2", "avx", "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512vl", "avx512_vnni", "avx_vnni"),
    *("avx512_bf16", "avx512_fp16", "amx_tile", "amx_int8", "amx_bf16"),
    *("asimd", "asimdhp", "fphp", "asimddp", "i8mm", "bf16", "sve", "sve2", "neon"),
)
LIBRARIES = ("onnxruntime", "openvino", "tokenizers", "numpy", "torch", "transformers")

# MIDR part numbers of Arm Ltd. (implementer 0x41), from the cores' technical reference manuals.
ARM_CORES = {
    "0xd03": "Cortex-A53",
    "0xd04": "Cortex-A35",
    "0xd05": "Cortex-A55",
    "0xd07": "Cortex-A57",
    "0xd08": "Cortex-A72",
    "0xd09": "Cortex-A73",
    "0xd0a": "Cortex-A75",
    "0xd0b": "Cortex-A76",
    "0xd0c": "Neoverse-N1",
    "0xd40": "Neoverse-V1",
    "0xd41": "Cortex-A78",
    "0xd42": "Cortex-A78AE",
    "0xd49": "Neoverse-N2",
    "0xd4f": "Neoverse-V2",
}


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0\n ")
    except OSError:
        return None


def parse_cpuinfo(text: str) -> dict[str, str]:
    """Return the fields of the first processor of /proc/cpuinfo."""
    fields: dict[str, str] = {}
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if colon:
            fields.setdefault(key.strip(), value.strip())
    return fields


def cpu_model(fields: dict[str, str], device_tree: str | None) -> str:
    """Return the processor's name; ARM boards say it in the device tree and the MIDR part number."""
    if "model name" in fields and "CPU part" not in fields:
        return fields["model name"]
    part = fields.get("CPU part")
    core = ARM_CORES.get(part, part) if part and fields.get("CPU implementer") == "0x41" else part
    names = [name for name in (device_tree, core) if name]
    return ", ".join(names) or platform.processor() or platform.machine() or "unknown"


def isa_flags(fields: dict[str, str]) -> list[str]:
    """Return the flags that matter of a processor, in the order of :data:`ISA_FLAGS`."""
    present = set(fields.get("flags", fields.get("Features", "")).split())
    return [flag for flag in ISA_FLAGS if flag in present]


def library_versions() -> dict[str, str]:
    """Return the versions of the installed libraries that matter, without importing them."""
    installed = {name: next(iter(metadata.distributions(name=name)), None) for name in LIBRARIES}
    return {name: package.version for name, package in installed.items() if package is not None}


def fingerprint(
    *, model: str, arch: str, logical_cpus: int, isa: list[str], memory_bytes: int, system: str, runtime: str
) -> str:
    """Hash what stays the same between runs on one machine and changes the numbers on another.

    Memory counts in whole GiB: firmware and kernel updates move it a little. Host name, clock, load and
    kernel release are left out.
    """
    stable = {
        "cpu": model,
        "arch": arch,
        "logical_cpus": logical_cpus,
        "isa": isa,
        "memory_gib": round(memory_bytes / GIB),
        "system": system,
        "onnxruntime": runtime,
    }
    return hash_json(stable)[:16]


def describe_machine() -> Machine:
    """Probe this machine."""
    fields = parse_cpuinfo(_read(Path("/proc/cpuinfo")) or "")
    model = cpu_model(fields, _read(Path("/proc/device-tree/model")))
    isa = isa_flags(fields)
    logical_cpus = os.cpu_count() or 1
    memory_bytes = int(psutil.virtual_memory().total)
    libraries = library_versions()
    return Machine(
        fingerprint=fingerprint(
            model=model,
            arch=platform.machine(),
            logical_cpus=logical_cpus,
            isa=isa,
            memory_bytes=memory_bytes,
            system=platform.system(),
            runtime=libraries.get("onnxruntime", ""),
        ),
        cpu_model=model,
        arch=platform.machine(),
        logical_cpus=logical_cpus,
        isa=isa,
        memory_bytes=memory_bytes,
        os=_os_name(),
        kernel=platform.release(),
        python=platform.python_version(),
        governor=_read(Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")),
        load_average=round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        libraries=libraries,
    )


def _os_name() -> str:
    """Return the distribution's name, else the system's."""
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    except OSError:
        return platform.system()
