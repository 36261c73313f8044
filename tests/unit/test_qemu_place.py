"""``--on qemu://...`` with a stand-in for QEMU that runs the program natively."""

from __future__ import annotations

import json
import platform
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekd.analysis.compare import compare
from edgekd.bench.emulated import check_emulable, emulator_of, fewer_texts
from edgekd.bench.job import BenchJob, run_job
from edgekd.bench.place import HERE, Place, board_place, own_evidence
from edgekd.bench.qemu_place import core_name, emulators, find_emulator, qemu_place
from edgekd.bench.variants import variant_from_bundle
from edgekd.bundle import write_manifest
from edgekd.config import BenchConfig
from edgekd.data.types import Examples
from edgekd.devices import find_profile, load_profiles
from edgekd.emulation.unavailable import EmulationUnavailable
from edgekd.environment import EVIDENCE_VARIABLE
from edgekd.errors import ConfigError
from edgekd.progress import Silent
from edgekd.results import Evidence, load_result
from tests.bundles import make_bundle
from tests.toys import toy_texts

pytest.importorskip("onnx")

STAND_IN = """#!/bin/sh
[ "$1" = --version ] && { echo "qemu-any version 7.2.0"; exit; }
echo "$@" >> "$0.log"
while case "$1" in -U | -cpu | -L) true ;; *) false ;; esac; do shift 2; done
exec "$@"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with two bundles, texts, a stand-in for QEMU, and a target of this machine's architecture."""
    folder = tmp_path_factory.mktemp("emulated")
    make_bundle(folder / "tiny")
    make_bundle(folder / "other", name="other", precision="int8", seed=1)
    (folder / "qemu").write_text(STAND_IN)
    (folder / "qemu").chmod(0o755)
    texts, targets = toy_texts(40)
    rows = [json.dumps({"text": t, "label": ["negative", "positive"][y]}) for t, y in zip(texts, targets, strict=True)]
    (folder / "texts.jsonl").write_text("\n".join(rows))
    profile = find_profile("x86-avx2").model_dump(mode="json")
    profile |= {"name": "toy", "aliases": ["plaything"], "ladder": []}
    profile["emulator"] |= {"arch": platform.machine(), "cpu": "Toy-9000"}
    if platform.machine() == "aarch64":
        profile["emulator"]["cpuinfo"] = find_profile("pi4").emulator.cpuinfo.model_dump()
    (folder / "toy.yaml").write_text(json.dumps(profile))
    return folder


def job(folder, **changes):
    settings = {
        "bundles": (folder / "tiny", folder / "other"),
        "devices": folder / "toy.yaml",
        "data": str(folder / "texts.jsonl"),
        "on": ("qemu://toy-9000",),
        "qemu": str(folder / "qemu"),
        "config": BenchConfig(max_texts=20),
    }
    return BenchJob(**{**settings, **changes})


@pytest.fixture(scope="module")
def results(folder):
    return run_job(job(folder, out=folder / "results"), Silent())


def test_everything_is_emulated_and_nothing_is_timed(results):
    for result in results:
        assert result.evidence is Evidence.EMULATED
        assert result.samples.total_s == result.warm_up.total_s == []
        assert result.load_time_s is None
        assert (result.memory.peak_rss_bytes, result.memory.pss_bytes) == (None, None)
        assert result.memory.steady_rss_bytes > result.memory.start_rss_bytes > 0
        assert (result.harness, result.machine_over_time) == (None, [])
        assert [run.load_time_s for run in result.processes] == [None]


