"""What machine this is, and a fingerprint that says whether two results come from the same one.

It must be read on a board that has nothing but Python: other packages are imported where a record is made.
"""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from edgekd.artifacts import hash_json
from edgekd.bench.cores import core_name
from edgekd.bench.power_mode import power_mode
from edgekd.bench.sysfs import read_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from edgekd.results import Machine

GIB = 1 << 30
ROOT = Path("/")

# Instructions that decide how fast a small classifier runs; names as in /proc/cpuinfo.
ISA_FLAGS = (
    *("sse4_2", "avx", "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512vl", "avx512_vnni", "avx_vnni"),
    *("avx512_bf16", "avx512_fp16", "amx_tile", "amx_int8", "amx_bf16"),
    *("asimd", "asimdhp", "fphp", "asimddp", "i8mm", "bf16", "sve", "sve2", "neon"),
)
LIBRARIES = ("onnxruntime", "openvino", "tokenizers", "numpy", "torch", "transformers")


def parse_processors(text: str) -> list[dict[str, str]]:
    """Return the fields of each processor of /proc/cpuinfo."""
    found: list[dict[str, str]] = [{}]
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        name = key.strip()
        if not colon:
            continue
        if name == "processor" and "processor" in found[-1]:
            found.append({})
        found[-1].setdefault(name, value.strip())
    return [fields for fields in found if fields]


def parse_cpuinfo(text: str) -> dict[str, str]:
    """Return the fields of the first processor of /proc/cpuinfo."""
    return next(iter(parse_processors(text)), {})


def core_names(processors: Iterable[Mapping[str, str]]) -> dict[str, int]:
    """Return the kinds of ARM cores and how many there are of each; empty on x86."""
    counts: dict[str, int] = {}
    for fields in processors:
        name = core_name(fields.get("CPU implementer"), fields.get("CPU part"))
        if name is not None:
            counts[name] = counts.get(name, 0) + 1
    return counts


def cpu_model(fields: Mapping[str, str], device_tree: str | None, kinds: Mapping[str, int] | None = None) -> str:
    """Return the processor's name; ARM boards say it in the device tree and the MIDR part number.

    Args:
        fields: of the first processor.
        device_tree: what the board calls itself.
        kinds: of ARM cores; where there are several (big.LITTLE) they are counted: "4x Cortex-A55 + 4x Cortex-A76".
    """
    if "model name" in fields and "CPU part" not in fields:
        return fields["model name"]
    core = core_name(fields.get("CPU implementer"), fields.get("CPU part"))
    if kinds and len(kinds) > 1:
        core = " + ".join(f"{count}x {name}" for name, count in sorted(kinds.items()))
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


def meminfo(root: Path = ROOT) -> dict[str, int]:
    """Return the rows of /proc/meminfo, in bytes."""
    found = {}
    for line in (read_text(root / "proc/meminfo") or "").splitlines():
        name, _, value = line.partition(":")
        words = value.split()
        if words and words[0].isdigit():
            found[name] = int(words[0]) * (1024 if words[1:] == ["kB"] else 1)
    return found


def memory_bytes(root: Path = ROOT) -> int:
    """Return the size of the memory."""
    total = meminfo(root).get("MemTotal")
    if total is None:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return total


def fingerprint(
    *,
    model: str,
    arch: str,
    logical_cpus: int,
    isa: list[str],
    memory_bytes: int,
    system: str,
    runtime: str,
    power_mode: str | None = None,
) -> str:
    """Hash what stays the same between runs on one machine and changes the numbers on another.

    Memory counts in whole GiB: firmware and kernel updates move it a little. Host name, clock, load and
    kernel release are left out. A Jetson's power mode switches cores off and limits the clocks, so it counts.
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
    if power_mode is not None:
        stable["power_mode"] = power_mode
    return hash_json(stable)[:16]


def describe_machine() -> Machine:
    """Probe this machine."""
    from edgekd.results import Machine

    processors = parse_processors(read_text(Path("/proc/cpuinfo")) or "")
    first = processors[0] if processors else {}
    model = cpu_model(first, read_text(Path("/proc/device-tree/model")), core_names(processors))
    isa = isa_flags(first)
    logical_cpus = os.cpu_count() or 1
    memory = memory_bytes()
    libraries = library_versions()
    mode = power_mode()
    return Machine(
        fingerprint=fingerprint(
            model=model,
            arch=platform.machine(),
            logical_cpus=logical_cpus,
            isa=isa,
            memory_bytes=memory,
            system=platform.system(),
            runtime=libraries.get("onnxruntime", ""),
            power_mode=mode,
        ),
        cpu_model=model,
        arch=platform.machine(),
        logical_cpus=logical_cpus,
        isa=isa,
        memory_bytes=memory,
        os=os_name(),
        kernel=platform.release(),
        python=platform.python_version(),
        governor=read_text(Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")),
        power_mode=mode,
        load_average=round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        libraries=libraries,
    )


def os_name() -> str:
    """Return the distribution's name, else the system's."""
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    except OSError:
        return platform.system()
