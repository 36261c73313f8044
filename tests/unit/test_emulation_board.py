from __future__ import annotations

import pytest
from pydantic import ValidationError

from edgekd.bench.machine import cpu_model, isa_flags, parse_cpuinfo
from edgekd.devices import CpuInfo, Emulator, load_profiles
from edgekd.emulation.board import board_files, cpuinfo_text, midr, write_prefix

A76 = CpuInfo(implementer="0x41", part="0xd0b", variant=4, revision=1, features=["fp", "asimd", "asimddp"])
EMULATED = {name: profile for name, profile in load_profiles().items() if profile.emulator is not None}


def test_cpuinfo_is_what_a_board_says():
    text = cpuinfo_text(A76, 2)
    assert text.count("processor\t: ") == 2
    fields = parse_cpuinfo(text)
    assert cpu_model(fields, None) == "Cortex-A76"
    assert isa_flags(fields) == ["asimd", "asimddp"]
    assert fields["CPU variant"] == "0x4"
    assert text.startswith("processor\t: 0\n")
    assert text.endswith("CPU revision\t: 1\n\n")


def test_the_id_register_holds_implementer_variant_architecture_part_and_revision():
    assert hex(midr(A76)) == "0x414fd0b1"


def test_all_cores_are_online():
    files = board_files(A76, 4)
    assert files["sys/devices/system/cpu/online"] == "0-3\n"
    assert files["sys/devices/system/cpu/cpu3/regs/identification/midr_el1"] == "0x00000000414fd0b1\n"
    assert board_files(A76, 1)["sys/devices/system/cpu/possible"] == "0\n"


def test_the_system_is_linked_and_the_board_is_written_beside_it(tmp_path):
    root, prefix = tmp_path / "root", tmp_path / "prefix"
    for name in ("usr", "lib", "proc"):
        (root / name).mkdir(parents=True)
    (root / "usr" / "file").write_text("shared")
    prefix.mkdir()
    write_prefix(prefix, root, A76, 2)
    assert (prefix / "usr" / "file").read_text() == "shared"
    assert sorted(path.name for path in prefix.iterdir()) == ["lib", "proc", "sys", "usr"]
    assert not (prefix / "proc").is_symlink()
    assert (prefix / "proc" / "cpuinfo").read_text() == cpuinfo_text(A76, 2)
    assert list((root / "proc").iterdir()) == []


def test_programs_of_this_machine_see_this_machine(tmp_path):
    write_prefix(tmp_path, None, None, 4)
    assert list(tmp_path.iterdir()) == []


def test_the_targets_that_can_be_emulated():
    assert {name: profile.emulator.cpu for name, profile in EMULATED.items()} == {
        "jetson-agx-orin": "cortex-a76",
        "jetson-nano": "cortex-a57",
        "jetson-orin-nano": "cortex-a76",
        "jetson-xavier-nx": "cortex-a72",
        "raspberry-pi-3": "cortex-a53",
        "raspberry-pi-4": "cortex-a72",
        "raspberry-pi-5": "cortex-a76",
        "raspberry-pi-zero-2-w": "cortex-a53",
        "x86-avx2": "Haswell-noTSX",
    }


@pytest.mark.parametrize("name", sorted(EMULATED))
def test_the_emulated_features_are_those_of_the_profile(name):
    profile = EMULATED[name]
    assert profile.emulator.arch == profile.cpu.arch
    if profile.emulator.cpuinfo is not None:
        features = profile.emulator.cpuinfo.features
        assert ("asimddp" in features) == ("dotprod" in profile.cpu.isa)
        # An emulated processor may lack an instruction of the board, if the profile says so; it never has one more.
        assert "asimdhp" not in features or "fp16" in profile.cpu.isa
        assert ("asimdhp" in features) == ("fp16" in profile.cpu.isa) or "fp16" in profile.emulator.note
    facts = " ".join(source.fact for source in profile.sources)
    assert "emulated" in facts


def test_an_arm_processor_without_cpuinfo_is_refused():
    with pytest.raises(ValidationError, match="cpuinfo is needed for aarch64"):
        Emulator(arch="aarch64", cpu="cortex-a72", glibc="2.36")
