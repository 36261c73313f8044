"""The whole way with a stand-in for QEMU that runs the program natively, and once with the real one."""

from __future__ import annotations

import json
import os
import platform
import shutil
from pathlib import Path

import numpy as np
import pytest

from edgekd.bundle import write_manifest
from edgekd.devices import find_profile
from edgekd.emulation import flavours, run, store
from edgekd.emulation import verify as emulation
from edgekd.emulation.compare import Limits
from edgekd.emulation.record import Comparison, Outcome
from edgekd.emulation.texts import ODD, SENTENCES, choose_texts, spread
from edgekd.emulation.unavailable import EmulationUnavailable
from edgekd.errors import DataError
from edgekd.progress import Silent
from tests.bundles import make_bundle

STAND_IN = """#!/bin/sh
[ "$1" = --version ] && { echo "qemu-any version 7.2.0"; exit; }
echo "$1 $2 $3" > "$0.log"; shift 4
exec "$@"
"""


def profile(**changes):
    """Return a target of this machine's architecture."""
    found = find_profile("x86-avx2")
    emulator = found.emulator.model_copy(update={"arch": platform.machine(), **changes})
    return found.model_copy(update={"emulator": emulator})


@pytest.fixture
def qemu(tmp_path):
    path = tmp_path / "qemu-stand-in"
    path.write_text(STAND_IN)
    path.chmod(0o755)
    return str(path)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("run") / "bundles" / "cpu" / "tiny")


def job(bundles, qemu, **changes):
    settings = {"bundles": bundles, "profiles": [profile()], "qemu": qemu, "count": 4, "limit_s": 60}
    return emulation.VerifyJob(**{**settings, **changes})


def test_a_bundle_says_the_same_under_a_stand_in(bundle, qemu, tmp_path):
    found = emulation.verify(job([bundle], qemu), Silent())
    [row] = found.comparisons
    assert (row.outcome, row.max_abs_diff, row.flips, row.other_ids) == (Outcome.SAME, 0.0, 0, 0)
    assert row.texts == 4 + len(ODD)
    assert row.evidence.value == "emulated"
    assert (row.target, row.cpu, row.emulator) == ("x86-avx2", "Haswell-noTSX", "QEMU 7.2.0")
    assert row.python == platform.python_version()
    assert row.artifact == bundle.artifact_hash
    assert (tmp_path / "qemu-stand-in.log").read_text() == "-cpu Haswell-noTSX -L\n"
    assert found.text_source == f"4 built-in sentences and {len(ODD)} odd texts"


def test_the_record_holds_no_time(bundle, qemu):
    record = emulation.verify(job([bundle], qemu), Silent()).model_dump_json()
    assert '_s"' not in record
    assert "latency" not in record


def test_a_graph_that_does_not_open_is_not_run(tmp_path, qemu):
    broken = make_bundle(tmp_path / "broken")
    broken.model_path.write_bytes(b"no graph")
    broken = write_manifest(broken.folder, broken.manifest)
    [row] = emulation.verify(job([broken], qemu), Silent()).comparisons
    assert row.outcome is Outcome.NOT_RUN
    assert "'tiny fp32' on this machine ended with exit code 1" in row.reason


def test_an_emulator_that_dies_is_not_a_difference(bundle, tmp_path):
    path = tmp_path / "qemu"
    path.write_text('#!/bin/sh\n[ "$1" = --version ] && { echo "version 7.2.0"; exit; }\nkill -SEGV $$\n')
    path.chmod(0o755)
    [row] = emulation.verify(job([bundle], str(path)), Silent()).comparisons
    assert row.outcome is Outcome.NOT_RUN
    assert "was killed by signal 11" in row.reason


def test_a_process_that_hangs_is_stopped(bundle, tmp_path):
    place = run.Place("a slow board", ("sh", "-c", "sleep 60"))
    with pytest.raises(run.GuestFailed, match=r"'tiny' gave no answer on a slow board within 0\.3 s"):
        run.answer(place, {"name": "tiny"}, 0.3)


def test_a_target_without_emulator_and_another_runtime_are_said(bundle, qemu):
    without = find_profile("cpu")
    other = bundle.model_copy(update={"manifest": bundle.manifest.model_copy(update={"runtime": "openvino"})})
    rows = emulation.verify(job([bundle, other], qemu, profiles=[without, profile()]), Silent()).comparisons
    assert [row.outcome for row in rows] == [Outcome.NOT_RUN, Outcome.SAME, Outcome.NOT_RUN, Outcome.NOT_RUN]
    assert "'cpu' does not say what emulates it" in rows[0].reason
    assert rows[3].reason == "Only graphs of ONNX Runtime are emulated; this one is for 'openvino'."


