"""Advice, targets and profiles from diagnoses."""

from __future__ import annotations

import dataclasses
import json

import pytest
import yaml

from edgekd.devices import DeviceProfile, find_profile, int8_for, load_profile_file, load_profiles
from edgekd.doctor import diagnose
from edgekd.doctor.advice import advise
from edgekd.doctor.diagnosis import MicroTest, RuntimeFound, Speed
from edgekd.doctor.profile import check_name, new_profile, profile_text
from edgekd.doctor.read import read_diagnosis
from edgekd.doctor.target import differences, find_target, names_of
from edgekd.errors import ConfigError, InvalidArtifact
from edgekd.report import doctor as report
from tests import machines


def speed(flavour, ratio, low, high, *, rows=24, width=384, error=0.02):
    return Speed(flavour, rows, width, 7e-5, ratio, low, high, error)


def a_test(*speeds, **facts):
    base = [speed("fp32", 1.0, 1.0, 1.0, rows=1, width=128, error=0.0), speed("fp32", 1.0, 1.0, 1.0, error=0.0)]
    return MicroTest(**{"seconds": 10.0, "speeds": [*base, *speeds], "saturates": False, **facts})


def diagnosis(system, arch, **changes):
    """Return what the doctor would say on another machine."""
    found = diagnose(seconds=0, system=system)
    cpu = dataclasses.replace(found.processor, arch=arch, usable_cpus=found.processor.logical_cpus, load_average=0.1)
    software = dataclasses.replace(found.software, bits=64, python="3.11.2", os="Raspberry Pi OS")
    found = dataclasses.replace(found, processor=cpu, software=software, emulated=None)
    return dataclasses.replace(found, **changes)


def topics(found):
    return {advice.topic: advice for advice in advise(found)}


def test_a_quiet_machine_gets_no_advice(tmp_path):
    found = diagnosis(machines.pi5(tmp_path), "aarch64")
    cpu = dataclasses.replace(found.processor, governor="performance")
    heat = dataclasses.replace(found.heat, throttled=[])
    assert advise(dataclasses.replace(found, processor=cpu, heat=heat)) == []


def test_a_pi_is_told_about_its_supply_and_its_governor(tmp_path):
    said = topics(diagnosis(machines.pi5(tmp_path), "aarch64"))
    assert set(said) == {"throttling", "governor"}
    assert "power supply" in said["throttling"].advice
    assert not said["throttling"].serious  # over by now
    assert "scaling_governor" in said["governor"].advice


def test_what_is_up_now_is_serious_and_comes_first(tmp_path):
    found = diagnosis(machines.pi5(tmp_path), "aarch64")
    hot = dataclasses.replace(found.heat, temperature_c=83.0, throttled=["throttled", "under-voltage since boot"])
    said = advise(dataclasses.replace(found, heat=hot))
    assert [(advice.topic, advice.serious) for advice in said] == [
        ("throttling", True),
        ("temperature", True),
        ("throttling", False),
        ("governor", False),
    ]


def test_a_jetson_is_told_about_its_power_mode_and_a_runtime_without_the_gpu(tmp_path):
    found = diagnosis(machines.orin(tmp_path), "aarch64")
    said = topics(found)
    assert "nvpmodel -m 0" in said["power mode"].advice
    assert "no CUDA or TensorRT" in said["GPU"].found
    assert "swap" in said
    runtime = RuntimeFound("onnxruntime-gpu", "1.23.0", ["TensorrtExecutionProvider", "CPUExecutionProvider"])
    software = dataclasses.replace(found.software, runtimes=[runtime])
    board = dataclasses.replace(found.board, power_mode="MAXN_SUPER")
    assert not {"GPU", "power mode"} & set(topics(dataclasses.replace(found, software=software, board=board)))


def test_a_container_with_half_a_processor_is_warned(tmp_path):
    found = diagnosis(machines.virtual_machine(tmp_path), "x86_64")
    said = topics(found)
    assert said["processor limit"].serious
    assert said["processor limit"].found == "0.5 of 4 processors, by the control group"
    assert said["memory"].serious  # 150 MiB are free
    assert said["cores"].found == "4 logical processors are 2 cores"
    assert said["virtual machine"].found == "QEMU"
    busy = dataclasses.replace(found, processor=dataclasses.replace(found.processor, load_average=3.1))
    assert "other load" in topics(busy)


