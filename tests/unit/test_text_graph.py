"""Graphs with the tokenizer inside: the same ids as ``tokenizers``, or a refusal that says why."""

import functools
import json
import struct
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from edgekd.bundle import load_bundle
from edgekd.errors import MissingExtra, NotApplicable
from edgekd.export.characters import character_table, code_class, long_runs
from edgekd.export.charsmap import charsmap
from edgekd.export.wordpiece import read_wordpiece
from edgekd.runtime import session_for
from edgekd.tasks import Calibration, TaskKind
from tests.bundles import make_bundle, make_tokenizer, vocabulary

pytest.importorskip("onnx", reason="text graphs are made with onnx")
HAS_ONNX = find_spec("onnxruntime_extensions") is not None
HAS_OPENVINO = find_spec("openvino_tokenizers") is not None
BACKENDS = [
    pytest.param("onnx", marks=pytest.mark.skipif(not HAS_ONNX, reason="onnxruntime-extensions is not installed")),
    pytest.param("openvino", marks=pytest.mark.skipif(not HAS_OPENVINO, reason="openvino-tokenizers is not installed")),
]
LENGTH = 24
NASTY = [
    "",
    " ",
    "The film was GREAT!",
    "a\x00b [C\x00LS] \x00",
    "[CLS][SEP] x[MASK]y [PAD",
    "[UNK]good",
    "na\u00efve CAF\u00c9 \u0130\u1e9e \ufb01ne",
    "e\u0301a\u0308 \u0301\u0301 q\u0323\u0307",
    "\ue000\ue001\ue002 [C\ue003LS] good\ue004",
    "\ud55c\uad6d\uc5b4 \u4e2d\u6587film \u3042",
    "\U0001f468\u200d\U0001f469 \ufeffgood\u00ad",
    "one\ttwo\nthree\r\nfour\u2028five\u3000six\x85",
    "a" * 99,
    "a" * 100,
    "a" * 101,
    "\u00e9" * 100,
    "\u00e9" * 101,
    "fun " * 500,
    "greatq un\u00b7able, awful\u0000ly...",
]


@pytest.fixture(scope="session")
def spec(tmp_path_factory):
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    make_tokenizer(path)
    return json.loads(path.read_text(encoding="utf-8"))


@functools.lru_cache
def _encoders(backend, text):
    from edgekd.export import text_onnx, text_openvino

    spec = json.loads(text)
    table = character_table(Tokenizer.from_str(text), spec)
    module = text_onnx if backend == "onnx" else text_openvino
    return module.tokenizer_encoder(read_wordpiece(spec, LENGTH, 0), table)


def encoder(backend, spec):
    return _encoders(backend, json.dumps(spec))


def reference(spec, texts):
    tokenizer = Tokenizer.from_str(json.dumps(spec))
    tokenizer.enable_truncation(LENGTH)
    return [tokenizer.encode(text).ids for text in texts]


@pytest.mark.parametrize("backend", BACKENDS)
def test_nasty_texts_give_the_ids_of_tokenizers_alone_and_in_a_batch(backend, spec):
    encode = encoder(backend, spec)
    assert encode(NASTY) == reference(spec, NASTY)
    assert encode(["", ""]) == reference(spec, ["", ""])
    assert [encode([text])[0] for text in NASTY] == reference(spec, NASTY)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_word_is_unknown_as_a_whole_when_its_end_is(backend, spec):
    kept = {piece: index for piece, index in vocabulary().items() if piece != "##q"}
    smaller = {**spec, "model": {**spec["model"], "vocab": kept}}
    texts = ["greatq great", "unq unable", "q", "aqb a"]
    assert encoder(backend, smaller)(texts) == reference(smaller, texts)
    assert reference(smaller, ["greatq great"])[0].count(kept["[UNK]"]) == 1


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_cased_tokenizer_keeps_case_and_accents(backend, spec):
    cased = {**spec, "normalizer": {**spec["normalizer"], "lowercase": False, "strip_accents": None}}
    texts = ["Great great GREAT", "caf\u00e9 cafe", "A b"]
    assert encoder(backend, cased)(texts) == reference(cased, texts)


@settings(max_examples=60)
@given(texts=st.lists(st.text(max_size=40), min_size=1, max_size=3))
@pytest.mark.parametrize("backend", BACKENDS)
def test_any_text_gives_the_ids_of_tokenizers(backend, spec, texts):
    assert encoder(backend, spec)(texts) == reference(spec, texts)


@pytest.mark.parametrize(
    ("part", "found"),
    [
        ("normalizer", {"type": "NFC"}),
        ("pre_tokenizer", {"type": "ByteLevel"}),
        ("model", {"type": "BPE", "vocab": {}}),
        ("post_processor", {"type": "RobertaProcessing"}),
    ],
)
def test_another_kind_of_tokenizer_is_refused_by_its_part(spec, part, found):
    with pytest.raises(NotApplicable, match=f"tokenizer's {part} is {found['type']}"):
        read_wordpiece({**spec, part: found}, LENGTH, 0)


