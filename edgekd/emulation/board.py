"""What the system of a board says about its processor, as files that QEMU shows to its program.

QEMU maps an absolute path to PREFIX/path where that exists. Without these files a program for ARM reads
``/proc/cpuinfo`` of this x86 machine, and the runtime's processor detection dies of it (seen with QEMU 7.2). With those
of another board it takes instructions that the emulated processor does not have. So they come from the same profile as
``-cpu``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from edgekd.devices import CpuInfo


def cpuinfo_text(info: CpuInfo, cores: int) -> str:
    """Return ``/proc/cpuinfo`` as Linux writes it on arm64."""
    lines = [
        "BogoMIPS\t: 108.00",
        f"Features\t: {' '.join(info.features)}",
        f"CPU implementer\t: {info.implementer}",
        "CPU architecture: 8",
        f"CPU variant\t: 0x{info.variant:x}",
        f"CPU part\t: {info.part}",
        f"CPU revision\t: {info.revision}",
    ]
    return "".join("\n".join([f"processor\t: {core}", *lines]) + "\n\n" for core in range(cores))


def fewer_flags(own: str, model: str, flags: Iterable[str]) -> str:
    """Return ``/proc/cpuinfo`` of this x86 machine with the name and the flags of another processor.

    Everything else stays, because libraries read from it which processors there are.

    Args:
        own: of this machine.
        model: name of the other processor.
        flags: it has. Those that a profile leaves unsaid are missing, which costs speed at most.
    """
    changed = {"model name": model, "flags": " ".join(flags)}
    lines = []
    for line in own.splitlines():
        key = line.partition(":")[0].strip()
        lines.append(f"{key}\t: {changed[key]}" if key in changed else line)
    return "\n".join(lines) + "\n"


def midr(info: CpuInfo) -> int:
    """Return the main ID register (Arm Architecture Reference Manual, MIDR_EL1; architecture is 0xf since Armv7)."""
    implementer, part = int(info.implementer, 16), int(info.part, 16)
    return implementer << 24 | info.variant << 20 | 0xF << 16 | part << 4 | info.revision


def board_files(info: CpuInfo, cores: int) -> dict[str, str]:
    """Return the files below the prefix, by path."""
    cpus = "sys/devices/system/cpu"
    every = f"0-{cores - 1}\n" if cores > 1 else "0\n"
    files = {"proc/cpuinfo": cpuinfo_text(info, cores)}
    files |= {f"{cpus}/{name}": every for name in ("possible", "present", "online")}
    for core in range(cores):
        files[f"{cpus}/cpu{core}/regs/identification/midr_el1"] = f"0x{midr(info):016x}\n"
    return files


def write_prefix(folder: Path, root: Path | None, info: CpuInfo | None, cores: int) -> None:
    """Fill a folder for ``qemu -L``: the files of the board, and links to the rest of a system.

    Args:
        folder: empty; the shared system stays as it is, so that several boards can be emulated at once.
        root: the unpacked system; None when programs of this machine run.
        info: what the board says; None leaves it to this machine.
        cores: of the board.
    """
    if root is not None:
        for path in root.iterdir():
            if path.name not in ("proc", "sys"):
                (folder / path.name).symlink_to(path, target_is_directory=path.is_dir())
    if info is not None:
        for name, text in board_files(info, cores).items():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