def test_a_32_bit_system_and_missing_packages_are_serious(tmp_path):
    found = diagnosis(machines.pi5(tmp_path), "armv7l")
    software = dataclasses.replace(
        found.software, bits=32, runtimes=[RuntimeFound("onnxruntime", "1.31", problem="GLIBC")]
    )
    said = topics(dataclasses.replace(found, software=software))
    assert all(said[topic].serious for topic in ("system", "onnxruntime", "tokenizers", "numpy"))
    assert "GLIBC" in said["onnxruntime"].found


def test_the_fastest_flavour_is_named_with_those_that_are_as_fast(tmp_path):
    found = diagnosis(machines.pi5(tmp_path), "aarch64")
    test = a_test(speed("U8S8", 0.45, 0.44, 0.47), speed("S8S8 QDQ", 0.46, 0.46, 0.5), speed("U8U8", 0.7, 0.6, 0.8))
    said = topics(dataclasses.replace(found, test=test))["int8"]
    assert said.found == "fastest at 24 x 384 x 384: U8S8 (as fast: S8S8 QDQ), 0.45x the time of fp32"
    slow = a_test(speed("U8S8", 0.97, 0.9, 1.05))
    assert "not for speed" in topics(dataclasses.replace(found, test=slow))["int8"].advice
    small = a_test(speed("U8S8", 0.5, 0.4, 0.6), speed("U8S8", 1.4, 1.3, 1.5, rows=1, width=128))
    assert "one row of 128" in topics(dataclasses.replace(found, test=small))["small models"].found


def test_saturation_calls_for_seven_bits(tmp_path):
    found = diagnosis(machines.n100(tmp_path), "x86_64", test=a_test(speed("U8S8", 0.5, 0.4, 0.6), saturates=True))
    said = [advice for advice in advise(found) if advice.topic == "int8"]
    assert "reduce_range" in said[0].advice
    assert said[1].advice == "quantize, with 7 bits"


@pytest.mark.parametrize(("share", "word"), [(0.55, "worth it"), (0.9, "stay with one")])
def test_a_second_thread_is_judged(tmp_path, share, word):
    found = diagnosis(machines.pi5(tmp_path), "aarch64", test=a_test(two_threads=share))
    assert word in topics(found)["threads"].advice
    busy = dataclasses.replace(found.processor, load_average=3.0)
    assert "threads" not in topics(dataclasses.replace(found, processor=busy))


@pytest.mark.parametrize(
    ("machine", "arch", "target"),
    [
        (machines.pi5, "aarch64", "raspberry-pi-5"),
        (machines.orin, "aarch64", "jetson-orin-nano"),
        (machines.n100, "x86_64", "intel-n100"),
        (machines.virtual_machine, "x86_64", None),
    ],
)
def test_a_machine_finds_its_target(tmp_path, machine, arch, target):
    profile = find_target(diagnosis(machine(tmp_path), arch), load_profiles().values())
    assert (profile and profile.name) == target


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("Raspberry Pi Zero 2 W Rev 1.0", "raspberry-pi-zero-2-w"),
        ("Raspberry Pi 3 Model B Plus Rev 1.3", "raspberry-pi-3"),
        ("Raspberry Pi 400 Rev 1.0", "raspberry-pi-4"),
        ("Raspberry Pi Compute Module 5 Rev 1.0", "raspberry-pi-5"),
        ("NVIDIA Jetson Nano Developer Kit", "jetson-nano"),
        ("NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super", "jetson-orin-nano"),
        ("NVIDIA Jetson AGX Orin Developer Kit", "jetson-agx-orin"),
        ("NVIDIA Jetson Xavier NX Developer Kit", "jetson-xavier-nx"),
        ("Some Board", None),
    ],
)
def test_boards_are_known_by_what_they_call_themselves(tmp_path, name, target):
    found = diagnosis(machines.pi5(tmp_path), "aarch64")
    found = dataclasses.replace(
        found,
        board=dataclasses.replace(found.board, name=name),
        processor=dataclasses.replace(found.processor, model=f"{name}, core"),
    )
    profile = find_target(found, load_profiles().values())
    assert (profile and profile.name) == target