def test_a_token_that_looks_around_itself_is_refused(spec):
    token = {**spec["added_tokens"][0], "lstrip": True}
    with pytest.raises(NotApplicable, match=r"'\[PAD\]' looks around itself \(lstrip\)"):
        read_wordpiece({**spec, "added_tokens": [token]}, LENGTH, 0)


def test_the_table_says_what_becomes_of_characters(spec):
    table = character_table(Tokenizer.from_str(json.dumps(spec)), spec)
    assert table.rewritten["A"] == table.rewritten["\u00c0"] == "a"
    assert table.rewritten["!"] == " ! "
    assert {0, 0x200D, 0xFFFD} <= table.removed
    assert {ord("\t"), 0xA0, 0x3000} <= table.spaces
    assert ord("\u4e2d") in table.unknown_words
    assert [table.rewritten[token].strip() for token in ("[CLS]", "[SEP]")] == [
        marker for marker, index in table.markers.items() if index in (2, 3)
    ]


def test_a_vocabulary_with_a_mark_that_may_move_is_refused(spec):
    model = {**spec["model"], "vocab": {**spec["model"]["vocab"], "\u302e": 900}}
    with pytest.raises(NotApplicable, match=r"the mark '.u302e'"):
        character_table(Tokenizer.from_str(json.dumps(spec)), {**spec, "model": model})


def test_classes_and_runs():
    assert code_class([97, 99, 98, 120]) == r"[\x{61}-\x{63}\x{78}]"
    assert long_runs([*range(1000, 1200), 5]) == frozenset(range(1000, 1200))


def lookup(blob, text):
    """Return the longest key that ``text`` begins with, and its value."""
    (size,) = struct.unpack_from("<I", blob)
    units, values = struct.unpack_from(f"<{size // 4}I", blob, 4), blob[4 + size :]

    def offset(unit):
        return (unit >> 10) << ((unit & 512) >> 6)

    place, found = offset(units[0]), None
    for count, byte in enumerate(text.encode(), start=1):
        place ^= byte
        if units[place] & 0x800000FF != byte:
            break
        unit = units[place]
        place ^= offset(unit)
        if unit & 256:
            start = units[place] & 0x7FFFFFFF
            found = count, values[start : values.index(0, start)].decode()
    return found


@settings(max_examples=60)
@given(pairs=st.dictionaries(st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1, max_size=4),
                             st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=4), max_size=60),
       text=st.text(max_size=6))  # fmt: skip
def test_a_map_of_characters_finds_the_longest_key(pairs, text):
    blob = charsmap(pairs)
    for asked in [text, *pairs]:
        keys = [key for key in pairs if asked.startswith(key)]
        longest = max(keys, key=len, default=None)
        assert lookup(blob, asked) == (None if longest is None else (len(longest.encode()), pairs[longest]))


def test_a_map_cannot_hold_nul_or_nothing():
    for pairs in ({"": "a"}, {"a\0": "b"}, {"a": "\0"}):
        with pytest.raises(ValueError, match="cannot hold"):
            charsmap(pairs)


@pytest.fixture
def quick(monkeypatch):
    """Fewer characters and texts; all of them are asked when a user exports."""
    from edgekd.export import text_check, text_graph

    monkeypatch.setattr(text_check, "character_texts", lambda: iter(["a\u00c0b a\u4e2db"]))
    monkeypatch.setattr(text_graph, "RANDOM_TEXTS", 20)
    monkeypatch.setattr(text_graph, "hostile_texts", lambda: NASTY)
    return text_graph


@pytest.mark.skipif(not HAS_ONNX, reason="onnxruntime-extensions is not installed")
def test_a_bundle_takes_texts_and_names_the_label(tmp_path, quick):
    import onnxruntime as ort

    from edgekd.runtime.text_graph_session import extension_of_onnxruntime

    source = make_bundle(tmp_path / "tiny", calibration=Calibration(temperature=2.0))
    made = quick.add_tokenizer(source, tmp_path / "tiny-text", texts=["the film was great"])
    manifest = made.manifest
    assert (manifest.name, manifest.runtime, manifest.inputs) == ("tiny-text", "onnxruntime-extensions", ["text"])
    assert manifest.lineage[-1].step == "tokenizer"
    assert manifest.lineage[-1].details["max_abs_diff"] == 0.0
    plain, session = session_for(source, 1), session_for(load_bundle(made.folder), 1)
    plain.load()
    session.load()
    texts = ["the film was great", "awful", ""]
    assert np.abs(plain.run(texts) - session.run(texts)).max() < 1e-5
    assert session.encode(["the film was great"]).tokens == 6
    options = ort.SessionOptions()
    options.register_custom_ops_library(extension_of_onnxruntime())
    raw = ort.InferenceSession(str(made.model_path), options)
    assert [entry.name for entry in raw.get_outputs()] == ["logits", "probabilities", "label"]
    logits, probabilities, labels = raw.run(None, {"text": np.array(texts[:2], dtype=object)})
    assert labels.tolist() == ["positive", "negative"]
    powers = np.exp(logits / 2)
    assert np.allclose(probabilities, powers / powers.sum(axis=1, keepdims=True), atol=1e-6)