def test_a_missing_tool_is_said_for_every_bundle(bundle):
    rows = emulation.verify(job([bundle], "/nowhere/qemu"), Silent()).comparisons
    assert [row.outcome for row in rows] == [Outcome.NOT_RUN]
    assert "There is no program '/nowhere/qemu'" in rows[0].reason


def test_every_flavour_is_compared_and_only_saturating_targets_get_the_switch(tmp_path, qemu, monkeypatch):
    pytest.importorskip("onnx")
    asked = []

    def answer(place, job, limit_s):
        asked.append((place.name, job["name"], bool(job["options"]), Path(job["model"]).name))
        ids = [[1]] * len(job["texts"])
        about = {"python": "3.11", "libraries": {}, "instructions": []}
        return run.Answers(np.zeros((len(ids), 2), np.float32), ids, about)

    monkeypatch.setattr(emulation, "answer", answer)
    monkeypatch.setattr(emulation, "own_session_entries", dict)
    monkeypatch.setattr(flavours, "_make", lambda bundle, flavour, rows, path: path.touch())
    monkeypatch.setattr(flavours, "FLAVOURS", (flavours.Flavour(), flavours.Flavour(precise=True)))
    vnni = profile().model_copy(update={"name": "vnni", "cpu": profile().cpu.model_copy(update={"isa": ["avx_vnni"]})})
    haswell = profile(arch="x86_64").model_copy(update={"name": "haswell"})
    places = {"vnni": run.Place("vnni", ()), "haswell": run.Place("haswell", ())}
    monkeypatch.setattr(emulation, "emulated", lambda found, prefix, say, qemu: places[found.name])
    made = make_bundle(tmp_path / "tiny")
    rows = emulation.verify(job([made], qemu, profiles=[vnni, haswell], flavours=True), Silent()).comparisons
    assert [(row.flavour, row.target) for row in rows] == [
        ("fp32", "vnni"),
        ("fp32", "haswell"),
        ("U8S8 dynamic", "vnni"),
        ("U8S8 dynamic", "haswell"),
        ("U8S8 dynamic, x64quantprecision", "haswell"),
    ]
    assert [row for row in asked if row[0] != "this machine"] == [
        ("vnni", "tiny fp32", False, "model.onnx"),
        ("haswell", "tiny fp32", True, "model.onnx"),
        ("vnni", "tiny U8S8 dynamic", False, "0.onnx"),
        ("haswell", "tiny U8S8 dynamic", False, "0.onnx"),
        ("haswell", "tiny U8S8 dynamic, x64quantprecision", True, "1.onnx"),
    ]
    assert len([row for row in asked if row[0] == "this machine"]) == 3  # each graph answers here once


def test_flavours_have_names_of_their_own():
    names = [flavour.name for flavour in flavours.FLAVOURS]
    assert len(set(names)) == len(names) == 11
    assert names[0] == "U8S8 dynamic"
    assert names[-1] == "S8S8 static QDQ, per channel"
    assert "U8S8 dynamic, per channel, x64quantprecision" in names


def test_a_flavour_that_cannot_be_made_is_said(tmp_path, qemu, monkeypatch):
    pytest.importorskip("onnx")
    monkeypatch.setattr(flavours, "FLAVOURS", (flavours.Flavour(),))
    made = make_bundle(tmp_path / "tiny")
    rows = emulation.verify(job([made], qemu, flavours=True, count=1), Silent()).comparisons
    assert [row.outcome for row in rows] == [Outcome.SAME, Outcome.NOT_RUN]
    assert "does not make this graph smaller" in rows[1].reason


def test_int8_is_opened_as_edgekd_opens_it_on_the_target(bundle):
    graph = emulation.Graph(bundle, "int8", bundle.model_path, exact=False)
    assert graph.job([], emulation._entries(find_profile("avx2")))["options"] == {"session.x64quantprecision": "1"}
    assert graph.job([], emulation._entries(find_profile("pi4")))["options"] == {}
    plain = emulation.Graph(bundle, "int8", bundle.model_path, exact=False, plain=True)
    assert plain.job([], emulation._entries(find_profile("avx2")))["options"] == {}


