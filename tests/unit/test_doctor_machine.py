"""What the doctor reads, on made-up machines."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekd.bench.cores import core_name
from edgekd.bench.machine import core_names, cpu_model, fingerprint, meminfo, parse_processors
from edgekd.bench.power_mode import parse_nvpmodel
from edgekd.bench.tools import run
from edgekd.doctor import diagnose
from edgekd.doctor.board import read_board
from edgekd.doctor.emulator import emulated_by
from edgekd.doctor.heat import read_heat
from edgekd.doctor.memory import cpu_quota, group_folders, read_memory
from edgekd.doctor.processor import read_processor
from edgekd.doctor.software import find_runtimes, read_software
from edgekd.doctor.system import System, count_listed, parse_size
from tests import machines

MIB = 1 << 20


def test_a_raspberry_pi_5_is_described(tmp_path):
    system = machines.pi5(tmp_path)
    cpu = read_processor(system, "aarch64", 4)
    assert cpu.model == "Raspberry Pi 5 Model B Rev 1.0, Cortex-A76"
    assert (cpu.logical_cpus, cpu.physical_cores, cpu.threads_per_core) == (4, 4, 1)
    assert (cpu.kinds, cpu.parts) == ({"Cortex-A76": 4}, ["0x41 0xd0b"])
    assert cpu.isa == ["asimd", "asimdhp", "fphp", "asimddp"]
    assert (cpu.min_hz, cpu.max_hz, cpu.current_hz) == (1.5e9, 2.4e9, 1.5e9)
    assert (cpu.governor, cpu.load_average) == ("ondemand", 0.08)
    assert [(c.level, c.size_bytes, c.shared_by) for c in cpu.caches] == [
        (1, 65536, 1),
        (2, 524288, 1),
        (3, 2097152, 4),
    ]
    board = read_board(system)
    assert (board.name, board.firmware) == ("Raspberry Pi 5 Model B Rev 1.0", "2024/09/23 14:02:56")
    assert (board.virtual, board.container, board.jetpack, board.power_mode) == (None, None, None, None)
    heat = read_heat(system)
    assert (heat.temperature_c, heat.throttled) == (61.7, ["under-voltage since boot"])
    memory = read_memory(system)
    assert (memory.total_bytes, memory.swap_bytes, memory.swap_used_bytes) == (8052 * MIB, 512 * MIB, 0)
    assert memory.limit_bytes is None


def test_a_jetson_says_jetpack_and_power_mode_and_a_sensor_that_is_off_does_not_count(tmp_path):
    system = machines.orin(tmp_path)
    board = read_board(system)
    assert board.jetpack == "JetPack 6.2, L4T 36.4.3, TensorRT 10.3.0.30"
    assert board.power_mode == "15W"
    assert read_processor(system, "aarch64").kinds == {"Cortex-A78AE": 6}
    assert read_heat(system).temperature_c == 48.5
    assert read_memory(system).swap_used_bytes == 810 * MIB


def test_a_small_pc_is_described_without_the_placeholders_of_its_maker(tmp_path):
    system = machines.n100(tmp_path)
    assert read_board(system).name == "AN1"
    cpu = read_processor(system, "x86_64")
    assert (cpu.model, cpu.isa[-1], cpu.max_hz, cpu.current_hz) == ("Intel(R) N100", "avx_vnni", 3.4e9, 806.4e6)
    heat = read_heat(system)
    assert heat.temperature_c == 84.0
    assert heat.throttled == ["thermal throttling of the package, 12 times since boot"]


def test_a_container_in_a_virtual_machine_says_both_and_its_limits(tmp_path):
    system = machines.virtual_machine(tmp_path)
    board = read_board(system)
    assert (board.virtual, board.container, board.cpu_quota) == ("QEMU", "docker", 0.5)
    cpu = read_processor(system, "x86_64")
    assert (cpu.logical_cpus, cpu.physical_cores, cpu.threads_per_core) == (4, 2, 2)
    assert cpu.current_hz == 806.4e6  # from /proc/cpuinfo
    assert (cpu.governor, cpu.max_hz, cpu.caches) == (None, None, [])
    assert read_memory(system).limit_bytes == 1 << 30  # of the group above


def test_an_empty_system_is_no_error(tmp_path):
    system = System(tmp_path, {})
    cpu = read_processor(system)
    assert cpu.logical_cpus >= 1
    assert (cpu.isa, cpu.kinds, cpu.parts, cpu.physical_cores) == ([], {}, [], None)
    board = read_board(system)
    assert (board.name, board.virtual, board.container, board.cpu_quota) == (None, None, None, None)
    assert read_heat(system).throttled == []
    memory = read_memory(system)
    assert memory.total_bytes > 64 * MIB  # asked of the C library instead
    assert (memory.available_bytes, memory.swap_bytes) == (None, None)


def test_cores_of_two_kinds_are_counted():
    rows = parse_processors(machines.arm_cpuinfo(["0xd05"] * 4 + ["0xd0b"] * 2))
    assert len(rows) == 6
    assert core_names(rows) == {"Cortex-A55": 4, "Cortex-A76": 2}
    assert cpu_model(rows[0], "Radxa ROCK 5B", core_names(rows)) == "Radxa ROCK 5B, 4x Cortex-A55 + 2x Cortex-A76"
    assert cpu_model(rows[0], "Pi", {"Cortex-A55": 4}) == "Pi, Cortex-A55"


def test_cores_of_other_makers_have_their_names():
    assert core_name("0x4e", "0x004") == "NVIDIA Carmel"
    assert core_name("0x41", "0x004") == "0x004"
    assert core_name("0x41", None) is None


def test_the_power_mode_is_part_of_the_fingerprint_only_where_there_is_one():
    facts = {"model": "Orin", "arch": "aarch64", "logical_cpus": 6, "isa": ["asimd"], "memory_bytes": 8 << 30}
    facts |= {"system": "Linux", "runtime": "1.23.2"}
    assert fingerprint(**facts) == fingerprint(**facts, power_mode=None)
    modes = {fingerprint(**facts, power_mode=mode) for mode in (None, "15W", "MAXN_SUPER")}
    assert len(modes) == 3


def test_old_fingerprints_stay_what_they_were():
    """Stored baselines carry them: this value was computed before the power mode was known."""
    assert (
        fingerprint(
            model="Raspberry Pi 5 Model B Rev 1.0, Cortex-A76",
            arch="aarch64",
            logical_cpus=4,
            isa=["asimd", "asimdhp", "fphp", "asimddp"],
            memory_bytes=8 << 30,
            system="Linux",
            runtime="1.31.1",
        )
        == "78832a2b23402bda"
    )


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("NV Power Mode: MAXN_SUPER\n2\n", "MAXN_SUPER"),
        ("NVPM WARN: fan mode is not set!\nNV Power Mode: MODE_15W_6CORE\n2\n", "MODE_15W_6CORE"),
        ("NV Power Mode:\n", None),
        ("", None),
    ],
)
def test_the_mode_is_read_from_nvpmodel(text, mode):
    assert parse_nvpmodel(text) == mode


def test_a_program_that_is_missing_or_fails_says_nothing():
    assert run(["edgekd-no-such-program"]) is None
    assert run([sys.executable, "-c", "raise SystemExit(3)"]) is None
    assert run([sys.executable, "-c", "print(' yes ')"]) == "yes"


@pytest.mark.parametrize(("text", "count"), [("0-3", 4), ("0", 1), ("0-1,4-5,9", 5), ("", 0), ("\n", 0)])
def test_lists_of_processors_are_counted(text, count):
    assert count_listed(text) == count


@given(st.sets(st.integers(0, 200), min_size=1))
def test_any_list_of_processors_is_counted(numbers):
    assert count_listed(",".join(map(str, sorted(numbers)))) == len(numbers)


@pytest.mark.parametrize(("text", "size"), [("32K", 32768), ("2M", 2 << 20), ("512", 512), ("", None), ("big", None)])
def test_sizes_of_caches(text, size):
    assert parse_size(text) == size


def test_memory_rows_are_bytes(tmp_path):
    machines.write(tmp_path, {"proc/meminfo": "MemTotal:  2 kB\nHugePages_Total:   3\nBroken:\nNot a number: x kB\n"})
    assert meminfo(tmp_path) == {"MemTotal": 2048, "HugePages_Total": 3}


def test_limits_of_the_first_version_of_control_groups_are_read(tmp_path):
    files = {
        "proc/self/cgroup": "4:memory:/docker/abc\n1:cpu,cpuacct:/docker/abc\n0::/\n",
        "proc/meminfo": machines.meminfo(4096, 2048),
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",  # none
        "sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes": "268435456\n",
        "sys/fs/cgroup/cpu/docker/abc/cpu.cfs_quota_us": "150000\n",
        "sys/fs/cgroup/cpu/docker/abc/cpu.cfs_period_us": "100000\n",
        "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
        "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
    }
    system = System(machines.write(tmp_path, files), {})
    assert read_memory(system).limit_bytes == 256 * MIB
    assert cpu_quota(system) == 1.5
    assert list(group_folders(system, "memory")) == [
        "sys/fs/cgroup/memory/docker/abc",
        "sys/fs/cgroup/memory/docker",
        "sys/fs/cgroup/memory",
        "sys/fs/cgroup",
    ]


def test_an_emulator_is_known_by_the_kernel_and_by_the_variable(tmp_path, monkeypatch):
    monkeypatch.delenv("EDGEKD_EVIDENCE", raising=False)
    system = System(machines.write(tmp_path, {"sys/devices/system/cpu/modalias": "cpu:type:x86,ven0002fam0019"}), {})
    assert emulated_by(system, "x86_64") is None
    assert "kernel" in emulated_by(system, "aarch64")
    assert emulated_by(System(tmp_path / "none", {}), "aarch64") is None
    monkeypatch.setenv("EDGEKD_EVIDENCE", "device")  # a variable makes numbers worth less, never more
    assert emulated_by(system, "x86_64") is None
    monkeypatch.setenv("EDGEKD_EVIDENCE", "emulated")
    assert emulated_by(system, "x86_64") == "EDGEKD_EVIDENCE=emulated is set"


def test_what_an_emulator_does_not_replace_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEKD_EVIDENCE", "emulated")
    found = diagnose(seconds=0, system=machines.pi5(tmp_path))
    assert found.processor.kinds == {"Cortex-A76": 4}
    assert (found.processor.caches, found.processor.governor, found.processor.max_hz) == ([], None, None)
    assert (found.board.name, found.heat.temperature_c) == (None, None)
    assert [advice.topic for advice in found.advice] == ["emulation"]


def test_a_diagnosis_carries_the_fingerprint_of_results():
    from edgekd.bench.machine import describe_machine

    found = diagnose(seconds=0)
    assert found.fingerprint == describe_machine().fingerprint
    assert (found.test, found.no_test) == (None, "not asked for")


def test_the_software_names_python_and_the_runtimes_with_their_providers():
    software = read_software()
    assert software.python == ".".join(map(str, sys.version_info[:3]))
    assert software.bits in (32, 64)
    runtimes = {one.name: one for one in software.runtimes}
    assert "CPUExecutionProvider" in runtimes["onnxruntime"].providers
    assert {"numpy", "tokenizers"} <= set(runtimes)


def test_a_runtime_that_cannot_be_imported_says_why(monkeypatch):
    def fail(name):
        raise ImportError(f"/lib/libc.so.6: version `GLIBC_2.38' not found ({name})\nmore")

    monkeypatch.setattr("edgekd.doctor.software.import_module", fail)
    found = {one.name: one for one in find_runtimes()}
    assert found["onnxruntime"].problem == "/lib/libc.so.6: version `GLIBC_2.38' not found (onnxruntime)"
    assert found["onnxruntime"].version


def test_the_doctor_runs_with_python_alone():
    """On a board nothing else may be there; then it says what is missing."""
    code = """
import sys
class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] not in sys.stdlib_module_names and not name.startswith('edgekd'):
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)
sys.meta_path.insert(0, Nothing())
sys.argv = ['doctor', '--json', '--seconds', '0.1']
import runpy
runpy.run_module('edgekd.doctor', run_name='__main__')
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["test"] is None
    assert found["no_test"].startswith("it needs numpy and onnxruntime")
    assert {advice["topic"] for advice in found["advice"]} >= {"onnxruntime", "tokenizers", "numpy"}
    assert all(advice["serious"] for advice in found["advice"] if advice["topic"] == "onnxruntime")