@pytest.mark.skipif(not HAS_ONNX, reason="onnxruntime-extensions is not installed")
def test_several_labels_are_chosen_by_their_thresholds(tmp_path, quick):
    import onnxruntime as ort

    from edgekd.runtime.text_graph_session import extension_of_onnxruntime

    calibration = Calibration(temperature=1.0, thresholds=(0.4, 0.6))
    source = make_bundle(tmp_path / "tiny", task=TaskKind.MULTI_LABEL, calibration=calibration)
    made = quick.add_tokenizer(source, tmp_path / "tiny-text")
    options = ort.SessionOptions()
    options.register_custom_ops_library(extension_of_onnxruntime())
    raw = ort.InferenceSession(str(made.model_path), options)
    assert raw.get_outputs()[2].name == "chosen"
    assert raw.run(["chosen"], {"text": np.array(["film", "great"], dtype=object)})[0].tolist() == [
        [True, False],
        [True, True],
    ]


@pytest.mark.skipif(not HAS_ONNX, reason="onnxruntime-extensions is not installed")
def test_a_text_with_other_ids_is_shown(tmp_path, quick, monkeypatch):
    monkeypatch.setattr(quick.text_onnx, "tokenizer_encoder", None)
    wrong = (quick._BUILDERS["onnxruntime-extensions"][0], lambda *_: lambda texts: [[2, 3] for _ in texts])
    monkeypatch.setitem(quick._BUILDERS, "onnxruntime-extensions", wrong)
    with pytest.raises(NotApplicable, match=r"token 1 of 'a.xc0b a.u4e2db' is 3, and tokenizers says \d+"):
        quick.add_tokenizer(make_bundle(tmp_path / "tiny"), tmp_path / "text")
    assert not (tmp_path / "text").exists()


@pytest.mark.parametrize("backend", BACKENDS[1:])
def test_an_openvino_bundle_takes_texts(backend, tmp_path, quick):
    import openvino

    from edgekd.bundle import write_manifest

    onnx_bundle = make_bundle(tmp_path / "onnx")
    folder = tmp_path / "openvino"
    folder.mkdir()
    for name in ("tokenizer.json", "config.json"):
        (folder / name).write_bytes((onnx_bundle.folder / name).read_bytes())
    openvino.save_model(openvino.convert_model(str(onnx_bundle.model_path)), str(folder / "openvino_model.xml"))
    source = write_manifest(
        folder, onnx_bundle.manifest.model_copy(update={"runtime": "openvino", "providers": ["CPU"], "files": {}})
    )
    made = quick.add_tokenizer(source, tmp_path / "text", texts=["the film was great"])
    session = session_for(made, 1)
    session.load()
    assert session.run(["great", "the film was awful"]).argmax(axis=1).tolist() == [1, 0]
    assert made.manifest.runtime == "openvino-tokenizers"
    assert sorted(name for name in made.manifest.files if "model" in name) == [
        "openvino_text_model.bin",
        "openvino_text_model.xml",
    ]


def test_fixed_shapes_are_refused(tmp_path):
    from edgekd.export.text_graph import add_tokenizer

    bundle = make_bundle(tmp_path / "tiny")
    fixed = bundle.model_copy(update={"manifest": bundle.manifest.model_copy(update={"lengths": [16]})})
    with pytest.raises(NotApplicable, match="fixed shapes"):
        add_tokenizer(fixed, tmp_path / "text")


def test_a_missing_extension_names_its_extra(monkeypatch):
    from edgekd.runtime import text_graph_session

    monkeypatch.setattr(text_graph_session, "find_spec", lambda _: None)
    with pytest.raises(MissingExtra) as caught:
        text_graph_session.OnnxTextSession.import_libraries()
    assert "edgekd[text-graph]" in str(caught.value.hint)


@pytest.mark.parametrize("backend", BACKENDS)
def test_running_one_imports_no_training_library(backend):
    name = "OnnxTextSession" if backend == "onnx" else "OpenVinoTextSession"
    code = (
        "import sys, edgekd\n"
        f"from edgekd.runtime.text_graph_session import {name}\n"
        f"{name}.import_libraries()\n"
        "unwanted = {'torch', 'transformers', 'onnx', 'openvino_telemetry'}\n"
        "print(sorted(unwanted & {name for name, module in sys.modules.items() if module}))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
