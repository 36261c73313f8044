from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from edgekd.devices import DeviceProfile, find_profile, int8_for, load_profile_file, load_profiles
from edgekd.errors import ConfigError
from edgekd.report.datasheet import data_sheet, int8_text

SHIPPED = sorted((Path(__file__).parents[2] / "devices").glob("*.yaml"))
NAMES = [
    "cpu",
    "intel-n100",
    "jetson-agx-orin",
    "jetson-nano",
    "jetson-orin-nano",
    "jetson-xavier-nx",
    "raspberry-pi-3",
    "raspberry-pi-4",
    "raspberry-pi-5",
    "raspberry-pi-zero-2-w",
    "x86-avx2",
]


def minimal(**overrides):
    """Return the smallest profile that is valid."""
    profile = {
        "name": "toy-board",
        "description": "a board that does not exist",
        "cpu": {"model": "Toy", "arch": "x86_64", "isa": ["avx2"]},
        "runtimes": [{"name": "onnxruntime", "reason": "the only one"}],
        "threads": 2,
        "int8": {"activation": "uint8", "weight": "int8", "reason": "usual"},
        "opset": 17,
        "software": {"os": "Toy OS", "python": "3.12"},
    }
    return profile | overrides


def write(folder, **overrides):
    path = folder / "toy.yaml"
    path.write_text(yaml.safe_dump(minimal(**overrides)))
    return path


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_shipped_profile_is_valid_and_sourced(path):
    profile = load_profile_file(path)
    assert profile.name == path.stem
    assert profile.sources
    assert profile.int8.reason
    assert all(runtime.reason for runtime in profile.runtimes)
    assert {"bag", "cnn"} <= set(profile.students)
    assert profile.reasons.threads
    if not profile.is_this_machine:
        facts = " ".join(source.fact for source in profile.sources)
        for known, word in (
            (profile.cpu.l2_bytes, "L2"),
            (profile.cpu.clock_hz, "clock"),
            (profile.cpu.memcpy_bytes_per_s, "memcpy"),
            (profile.accelerator, "GPU"),
        ):
            assert not known or word in facts or "cache" in facts


BOARDS = [path for path in SHIPPED if path.stem not in ("cpu", "x86-avx2")]


@pytest.mark.parametrize("path", BOARDS, ids=lambda p: p.stem)
def test_a_board_has_what_an_estimate_and_a_gate_need(path):
    profile = load_profile_file(path)
    cpu, peaks, reasons = profile.cpu, profile.cpu.peaks, profile.reasons
    assert cpu.cores
    assert cpu.clock_hz
    assert cpu.memcpy_bytes_per_s
    assert cpu.memory_bytes or cpu.memory_max_bytes or profile.name == "raspberry-pi-5"
    assert peaks is not None
    # A multiply-add of 8-bit integers is never slower than one of floats, and reading is faster than copying.
    assert peaks.int8_ops_per_cycle >= peaks.fp32_flops_per_cycle
    assert peaks.read_bytes_per_s > cpu.memcpy_bytes_per_s
    assert (peaks.int8_ops_per_cycle == 64) == bool({"dotprod", "avx_vnni"} & set(cpu.isa))
    assert (peaks.fp16_flops_per_cycle is not None) == ("fp16" in cpu.isa)
    assert profile.boards
    assert profile.ladder
    assert profile.budgets.p95_s
    assert profile.budgets.size_bytes
    assert profile.budgets.peak_rss_bytes
    assert all((reasons.threads, reasons.opset, reasons.students, reasons.budgets))
    assert profile.software.os
    assert profile.power_sensors or profile.name in ("raspberry-pi-3", "raspberry-pi-4", "raspberry-pi-zero-2-w")


@pytest.mark.parametrize("path", [path for path in BOARDS if path.stem.startswith("jetson")], ids=lambda p: p.stem)
def test_a_jetson_has_its_gpu_and_its_modes(path):
    profile = load_profile_file(path)
    assert profile.accelerator.fp16_flops_per_s > profile.accelerator.fp32_flops_per_s
    assert profile.accelerator.launch_s == 1e-5
    assert profile.power_modes
    assert "JetPack" in profile.software.stack
    # Only the runtime that edgekd can write a folder for is a choice.
    has_ten = "TensorRT 10" in profile.software.stack
    assert any(runtime.name == "tensorrt" for runtime in profile.runtimes) == has_ten
    assert has_ten or "refused" in profile.accelerator.notes


def test_opsets_follow_the_oldest_runtime_of_a_board():
    opsets = {profile.name: profile.opset for profile in load_profiles().values() if profile.opset < 18}
    assert opsets == {"jetson-nano": 15, "jetson-xavier-nx": 17}


def test_a_fact_from_memory_says_so():
    sources = [source for profile in load_profiles().values() for source in profile.sources]
    remembered = [source for source in sources if "from memory" in source.source or "from memory" in source.fact]
    assert remembered
    assert all("not checked" in source.source + source.fact for source in remembered)


def test_the_shipped_names():
    assert sorted(load_profiles()) == NAMES


def test_aliases_are_unique():
    names = [n for p in load_profiles().values() for n in (p.name, *p.aliases)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("host", "cpu"),
        ("pi4", "raspberry-pi-4"),
        ("pi5", "raspberry-pi-5"),
        ("pi", "raspberry-pi-5"),
        ("pi3", "raspberry-pi-3"),
        ("zero2w", "raspberry-pi-zero-2-w"),
        ("avx2", "x86-avx2"),
        ("jetson", "jetson-orin-nano"),
        ("orin-nano", "jetson-orin-nano"),
        ("agx-orin", "jetson-agx-orin"),
        ("nano", "jetson-nano"),
        ("xavier-nx", "jetson-xavier-nx"),
        ("n100", "intel-n100"),
    ],
)
def test_alias(alias, name):
    assert find_profile(alias).name == name


