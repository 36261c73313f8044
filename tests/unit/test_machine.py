from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from edgekd.bench import memory
from edgekd.bench.machine import cpu_model, describe_machine, fingerprint, isa_flags, parse_cpuinfo

X86 = """processor\t: 0
model name\t: Toy(R) CPU 9000 @ 2.40GHz
flags\t\t: fpu sse4_2 avx2 avx512_vnni toyflag

processor\t: 1
model name\t: Another
flags\t\t: fpu
"""
PI = """processor\t: 0
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm crc32 atomics fphp asimdhp asimddp
CPU implementer\t: 0x41
CPU part\t: 0xd0b
"""
FACTS = {
    "model": "Toy",
    "arch": "x86_64",
    "logical_cpus": 4,
    "isa": ["avx2"],
    "memory_bytes": 8 << 30,
    "system": "Linux",
    "runtime": "1.31.1",
}


def test_x86_says_its_name_and_flags():
    fields = parse_cpuinfo(X86)
    assert cpu_model(fields, None) == "Toy(R) CPU 9000 @ 2.40GHz"
    assert isa_flags(fields) == ["sse4_2", "avx2", "avx512_vnni"]


def test_a_board_is_named_by_device_tree_and_core():
    fields = parse_cpuinfo(PI)
    assert cpu_model(fields, "Raspberry Pi 5 Model B Rev 1.0") == "Raspberry Pi 5 Model B Rev 1.0, Cortex-A76"
    assert cpu_model(fields, None) == "Cortex-A76"
    assert isa_flags(fields) == ["asimd", "asimdhp", "fphp", "asimddp"]


def test_unknown_parts_keep_their_number_and_nothing_has_a_name_too():
    assert cpu_model({"CPU implementer": "0x41", "CPU part": "0xfff"}, None) == "0xfff"
    assert cpu_model({"CPU implementer": "0x61", "CPU part": "0xd0b"}, None) == "0xd0b"
    assert cpu_model({}, None)


@pytest.mark.parametrize(
    "change",
    [
        {"model": "Other"},
        {"arch": "aarch64"},
        {"logical_cpus": 8},
        {"isa": ["avx2", "avx512_vnni"]},
        {"memory_bytes": 16 << 30},
        {"system": "Darwin"},
        {"runtime": "1.30.0"},
    ],
)
def test_another_machine_has_another_fingerprint(change):
    assert fingerprint(**(FACTS | change)) != fingerprint(**FACTS)


def test_a_few_megabytes_are_no_other_machine():
    assert fingerprint(**(FACTS | {"memory_bytes": (8 << 30) - (40 << 20)})) == fingerprint(**FACTS)


def test_the_fingerprint_leaves_host_name_kernel_and_load_out(monkeypatch):
    before = describe_machine()
    monkeypatch.setattr(platform, "node", lambda: "elsewhere")
    monkeypatch.setattr(platform, "release", lambda: "99.9")
    monkeypatch.setattr("os.getloadavg", lambda: (77.0, 0.0, 0.0))
    after = describe_machine()
    assert (after.kernel, after.load_average) == ("99.9", 77.0)
    assert after.fingerprint == before.fingerprint
    assert "elsewhere" not in after.model_dump_json()


def test_this_machine_is_described_without_importing_a_runtime():
    code = (
        "import sys; from edgekd.bench.machine import describe_machine; m = describe_machine()\n"
        "assert m.libraries['onnxruntime'] and m.memory_bytes > 1 << 28 and m.cpu_model\n"
        "print([n for n in ('onnxruntime', 'torch', 'tokenizers', 'numpy') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# Memory


def test_memory_follows_what_is_allocated():
    before = memory.rss_bytes()
    block = bytearray(b"x" * (40 << 20))
    assert memory.rss_bytes() - before > 30 << 20
    del block
    assert memory.peak_rss_bytes() >= before + (30 << 20)


def test_status_is_read_in_kibibytes(tmp_path, monkeypatch):
    status = tmp_path / "status"
    status.write_text("Name:\tpython\nVmHWM:\t  2048 kB\nVmRSS:\t  1024 kB\n", encoding="utf-8")
    monkeypatch.setattr(memory, "_STATUS", status)
    assert (memory.rss_bytes(), memory.peak_rss_bytes()) == (1 << 20, 2 << 20)


def test_without_proc_other_sources_are_used(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "_STATUS", tmp_path / "absent")
    assert memory.rss_bytes() > 1 << 20
    assert memory.peak_rss_bytes() > 1 << 20
