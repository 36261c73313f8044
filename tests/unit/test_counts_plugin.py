"""The plugin counts exactly what a program of a few instructions executes. The programs are written byte by byte."""

import platform
import shutil
import struct
import subprocess

import pytest

from edgekd.bench.counts import plugin
from edgekd.bench.counts.plugin import SOURCE, counting_command
from edgekd.bench.counts.regions import MAGIC, Region, parse_plugin_log
from edgekd.emulation import plugin_qemu
from edgekd.emulation.plugin_build import built_plugin, compiler
from edgekd.emulation.plugin_qemu import PluginQemu, checked, find_plugin_qemu
from edgekd.emulation.store import emulation_dir
from edgekd.emulation.unavailable import EmulationUnavailable

LOAD_AT = 0x400000
AARCH64, X86_64 = 183, 62  # e_machine
TURNS = 1000


def elf(machine, code):
    """Return a program that the kernel loads as it is: one segment, no libraries."""
    header = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 2, machine, 1, LOAD_AT + 120, 64, 0, 0, 64, 56, 1, 0, 0, 0
    )
    size = 120 + len(code)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, LOAD_AT, LOAD_AT, size, size, 0x1000)
    return header + segment + code


def a64(*words):
    return struct.pack(f"<{len(words)}I", *words)


def mark_a64(tag):
    """close(MAGIC + tag): movz x8, 57; movz w0, low; movk w0, high, lsl 16; svc 0."""
    return a64(0xD2800728, 0x52800000 | tag << 5, 0x72A00000 | (MAGIC >> 16) << 5, 0xD4000001)