def test_unknown_target_lists_names_and_the_nearest():
    with pytest.raises(ConfigError) as caught:
        find_profile("raspbery-pi-5")
    assert "Unknown target 'raspbery-pi-5'" in caught.value.message
    assert all(name in caught.value.message for name in NAMES)
    assert "Did you mean 'raspberry-pi-5'?" in caught.value.message
    assert "edgekd devices list" in caught.value.hint


def test_own_file_and_own_folder_work(tmp_path):
    path = write(tmp_path)
    assert find_profile("toy-board", path).threads == 2
    assert find_profile("toy-board", tmp_path).threads == 2
    assert "cpu" in load_profiles(tmp_path)


def test_own_profile_wins_over_a_shipped_one(tmp_path):
    assert find_profile("cpu", write(tmp_path, name="cpu")).description == "a board that does not exist"


def test_wrong_key_gives_the_dotted_path(tmp_path):
    path = write(tmp_path, cpu={"model": "Toy", "arch": "x86_64", "core": 4})
    with pytest.raises(ConfigError, match=r"toy\.yaml': cpu\.core: Extra inputs are not permitted"):
        load_profile_file(path)


def test_wrong_value_gives_the_dotted_path(tmp_path):
    path = write(tmp_path, runtimes=[{"name": "onnxruntime"}])
    with pytest.raises(ConfigError, match=r"runtimes\.0\.reason: Field required"):
        load_profile_file(path)


def test_broken_yaml_names_the_file(tmp_path):
    (tmp_path / "toy.yaml").write_text("name: [")
    with pytest.raises(ConfigError, match=r"toy\.yaml' is not valid YAML"):
        load_profiles(tmp_path)


def test_missing_devices_folder(tmp_path):
    with pytest.raises(ConfigError, match="does not exist"):
        load_profiles(tmp_path / "none")


@pytest.mark.parametrize(
    ("name", "isa", "reduce_range"),
    [
        ("cpu", ["avx2", "fma"], True),
        ("cpu", [], True),
        ("cpu", ["avx2", "avx_vnni"], False),
        ("cpu", ["avx512f", "AVX512_VNNI"], False),
        ("cpu", ["asimd", "asimddp"], False),
        ("intel-n100", [], False),
        ("x86-avx2", ["avx512_vnni"], True),
        ("raspberry-pi-4", ["avx2"], False),
        ("jetson-orin-nano", [], False),
    ],
)
def test_reduce_range_follows_the_processor_that_runs_it(name, isa, reduce_range):
    flavour = int8_for(find_profile(name), isa)
    assert flavour.reduce_range is reduce_range
    assert (flavour.activation, flavour.weight) == ("uint8", "int8")


def test_reduce_range_of_another_x86_board_comes_from_its_profile():
    without = DeviceProfile.model_validate(minimal())
    assert int8_for(without, ["avx512_vnni"]).reduce_range
    assert "saturate" in int8_for(without, []).reason
    with_vnni = DeviceProfile.model_validate(minimal(cpu={"model": "T", "arch": "x86_64", "isa": ["avx_vnni"]}))
    assert not int8_for(with_vnni, ["avx2"]).reduce_range


def test_data_sheet_shows_units_and_leaves_unknown_facts_out():
    sheet = data_sheet(find_profile("raspberry-pi-5"))
    processor = {line.label: line.value for line in next(s for s in sheet if s.title == "Processor").lines}
    assert processor["clock"] == "2.4 GHz"
    assert processor["L2 cache"] == "512 KiB"
    assert processor["memory copy"] == "6.03 GB/s measured, one core"
    assert "memory" not in processor  # several versions are sold, and no source was given
    assert not any(section.title == "Accelerator" for section in sheet)


def test_facts_of_the_data_sheet_carry_the_numbers_of_their_sources():
    profile = find_profile("raspberry-pi-5")
    sheet = {section.title: {line.label: line for line in section.lines} for section in data_sheet(profile)}
    assert sheet["Processor"]["clock"].sourced_value == "2.4 GHz [1]"
    assert "clock" in sheet["Sources"]["[1]"].value
    assert sheet["Sources"]["[1]"].reason == profile.sources[0].source
    assert sheet["Processor"]["memory copy"].sources == (3,)
    assert sheet["Software"]["emulated by"].value == "qemu-aarch64 -cpu cortex-a76"
    # Numbers never point past the list.
    numbers = [n for section in sheet.values() for line in section.values() for n in line.sources]
    assert set(numbers) <= set(range(1, len(profile.sources) + 1))


def test_the_peaks_of_a_core_are_rates():
    lines = {
        line.label: line.value
        for s in data_sheet(find_profile("pi4"))
        if s.title == "For estimates"
        for line in s.lines
    }
    assert lines["fp32 peak"] == "12 GFLOP/s a core"  # 8 a cycle at 1.5 GHz
    assert lines["int8 peak"] == "24 GOP/s a core"
    assert "fp16 peak" not in lines
    assert lines["all cores"] == "2.03x (fp32) and 2.16x (int8) of one"


def test_int8_text():
    int8 = find_profile("cpu").int8.model_copy(update={"per_channel": True, "reduce_range": True})
    assert int8_text(int8) == "U8S8, integer operators, per channel, 7-bit weights (reduce_range)"