@pytest.mark.parametrize(
    ("outcomes", "allow_skip", "code"),
    [
        (["same", "same"], False, 0),
        (["same", "not run"], False, 3),
        (["same", "not run"], True, 0),
        (["not run"], True, 0),
        (["differs", "not run"], False, 1),
        (["differs", "not run"], True, 1),
    ],
)
def test_exit_codes(outcomes, allow_skip, code):
    rows = [
        Comparison(bundle="b", artifact="a", flavour="fp32", target="t", cpu="c", outcome=outcome, reason="r")
        for outcome in outcomes
    ]
    assert emulation.exit_code(rows, allow_skip=allow_skip) == code


def test_validation_texts_of_the_run_are_found(bundle, tmp_path):
    moved = tmp_path / "run" / "bundles" / "cpu" / "tiny"
    moved.parent.mkdir(parents=True)
    shutil.copytree(bundle.folder, moved)
    data = tmp_path / "run" / "data" / "validation.jsonl"
    data.parent.mkdir()
    data.write_text("".join(json.dumps({"text": "film " * count, "label": "positive"}) + "\n" for count in range(1, 9)))
    found = choose_texts(moved, None, 3)
    assert found.source == f"3 of the validation texts of the run and {len(ODD)} odd texts"
    assert [len(text.split()) for text in found.texts[:3]] == [1, 5, 8]
    assert choose_texts(bundle.folder, None, 2).texts == (*SENTENCES[:2], *ODD)


def test_texts_without_labels_will_do(tmp_path):
    (tmp_path / "texts.txt").write_text("one\ntwo two\n")
    found = choose_texts(tmp_path, str(tmp_path / "texts.txt"), 64)
    assert found.texts == ("one", "two two", *ODD)
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(DataError):
        choose_texts(tmp_path, str(tmp_path / "empty.txt"), 64)


def test_texts_are_spread_over_the_lengths():
    texts = ["x" * length for length in (5, 1, 9, 3, 7)]
    assert [len(text) for text in spread(texts, 3)] == [1, 5, 9]
    assert [len(text) for text in spread(texts, 1)] == [5]
    assert [len(text) for text in spread([*texts, *texts], 9)] == [1, 3, 5, 7, 9]


def test_the_environment_is_the_same_here_and_there_but_for_the_packages(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/mine")
    monkeypatch.setenv("LD_PRELOAD", "/mine.so")
    here = run.environment(run.here())
    there = run.environment(run.Place("board", ("qemu",), (("PYTHONHOME", "/board/usr"),)))
    assert {key: there[key] for key in there if key not in here} == {"PYTHONHOME": "/board/usr"}
    assert "PYTHONPATH" not in here
    assert "LD_PRELOAD" not in here
    assert (here["PYTHONHASHSEED"], here["ORT_DISABLE_TELEMETRY"], here["OMP_NUM_THREADS"]) == ("0", "1", "1")


@pytest.mark.parametrize(
    ("lengths", "batch", "shape"), [([], None, (1, 3)), ([8], None, (1, 8)), ([2, 4, 8], 2, (2, 4))]
)
def test_a_graph_of_fixed_lengths_and_batch_gets_them(lengths, batch, shape):
    from edgekd.emulation.guest import feed

    class Node:
        def __init__(self, name, kind):
            self.name, self.type = name, f"tensor({kind})"

    class Session:
        def get_inputs(self):
            return [Node("input_ids", "int32"), Node("attention_mask", "int64")]

    found = feed(Session(), [7, 8, 9], {"lengths": lengths, "batch": batch})
    assert found["input_ids"].shape == shape
    assert found["input_ids"].dtype == np.int32
    assert found["input_ids"][0].tolist()[:3] == [7, 8, 9]
    assert found["attention_mask"].sum() == 3 * shape[0]


def test_a_profile_without_emulator_is_refused(tmp_path):
    with pytest.raises(EmulationUnavailable, match="does not say what emulates it"):
        run.emulated(find_profile("cpu"), tmp_path, print)


def _prepared(arch):
    folder = store.emulation_dir()
    return (folder / f"root-{arch}" / store.STAMP_FILE).is_file() and any(folder.glob(f"packages-{arch}-*"))


@pytest.mark.slow
@pytest.mark.skipif(
    not _prepared("aarch64") or not os.environ.get("EDGEKD_CACHE"),
    reason="no ARM system in EDGEKD_CACHE ('make arm64' fetches it)",
)
def test_a_bundle_says_the_same_on_an_emulated_cortex_a72(bundle):
    found = emulation.verify(
        emulation.VerifyJob([bundle], [find_profile("pi4")], count=2, limits=Limits(max_abs_diff=1e-5)), Silent()
    )
    [row] = found.comparisons
    assert row.outcome is Outcome.SAME, row.reason
    assert "ASIMD" in row.instructions
    assert "ASIMDDP" not in row.instructions