def mark_x86(tag):
    """close(MAGIC + tag): mov eax, 3; mov edi, MAGIC + tag; syscall."""
    return b"\xb8" + struct.pack("<I", 3) + b"\xbf" + struct.pack("<I", MAGIC + tag) + b"\x0f\x05"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Run a program under an emulator and return its regions; skipped where the tools are neither here nor cached."""
    fetched = emulation_dir() / f"qemu-plugins-{platform.machine()}"
    if not fetched.is_dir() and shutil.which("qemu-x86_64") is None:
        pytest.skip("needs QEMU with plugins; 'edgekd bench --counts' fetches it")
    try:
        compiler()
    except EmulationUnavailable as error:
        pytest.skip(error.message)
    folder = tmp_path_factory.mktemp("counts")

    def run_program(arch, cpu, code):
        program, log = folder / "program", folder / "log"
        program.write_bytes(elf({"aarch64": AARCH64, "x86_64": X86_64}[arch], code))
        program.chmod(0o755)
        command = counting_command(find_plugin_qemu(arch, print), built_plugin(SOURCE, "counter", print), log)
        subprocess.run([*command, "-cpu", cpu, str(program)], check=True, timeout=60)
        return parse_plugin_log(log.read_text())

    return run_program


def test_a_loop_on_arm_is_counted_exactly_and_by_class(run):
    loop = a64(
        0x4E22CC20,  # fmla v0.4s, v1.4s, v2.4s
        0x4E8694A4,  # sdot v4.4s, v5.16b, v6.16b
        0x0E20C007,  # smull v7.8h, v0.8b, v0.8b
        0x2E20FC00,  # fdiv v0.2s, v0.2s, v0.2s
        0x3DC003E3,  # ldr q3, [sp]
        0xF94003E4,  # ldr x4, [sp]
        0xF1000421,  # subs x1, x1, 1
        0x54FFFF21,  # b.ne to the first
    )
    last = a64(0xD2800BA8, 0xD2800000, 0xD4000001)  # exit(0)
    code = mark_a64(1) + a64(0xD2800001 | TURNS << 5) + loop + mark_a64(2) + last
    regions = run("aarch64", "cortex-a76", code)
    assert [region.tag for region in regions] == [1, 2]
    assert regions[0].total == 4
    assert regions[1] == Region(
        2,
        8 * TURNS + 5,
        {
            "load-store": TURNS,
            "vector-load-store": TURNS,
            "branch": TURNS + 1,  # the system call counts as one
            "float-multiply-add": TURNS,
            "float-divide": TURNS,
            "integer-multiply-add": TURNS,
            "dot-product": TURNS,
            "other-scalar": TURNS + 4,
        },
    )


def test_a_loop_on_x86_is_counted_exactly_and_by_class(run):
    loop = bytes.fromhex(
        "c4e275b8c2"  # vfmadd231ps ymm0, ymm1, ymm2
        "c4e27504c2"  # vpmaddubsw ymm0, ymm1, ymm2
        "c5f45ec2"  # vdivps ymm0, ymm1, ymm2
        "c5f458c2"  # vaddps ymm0, ymm1, ymm2
        "c4e2f0f2c1"  # andn rax, rcx, rcx
        "0f58c1"  # addps xmm0, xmm1
        "ffc9"  # dec ecx
    )
    loop += b"\x75" + struct.pack("<b", -(len(loop) + 2))  # jnz to the first
    last = bytes.fromhex("b83c00000031ff0f05")  # exit(0)
    code = mark_x86(1) + b"\xb9" + struct.pack("<I", TURNS) + loop + mark_x86(2) + last
    regions = run("x86_64", "Haswell-noTSX", code)
    assert regions[1] == Region(
        2,
        8 * TURNS + 4,
        {
            "branch": TURNS,
            "float-multiply-add": TURNS,
            "float-divide": TURNS,
            "integer-multiply-add": TURNS,
            "other-vector": 2 * TURNS,
            "other-scalar": 2 * TURNS + 4,
        },
    )


def test_a_system_call_that_is_no_mark_ends_no_region(run):
    last = a64(0xD2800BA8, 0xD2800000, 0xD4000001)  # exit(0)
    other = a64(0xD2800728, 0x52800020, 0xD4000001)  # close(1)
    regions = run("aarch64", "cortex-a53", mark_a64(1) + other + mark_a64(2) + last)
    assert [(region.tag, region.total) for region in regions] == [(1, 4), (2, 7)]


def test_the_plugin_writes_to_the_log_of_the_emulator(tmp_path, monkeypatch):
    monkeypatch.setattr(plugin, "fixed_addresses", lambda: ("setarch", "-R"))
    command = counting_command(PluginQemu(("loader", "qemu-aarch64"), "7.2.1"), tmp_path / "p.so", tmp_path / "log")
    assert command[:6] == ("setarch", "-R", "loader", "qemu-aarch64", "-seed", "1")
    assert command[6:] == ("-plugin", str(tmp_path / "p.so"), "-d", "plugin", "-D", str(tmp_path / "log"))


def test_without_a_compiler_the_message_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(EmulationUnavailable, match="There is no C compiler here") as caught:
        compiler()
    assert caught.value.hint == "Install one: apt-get install gcc"


def program(path, version, help_text):
    """Write a program that says these things."""
    path.write_text(
        f'#!/bin/sh\ncase "$1" in --version) echo "qemu-x version {version}";; *) echo "{help_text}";; esac\n'
    )
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("version", "help_text", "fits"),
    [
        ("7.2.22", "-plugin QEMU_PLUGIN", True),
        ("8.2.2", "-plugin QEMU_PLUGIN", True),
        ("7.2.22", "-version", False),  # linked statically
        ("9.0.0", "-plugin QEMU_PLUGIN", False),  # another interface
        ("6.2.0", "-plugin QEMU_PLUGIN", False),  # without the cores
    ],
)
def test_an_emulator_must_take_plugins_and_have_their_interface(tmp_path, version, help_text, fits):
    path = program(tmp_path / "qemu-x", version, help_text)
    assert checked((path,)) == (PluginQemu((path,), version) if fits else None)


def test_an_installed_emulator_is_taken_before_anything_is_fetched(tmp_path, monkeypatch):
    path = program(tmp_path / "qemu-aarch64", "7.2.22", "-plugin QEMU_PLUGIN")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(plugin_qemu, "prepared", None)
    assert find_plugin_qemu("aarch64", print) == PluginQemu((path,), "7.2.22")
