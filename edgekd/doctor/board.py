"""The board: what it is sold as, firmware and power mode, and whether this is a virtual machine or a container."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from edgekd.bench.power_mode import parse_nvpmodel
from edgekd.doctor.diagnosis import Board
from edgekd.doctor.memory import cpu_quota

if TYPE_CHECKING:
    from edgekd.doctor.system import System

DMI = "sys/class/dmi/id"
# Texts that makers of PCs leave in their firmware.
PLACEHOLDERS = frozenset({"", "default string", "to be filled by o.e.m.", "system manufacturer", "system product name"})
# sys_vendor or product_name of virtual machines, as systemd-detect-virt knows them.
VIRTUAL = (
    *("KVM", "QEMU", "VMware", "VirtualBox", "Xen", "Bochs", "Parallels", "Hyper-V", "Virtual Machine", "Amazon EC2"),
    *("Google Compute Engine", "OpenStack", "Apple Virtualization"),
)
CONTAINERS = ("docker", "kubepods", "containerd", "lxc", "podman", "garden")


def read_board(system: System) -> Board:
    """Describe the board."""
    return Board(
        name=system.text("proc/device-tree/model") or _pc_name(system),
        virtual=_virtual(system),
        container=_container(system),
        cpu_quota=cpu_quota(system),
        power_mode=parse_nvpmodel(system.ask("nvpmodel", "-q") or ""),
        jetpack=_jetpack(system),
        firmware=_firmware(system),
    )


def _pc_name(system: System) -> str | None:
    words = [system.text(f"{DMI}/{name}") or "" for name in ("sys_vendor", "product_name")]
    known = [word for word in words if word.lower() not in PLACEHOLDERS]
    return " ".join(known) or None


def _virtual(system: System) -> str | None:
    """Return what says that this is a virtual machine: its firmware, else the processor's flag."""
    named = f"{system.text(f'{DMI}/sys_vendor') or ''} {system.text(f'{DMI}/product_name') or ''}"
    for name in VIRTUAL:
        if name.lower() in named.lower():
            return name
    if hypervisor := system.text("sys/hypervisor/type"):
        return hypervisor
    tree = system.text("proc/device-tree/compatible") or ""
    if "linux,dummy-virt" in tree:  # the machine "virt" of QEMU
        return "QEMU"
    for line in (system.text("proc/cpuinfo") or "").splitlines():
        if line.startswith("flags") and "hypervisor" in line.split():
            return "a hypervisor"
    return "WSL" if "microsoft" in (system.text("proc/sys/kernel/osrelease") or "").lower() else None


def _container(system: System) -> str | None:
    if (system.root / ".dockerenv").exists():
        return "docker"
    if (system.root / "run/.containerenv").exists():
        return "podman"
    groups = f"{system.text('proc/1/cgroup') or ''} {system.text('proc/self/cgroup') or ''}"
    return next((name for name in CONTAINERS if name in groups), None)


def _jetpack(system: System) -> str | None:
    """Return the versions of a Jetson's system: ``# R36 (release), REVISION: 4.3`` is L4T 36.4.3."""
    found = re.match(r"#\s*R(\d+)\s*\(release\),\s*REVISION:\s*([\d.]+)", system.text("etc/nv_tegra_release") or "")
    if found is None:
        return None
    packages = installed_packages(system, ("nvidia-jetpack", "tensorrt"))
    jetpack = packages.get("nvidia-jetpack", "").partition("+")[0]
    tensorrt = re.match(r"[\d.]+", packages.get("tensorrt", ""))
    parts = [f"JetPack {jetpack}"] if jetpack else []
    parts += [f"L4T {found[1]}.{found[2]}"]
    parts += [f"TensorRT {tensorrt[0].rstrip('.')}"] if tensorrt else []
    return ", ".join(parts)


def installed_packages(system: System, names: tuple[str, ...]) -> dict[str, str]:
    """Return the versions of installed Debian packages."""
    found: dict[str, str] = {}
    name = ""
    for line in (system.text("var/lib/dpkg/status") or "").splitlines():
        if line.startswith("Package: "):
            name = line[9:].strip()
        elif line.startswith("Version: ") and name in names:
            found[name] = line[9:].strip()
    return found


def _firmware(system: System) -> str | None:
    """Return the date of a Raspberry Pi's firmware, the first line of ``vcgencmd version``."""
    if "Raspberry Pi" not in (system.text("proc/device-tree/model") or ""):
        return None
    lines = (system.ask("vcgencmd", "version") or "").splitlines()
    return lines[0].strip() if lines else None
