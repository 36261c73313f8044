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
    "jetson-orin-nano",
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


def test_int8_text():
    int8 = find_profile("cpu").int8.model_copy(update={"per_channel": True, "reduce_range": True})
    assert int8_text(int8) == "U8S8, integer operators, per channel, 7-bit weights (reduce_range)"
