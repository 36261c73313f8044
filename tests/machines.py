"""The files of machines as their systems show them: a Raspberry Pi 5, a Jetson Orin Nano, an N100, a virtual one."""

from __future__ import annotations

from pathlib import Path

from edgekd.doctor.system import System

A76 = "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp"
CPU = "sys/devices/system/cpu"


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def arm_cpuinfo(parts: list[str], features: str = A76, implementer: str = "0x41") -> str:
    return "".join(
        f"processor\t: {number}\nBogoMIPS\t: 108.00\nFeatures\t: {features}\nCPU implementer\t: {implementer}\n"
        f"CPU architecture: 8\nCPU variant\t: 0x4\nCPU part\t: {part}\nCPU revision\t: 1\n\n"
        for number, part in enumerate(parts)
    )


def x86_cpuinfo(model: str, flags: str, count: int) -> str:
    return "".join(
        f"processor\t: {number}\nvendor_id\t: GenuineIntel\nmodel name\t: {model}\ncpu MHz\t\t: 806.400\n"
        f"flags\t\t: {flags}\n\n"
        for number in range(count)
    )


def meminfo(total_mib: int, free_mib: int, swap_mib: int = 0, swap_free_mib: int = 0) -> str:
    rows = {"MemTotal": total_mib, "MemAvailable": free_mib, "SwapTotal": swap_mib, "SwapFree": swap_free_mib}
    return "".join(f"{name}:{value * 1024:>12} kB\n" for name, value in rows.items())


def clocks(count: int, low_khz: int, high_khz: int, now_khz: int, governor: str) -> dict[str, str]:
    files = {}
    for cpu in range(count):
        folder = f"{CPU}/cpu{cpu}/cpufreq"
        files |= {f"{folder}/cpuinfo_min_freq": f"{low_khz}\n", f"{folder}/cpuinfo_max_freq": f"{high_khz}\n"}
        files |= {f"{folder}/scaling_cur_freq": f"{now_khz}\n", f"{folder}/scaling_governor": f"{governor}\n"}
        files[f"{CPU}/cpu{cpu}/topology/thread_siblings_list"] = f"{cpu}\n"
    return files


def caches(*levels: tuple[int, str, str, str]) -> dict[str, str]:
    files = {}
    for index, (level, kind, size, shared) in enumerate(levels):
        folder = f"{CPU}/cpu0/cache/index{index}"
        files |= {f"{folder}/level": f"{level}\n", f"{folder}/type": f"{kind}\n", f"{folder}/size": f"{size}\n"}
        files[f"{folder}/shared_cpu_list"] = f"{shared}\n"
    return files


def pi5(root: Path) -> System:
    """Return a Raspberry Pi 5 that had too little voltage once and is warm."""
    files = {
        "proc/cpuinfo": arm_cpuinfo(["0xd0b"] * 4),
        "proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0",
        "proc/meminfo": meminfo(8052, 7000, 512, 512),
        "proc/loadavg": "0.08 0.03 0.01 1/180 1234\n",
        f"{CPU}/online": "0-3\n",
        "sys/devices/platform/soc/soc:firmware/get_throttled": "10000\n",
        "sys/class/thermal/thermal_zone0/temp": "61700\n",
        **clocks(4, 1500000, 2400000, 1500000, "ondemand"),
        **caches((1, "Data", "64K", "0"), (1, "Instruction", "64K", "0"), (2, "Unified", "512K", "0"))
        | {f"{CPU}/cpu0/cache/index3/{name}": text for name, text in
           (("level", "3"), ("type", "Unified"), ("size", "2048K"), ("shared_cpu_list", "0-3"))},
    }  # fmt: skip
    return System(write(root, files), {"vcgencmd version": "2024/09/23 14:02:56\nCopyright (c) 2012 Broadcom\n"})


def orin(root: Path) -> System:
    """Return a Jetson Orin Nano with JetPack 6.2 in its 15 W mode."""
    files = {
        "proc/cpuinfo": arm_cpuinfo(["0xd42"] * 6),
        "proc/device-tree/model": "NVIDIA Jetson Orin Nano Developer Kit\0",
        "proc/meminfo": meminfo(7620, 5200, 3810, 3000),
        f"{CPU}/online": "0-5\n",
        "etc/nv_tegra_release": "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64\n",
        "var/lib/dpkg/status": (
            "Package: nvidia-jetpack\nStatus: install ok installed\nVersion: 6.2+b77\n\n"
            "Package: tensorrt\nStatus: install ok installed\nVersion: 10.3.0.30-1+cuda12.5\n\n"
            "Package: zlib1g\nVersion: 1.2.11\n"
        ),
        "sys/class/thermal/thermal_zone0/temp": "-256000\n",  # a GPU that is switched off
        "sys/class/thermal/thermal_zone1/temp": "48500\n",
        **clocks(6, 115200, 1510400, 1510400, "schedutil"),
    }
    return System(write(root, files), {"nvpmodel -q": "NV Power Mode: 15W\n0\n"})


def n100(root: Path) -> System:
    """Return a small PC whose maker left placeholders in its firmware."""
    flags = "fpu sse4_2 avx f16c avx2 fma avx_vnni"
    files = {
        "proc/cpuinfo": x86_cpuinfo("Intel(R) N100", flags, 4),
        "proc/meminfo": meminfo(15771, 12000),
        f"{CPU}/online": "0-3\n",
        "sys/class/dmi/id/sys_vendor": "Default string\n",
        "sys/class/dmi/id/product_name": "AN1\n",
        "sys/class/hwmon/hwmon1/name": "coretemp\n",
        "sys/class/hwmon/hwmon1/temp1_input": "84000\n",
        f"{CPU}/cpu0/thermal_throttle/package_throttle_count": "12\n",
        **clocks(4, 700000, 3400000, 806400, "powersave"),
    }
    return System(write(root, files), {})


def virtual_machine(root: Path) -> System:
    """Return a container in a KVM guest with hyper-threads, a limited group, and full memory."""
    files = {
        "proc/cpuinfo": x86_cpuinfo("Intel(R) Xeon(R) Processor", "fpu avx avx2 fma hypervisor", 4),
        "proc/meminfo": meminfo(4096, 150, 2048, 1024),
        "proc/loadavg": "3.10 2.00 1.00 1/180 1234\n",
        "proc/self/cgroup": "0::/box/inner\n",
        ".dockerenv": "",
        f"{CPU}/online": "0-3\n",
        "sys/class/dmi/id/sys_vendor": "QEMU\n",
        "sys/class/dmi/id/product_name": "Standard PC (Q35 + ICH9, 2009)\n",
        "sys/fs/cgroup/box/memory.max": "1073741824\n",
        "sys/fs/cgroup/box/inner/memory.max": "max\n",
        "sys/fs/cgroup/box/inner/cpu.max": "50000 100000\n",
        **{f"{CPU}/cpu{n}/topology/thread_siblings_list": f"{n % 2},{n % 2 + 2}\n" for n in range(4)},
    }
    return System(write(root, files), {})