def _seconds(value, path=""):
    """Yield the paths of all values in seconds that a record has."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _seconds(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for inner in value:
            yield from _seconds(inner, path)
    elif value is not None and path.endswith(("_s", "seconds")):
        yield path


def test_no_record_holds_a_duration(results):
    assert [path for result in results for path in _seconds(result.model_dump(mode="json"))] == []


def test_answers_are_compared_with_those_of_this_machine(results):
    assert [result.against_host.other_answers for result in results] == [0, 0]
    assert [result.against_host.other_token_ids for result in results] == [0, 0]
    assert all(result.against_host.same and result.against_host.max_abs_diff == 0 for result in results)
    assert [result.against_host.texts for result in results] == [20, 20]


def test_the_record_names_the_emulated_processor(results):
    first = results[0]
    assert (first.target, first.threads) == ("toy", 1)
    assert first.machine.cpu_model == "toy-9000 (QEMU 7.2.0)"
    assert first.machine.arch == platform.machine()
    assert first.data_name == "texts.jsonl, 20 of 40 texts"
    assert len(first.quality.predictions) == 20
    assert first.notes[0].startswith(
        "answered on the instructions of toy-9000 (QEMU 7.2.0 -cpu Toy-9000), with Python "
    )
    assert not any("warmed up" in note or "measured on this host" in note for note in first.notes)


def test_results_lie_in_a_folder_of_the_processor(folder, results):
    assert load_result(folder / "results" / "toy-9000" / "tiny.result.json") == results[0]


def test_the_emulator_gets_the_processor_and_no_libraries_of_this_machine(folder, results):
    last = (folder / "qemu.log").read_text().splitlines()[-1]
    assert last.startswith("-U LD_PRELOAD -U LD_LIBRARY_PATH -cpu Toy-9000 -L ")
    assert "-m edgekd.bench.worker" in last


def test_the_processor_that_programs_see_is_the_emulated_one(folder):
    if platform.machine() != "x86_64":
        pytest.skip("only x86 has its flags written anew")
    profile = find_emulator("qemu://plaything", folder / "toy.yaml")
    with qemu_place(profile, print, str(folder / "qemu")) as place:
        prefix = place.python[place.python.index("-L") + 1]
        lines = Path(prefix, "proc", "cpuinfo").read_text(encoding="utf-8").splitlines()
    flags = [line.split(":")[1].split() for line in lines if line.startswith("flags")]
    assert {tuple(found) for found in flags} == {("avx", "avx2", "fma")}


def test_the_target_that_is_given_wins_over_that_of_the_processor(folder):
    [result] = run_job(job(folder, bundles=(folder / "tiny",), target="pi5"), Silent())
    assert (result.target, result.evidence) == ("raspberry-pi-5", Evidence.EMULATED)


def test_an_emulator_whose_python_does_not_start_is_said(folder, tmp_path):
    broken = tmp_path / "qemu"
    broken.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && { echo "qemu-any version 7.2.0"; exit; }\necho no >&2\nexit 4\n'
    )
    broken.chmod(0o755)
    with pytest.raises(EmulationUnavailable, match="The emulated Python of toy does not start: no"):
        run_job(job(folder, qemu=str(broken)), Silent())


def test_names_of_processors():
    names = emulators(load_profiles())
    assert {name: names[name].name for name in ("cortex-a53", "cortex-a72", "cortex-a76", "haswell", "pi4")} == {
        "cortex-a53": names["cortex-a53"].name,
        "cortex-a72": "raspberry-pi-4",
        "cortex-a76": "raspberry-pi-5",
        "haswell": "x86-avx2",
        "pi4": "raspberry-pi-4",
    }
    assert core_name(names["cortex-a53"].emulator.cpu) == "cortex-a53"
    assert names["raspberry-pi-4"].name == "raspberry-pi-4"
    assert core_name("Haswell-noTSX") == "haswell"
    assert core_name("cortex-a76,pauth=off") == "cortex-a76"


@pytest.mark.parametrize("on", ["qemu://", "qemu://cortex-a9", "qemu://cpu", "qemu://pi4;reboot"])
def test_an_unknown_processor_is_refused_with_those_there_are(on):
    with pytest.raises(ConfigError, match=r"Available: .*cortex-a72"):
        find_emulator(on)


def test_an_emulator_stands_alone():
    with pytest.raises(ConfigError, match="stands alone"):
        emulator_of(("qemu://pi4", "qemu://pi5"), None)
    assert emulator_of((), None) is None
    assert emulator_of(("ssh://pi@board",), None) is None


class Timed:
    title = "Throughput"
    needs_time = True


def test_what_needs_time_is_refused(folder):
    variant = variant_from_bundle(folder / "tiny")
    check_emulable([variant], [], BenchConfig())
    with pytest.raises(ConfigError, match="never how long it takes; asked was: Throughput"):
        check_emulable([variant], [Timed()], BenchConfig())
    with pytest.raises(ConfigError, match="asked was: --precision"):
        check_emulable([variant], [], BenchConfig(precision=0.02))
    with pytest.raises(ConfigError, match="emulator's own memory"):
        check_emulable([variant], [], BenchConfig(), limited=True)


def test_another_runtime_is_refused(folder, tmp_path):
    bundle = make_bundle(tmp_path / "board")
    write_manifest(bundle.folder, bundle.manifest.model_copy(update={"runtime": "tensorrt"}))
    with pytest.raises(ConfigError, match="Only graphs of ONNX Runtime are emulated; 'tiny' is for 'tensorrt'"):
        run_job(job(folder, bundles=(tmp_path / "board",)), Silent())


@given(st.integers(1, 200), st.integers(1, 200), st.integers(0, 5))
def test_texts_are_drawn_without_repetition_in_their_order(there, wanted, seed):
    texts = Examples([str(i) for i in range(there)], list(range(there)))
    drawn, name = fewer_texts(texts, "all", BenchConfig(max_texts=wanted, seed=seed))
    assert len(drawn) == min(there, wanted)
    assert drawn.targets == sorted(set(drawn.targets))
    assert drawn.texts == [str(i) for i in drawn.targets]
    assert name == ("all" if wanted >= there else f"all, {wanted} of {there} texts")


def test_sixty_four_texts_are_answered_by_default():
    texts = Examples([str(i) for i in range(100)], [0] * 100)
    assert len(fewer_texts(texts, "all", BenchConfig())[0]) == 64


@pytest.mark.parametrize(("said", "evidence"), [("emulated", "emulated"), ("device", "host"), ("", "host")])
def test_a_variable_makes_numbers_worth_less_and_never_more(monkeypatch, said, evidence):
    monkeypatch.setenv(EVIDENCE_VARIABLE, said)
    assert own_evidence(Evidence.HOST).value == evidence


def test_a_board_measures_unless_it_says_that_it_is_emulated(monkeypatch):
    monkeypatch.delenv(EVIDENCE_VARIABLE, raising=False)
    assert (board_place().evidence, board_place().has_time) == (Evidence.DEVICE, True)
    monkeypatch.setenv(EVIDENCE_VARIABLE, "emulated")
    assert (board_place().evidence, board_place().has_time) == (Evidence.EMULATED, False)


def test_this_machine_is_the_place_by_default():
    assert Place() == HERE
    assert (HERE.evidence, HERE.has_time) == (Evidence.HOST, True)


def test_results_of_an_emulator_are_compared_without_time(results):
    found = compare(results[0], results[1], resamples=50)
    assert {change.metric for change in found.changes} == {"accuracy", "macro_f1", "size_bytes", "steady_rss_bytes"}
    assert any("An emulator has no latency" in warning for warning in found.warnings)
