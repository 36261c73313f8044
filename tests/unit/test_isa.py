from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.bundles import make_bundle

pytest.importorskip("onnx")
SCRIPT = Path(__file__).parents[2] / "benchmarks" / "isa_onnxruntime.py"
HASWELL = {"AVX", "AVX2", "FMA3"}
EMULATOR = shutil.which("qemu-x86_64-static") or shutil.which("qemu-x86_64")


@pytest.fixture(scope="module")
def isa():
    """Return the script as a module."""
    spec = importlib.util.spec_from_file_location("isa_onnxruntime", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def emulating(isa, monkeypatch, total, seen):
    """Let the emulator compute a sum and have some instructions."""
    native = (np.full((1, isa.TERMS), float(isa.EXACT)), {*HASWELL, "AVX512VNNI"})
    emulated = (np.full((1, isa.TERMS), float(total)), set(seen))
    monkeypatch.setattr(isa, "answer", lambda rows, graph, emulator, **_: emulated if emulator else native)


def test_each_text_is_answered_by_itself(isa, tmp_path):
    isa.write_sum(tmp_path / "sum.onnx")
    rows = [[1] * 16, list(range(16)), [0] * 16]
    logits, seen = isa.answer(rows, tmp_path / "sum.onnx", [])
    # 16 * 127 and (0 + 1 + ... + 15) * 127: too small to saturate anywhere
    assert logits.tolist() == [[2032.0] * 16, [15240.0] * 16, [0.0] * 16]
    assert seen


def test_the_sum_is_one_that_must_saturate(isa):
    assert isa.EXACT == 518160
    assert isa.SATURATED == 262136


def test_an_emulator_that_saturates_is_good(isa, monkeypatch):
    emulating(isa, monkeypatch, 262136, HASWELL)
    assert isa.check_emulator(["qemu"]) == (518160, 262136)


@pytest.mark.parametrize(
    ("total", "seen", "words"),
    [
        (262136, {"AVX", "FMA3"}, "no processor with AVX2"),
        (262136, {*HASWELL, "AVX512F"}, "without AVX-512"),
        (518160, HASWELL, "add up to 518160 there, not to 262136"),
    ],
)
def test_an_emulator_that_shows_something_else_is_refused(isa, monkeypatch, total, seen, words):
    emulating(isa, monkeypatch, total, seen)
    with pytest.raises(isa.Unusable, match=words):
        isa.check_emulator(["qemu"])


def test_without_an_emulator_the_exit_code_is_3_and_the_hint_says_how_to_get_one(isa, monkeypatch, capsys):
    monkeypatch.setattr(isa.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(sys, "argv", ["isa", "bundle", "--data", "texts.jsonl", "--qemu", "/nowhere/qemu"])
    with pytest.raises(SystemExit) as caught:
        isa.main()
    assert caught.value.code == 3
    shown = capsys.readouterr().err
    assert "'/nowhere/qemu'" in shown
    assert "apt-get install qemu-user-static" in shown


def test_another_architecture_is_refused(isa, monkeypatch):
    monkeypatch.setattr(isa.platform, "machine", lambda: "aarch64")
    with pytest.raises(isa.Unusable, match="This machine is aarch64"):
        isa.find_emulator(None, "Haswell-noTSX")


def test_texts_that_are_answered_do_not_calibrate(isa, tmp_path):
    bundle = make_bundle(tmp_path / "bundle")
    data = tmp_path / "data.jsonl"
    labels = ["negative", "positive"]
    texts = [{"text": " ".join(["film"] * count), "label": labels[count % 2]} for count in range(1, 11)]
    data.write_text("".join(json.dumps(row) + "\n" for row in texts))
    comparison = isa.Comparison(bundle, str(data), 4, [])
    assert [len(row) for row in comparison.rows] == [3, 6, 9, 12]  # [CLS] and [SEP] are counted
    assert sorted(len(row) for row in comparison.calibration) == [4, 5, 7, 8, 10, 11]
    assert comparison.targets == [1, 0, 1, 0]


@pytest.mark.skipif(EMULATOR is None, reason="qemu-user-static is not installed")
def test_a_haswell_saturates_in_qemu(isa):
    assert isa.check_emulator([EMULATOR, "-cpu", "Haswell-noTSX"])[1] == 262136