def test_a_board_that_is_another_one_than_its_profile_says_so(tmp_path):
    found = diagnosis(machines.pi5(tmp_path), "aarch64")
    pi5 = find_profile("pi5")
    assert differences(found, pi5) == []
    cpu = dataclasses.replace(found.processor, max_hz=2.8e9, logical_cpus=2, isa=["asimd"])
    said = differences(dataclasses.replace(found, processor=cpu), pi5)
    assert said == [
        "2 processors are on, the profile has 4 cores",
        "the clock goes up to 2.8 GHz, the profile says 2.4 GHz",
        "the processor does not report dotprod, fp16, which the profile relies on",
    ]
    little = diagnosis(machines.pi5(tmp_path / "again"), "aarch64")
    memory = dataclasses.replace(little.memory, total_bytes=4 << 30)
    assert "4 GiB of memory, the profile says 8 GiB" in differences(
        dataclasses.replace(little, memory=memory), find_profile("orin-nano")
    )


def test_flags_get_the_names_of_profiles():
    assert names_of(["asimd", "asimdhp", "fphp", "asimddp", "i8mm"]) == ["neon", "fp16", "dotprod", "i8mm"]
    assert names_of(["avx2", "avx512_vnni"]) == ["avx2", "avx512_vnni"]


# New profiles


def test_a_new_profile_has_the_facts_of_the_machine_and_the_choices_of_its_like(tmp_path):
    found = diagnosis(machines.pi5(tmp_path), "aarch64", test=a_test(copy_bytes_per_s=6.1e9))
    pi5 = find_profile("pi5")
    raw = new_profile("my-pi", found, pi5)
    path = tmp_path / "my-pi.yaml"
    path.write_text(profile_text(raw, pi5.name, "2026-11-21"), encoding="utf-8")
    mine = load_profile_file(path)
    assert (mine.name, mine.cpu.cores, mine.cpu.clock_hz) == ("my-pi", 4, 2.4e9)
    assert (mine.cpu.memory_bytes, mine.cpu.memcpy_bytes_per_s) == (8052 << 20, 6.1e9)
    assert (mine.cpu.l1d_bytes, mine.cpu.l2_bytes, mine.cpu.l3_bytes) == (65536, 524288, 2097152)
    assert mine.cpu.isa == ["neon", "fp16", "dotprod"]
    assert mine.boards == ["Raspberry Pi 5 Model B Rev 1.0"]
    # The same core: what is known about it holds here too.
    assert (mine.cpu.peaks, mine.emulator) == (pi5.cpu.peaks, pi5.emulator)
    assert (mine.ladder, mine.int8, mine.budgets) == (pi5.ladder, pi5.int8, pi5.budgets)
    sources = " ".join(f"{source.fact}: {source.source}" for source in mine.sources)
    assert f"read on the machine {found.created_at[:10]}" in sources
    assert "measured on the machine" in sources
    assert "the profile 'raspberry-pi-5'" in sources
    assert find_profile("my-pi", tmp_path).name == "my-pi"


def test_what_is_known_about_another_core_is_not_taken_over(tmp_path):
    found = diagnosis(machines.orin(tmp_path), "aarch64")
    raw = new_profile("my-orin", found, find_profile("pi5"))
    assert "peaks" not in raw["cpu"]
    assert "emulator" not in raw
    assert "memcpy_bytes_per_s" not in raw["cpu"]  # nothing was measured


def test_a_new_profile_of_a_pc_chooses_int8_by_its_own_flags(tmp_path):
    found = diagnosis(machines.virtual_machine(tmp_path), "x86_64")
    profile = DeviceProfile.model_validate(new_profile("cloud", found, find_profile("cpu")))
    assert profile.cpu.cores == 2
    assert int8_for(profile, []).reduce_range  # no VNNI
    assert not profile.is_this_machine


def test_every_ladder_survives_being_written(tmp_path):
    found = diagnosis(machines.pi5(tmp_path), "aarch64")
    for like in load_profiles().values():
        if like.cpu.arch in ("aarch64", "host"):
            raw = yaml.safe_load(profile_text(new_profile("copy", found, like), like.name, "2026-11-21"))
            assert DeviceProfile.model_validate(raw).ladder == like.ladder


def test_another_architecture_is_no_like(tmp_path):
    with pytest.raises(ConfigError, match="This machine is aarch64, the target 'x86-avx2' is x86_64"):
        new_profile("mine", diagnosis(machines.pi5(tmp_path), "aarch64"), find_profile("x86-avx2"))


@pytest.mark.parametrize("name", ["My Pi", "", "-pi", "pi/4", "a" * 64, "pi\n"])
def test_names_of_targets_are_simple(name):
    with pytest.raises(ConfigError, match="is no name of a target"):
        check_name(name, [])


def test_names_that_are_taken_are_refused():
    with pytest.raises(ConfigError, match="There is a target 'pi4' already"):
        check_name("pi4", ["raspberry-pi-4", "pi4"])
    assert check_name("pi-4b.kitchen_2", ["pi4"]) == "pi-4b.kitchen_2"


# Sheets


def test_the_sheet_leaves_out_what_the_machine_does_not_tell(tmp_path):
    found = diagnosis(machines.pi5(tmp_path), "aarch64")
    sheet = {
        s.title: {line.label: line for line in s.lines}
        for s in report.doctor_sheet(found, "--target pi5", ["overclocked"])
    }
    assert sheet["Machine"]["target"].reason == "overclocked"
    assert sheet["Machine"]["throttled"].value == "under-voltage since boot"
    assert sheet["Processor"]["clock"].value == "1.5 GHz to 2.4 GHz, 1.5 GHz now"
    assert sheet["Processor"]["data caches"].value == "L1 64 KiB, L2 512 KiB, L3 2 MiB"
    assert not {"JetPack", "power mode", "runs in"} & set(sheet["Machine"])
    assert sheet["Memory"]["swap"].value == "512 MiB"


def test_the_table_of_speeds_has_ratios_and_rates():
    table = report.speed_table(a_test(speed("U8S8", 0.45, 0.44, 0.47)))
    assert table.headings == ["", "1 x 128 x 128", "24 x 384 x 384", "off by"]
    # 2 x 24 x 384 x 384 operations in 70 microseconds.
    assert table.rows[0][2:] == ["70.0 \u00b5s, 101 GFLOP/s", "0.0 %"]
    assert table.rows[1] == ["U8S8", "", "0.45x (0.44 to 0.47)", "2.0 %"]


def test_the_table_of_an_emulated_test_has_no_times():
    speeds = [Speed(name, 24, 384, None, None, None, None, error) for name, error in (("fp32", 0.0), ("U8S8", 0.027))]
    test = MicroTest(0.0, speeds, saturates=True)
    assert report.speed_table(test).rows == [["fp32", "0.0 %"], ["U8S8", "2.7 %"]]
    assert [line.label for line in report.other_lines(test)] == ["int8 sums"]


# JSON


def test_a_diagnosis_survives_json(tmp_path):
    found = diagnosis(machines.pi5(tmp_path), "aarch64", test=a_test(two_threads=0.6))
    assert read_diagnosis(json.dumps(dataclasses.asdict(found)), "pi") == found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'board' is no diagnosis: Expecting value"),
        ("[]", "no diagnosis of schema 1 \\(found: None\\)"),
        ('{"schema_version": 2}', "no diagnosis of schema 1 \\(found: 2\\)"),
        ('{"schema_version": 1, "edgekd_version": 5}', "no diagnosis: edgekd_version"),
    ],
)
def test_what_is_no_diagnosis_is_refused(text, message):
    with pytest.raises(InvalidArtifact, match=message):
        read_diagnosis(text, "board")
