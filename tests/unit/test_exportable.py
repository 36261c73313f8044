"""What is exported: its task, its name, its lengths, and the texts that stand in for data."""

from __future__ import annotations

import pytest

onnx = pytest.importorskip("onnx")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402

from edgekd.bundle import GRAPH_FILES  # noqa: E402
from edgekd.devices import load_profiles  # noqa: E402
from edgekd.errors import ConfigError  # noqa: E402
from edgekd.export.convert import CONVERTERS  # noqa: E402
from edgekd.export.formats import FORMATS, all_formats, find_format, preferred_format  # noqa: E402
from edgekd.export.made_texts import made_texts  # noqa: E402
from edgekd.export.shapes import MIN_LENGTH, check_lengths, fix_shapes  # noqa: E402
from edgekd.exportable import Shape, model_name, task_of  # noqa: E402
from edgekd.tasks import Task, TaskKind  # noqa: E402
from tests.bundles import make_bundle, make_tokenizer  # noqa: E402

LABELS = {"0": "bad", "1": "good", "2": "so-so"}


@pytest.mark.parametrize(
    ("config", "given_task", "expected"),
    [
        ({"id2label": LABELS}, None, Task(TaskKind.SINGLE_LABEL, ("bad", "good", "so-so"))),
        ({"id2label": {0: "a", 1: "b"}}, None, Task(TaskKind.SINGLE_LABEL, ("a", "b"))),
        ({}, None, Task(TaskKind.SINGLE_LABEL, ("LABEL_0", "LABEL_1"))),
        (
            {"id2label": LABELS, "problem_type": "multi_label_classification"},
            None,
            Task(TaskKind.MULTI_LABEL, ("bad", "good", "so-so")),
        ),
        ({"id2label": LABELS}, TaskKind.MULTI_LABEL, Task(TaskKind.MULTI_LABEL, ("bad", "good", "so-so"))),
        ({"id2label": {"0": "LABEL_0"}}, None, Task(TaskKind.REGRESSION, ("value",))),
        ({"id2label": {"0": "stars"}, "problem_type": "regression"}, None, Task(TaskKind.REGRESSION, ("stars",))),
        ({"id2label": {str(i): f"l{i}" for i in range(12)}}, None, Task(TaskKind.SINGLE_LABEL, tuple(
            f"l{i}" for i in range(12)))),  # "10" sorts behind "9"
    ],
)  # fmt: skip
def test_the_task_follows_from_the_configuration(config, given_task, expected):
    assert task_of(config, given_task, "m") == expected


@pytest.mark.parametrize(
    ("config", "given_task", "message"),
    [
        ({"id2label": LABELS}, TaskKind.REGRESSION, "3 output"),
        ({"id2label": {"0": "x"}}, TaskKind.SINGLE_LABEL, "1 output"),
        ({"id2label": {"0": "x", "1": "x"}}, None, "the same name"),
    ],
)
def test_a_task_that_does_not_fit_is_refused(config, given_task, message):
    with pytest.raises(ConfigError, match=message):
        task_of(config, given_task, "m")


def test_models_are_called_what_their_users_call_them(tmp_path):
    student = tmp_path / "run" / "students" / "cnn" / "distilled" / "seed-0"
    student.mkdir(parents=True)
    assert model_name(str(student)) == "cnn"
    assert model_name("org/some-model") == "some-model"
    assert model_name("asset:all-MiniLM-L6-v2") == "all-MiniLM-L6-v2"
    assert model_name(f"{student.parents[4] / 'run'}/") == "run"


@pytest.mark.parametrize(
    ("lengths", "batch", "max_length", "limit", "message"),
    [
        ((0,), None, None, None, "0 tokens is too short"),
        ((-5, 8), None, None, None, "-5 tokens is too short"),
        ((), None, 2, None, "2 tokens is too short"),
        ((64, 32), None, None, None, "not in ascending order"),
        ((32, 32), None, None, None, "not in ascending order"),
        ((128, 513), None, None, 512, "513 tokens is more than the model's 512 positions"),
        ((), None, 600, 512, "600 tokens is more than the model's 512 positions"),
        ((64,), None, 128, 512, "more than the longest of --length, 64"),
        ((), 0, None, None, "A batch of 0 texts"),
    ],
)
def test_lengths_that_no_graph_can_have_are_refused(lengths, batch, max_length, limit, message):
    with pytest.raises(ConfigError, match=message):
        check_lengths(lengths, batch, max_length, limit)


@given(st.sets(st.integers(MIN_LENGTH, 512), max_size=6), st.none() | st.integers(1, 64))
def test_ascending_lengths_within_the_positions_are_allowed(lengths, batch):
    check_lengths(sorted(lengths), batch, max(lengths, default=None), 512)


def test_texts_are_cut_at_the_longest_length_unless_said_otherwise():
    assert Shape().wanted_length is None
    assert Shape(lengths=(32, 64)).wanted_length == 64
    assert Shape(lengths=(32, 64), max_length=40).wanted_length == 40
    assert (Shape(lengths=(32,)).fixed_length, Shape(lengths=(32, 64)).fixed_length) == (32, None)


def test_free_shapes_are_fixed_and_fixed_ones_stay(tmp_path):
    bundle = make_bundle(tmp_path / "bundle")
    fix_shapes(bundle.model_path, tmp_path / "fixed.onnx", length=16, batch=4)
    graph = onnx.load(tmp_path / "fixed.onnx").graph
    assert [[d.dim_value for d in e.type.tensor_type.shape.dim] for e in graph.input] == [[4, 16], [4, 16]]
    assert [d.dim_value for d in graph.output[0].type.tensor_type.shape.dim] == [4, 2]
    with pytest.raises(ConfigError, match="takes 16 tokens a call, not 8"):
        fix_shapes(tmp_path / "fixed.onnx", tmp_path / "again.onnx", length=8, batch=None)


@settings(max_examples=20)
@given(st.integers(1, 300), st.integers(2, 80))
def test_made_texts_are_different_and_as_long_as_they_may_be(max_length, count):
    tokenizer = Tokenizer.from_str(_tokenizer())
    texts = made_texts(tokenizer, max_length, count)
    assert len(set(texts)) == len(texts) <= count
    assert texts == made_texts(tokenizer, max_length, count)
    lengths = [len(tokenizer.encode(text, add_special_tokens=False).ids) for text in texts]
    assert max(lengths) <= 3 * max_length + 3  # pieces of words that stand alone are spelled


_MADE: list[str] = []


def _tokenizer():
    if not _MADE:
        import tempfile
        from pathlib import Path

        with tempfile.TemporaryDirectory() as folder:
            make_tokenizer(Path(folder) / "tokenizer.json")
            _MADE.append((Path(folder) / "tokenizer.json").read_text(encoding="utf-8"))
    return _MADE[0]


def test_every_format_has_a_converter_and_a_runtime():
    assert set(FORMATS) == set(CONVERTERS)
    assert {one.runtime for one in FORMATS.values()} <= set(GRAPH_FILES)


def test_every_profile_prefers_a_format_that_needs_no_data():
    for profile in load_profiles().values():
        assert not preferred_format(profile).needs_data
        names = {one.name for one in all_formats(profile, has_data=False)}
        assert "openvino-int8" not in names
        assert ("tensorrt" in names) == (profile.name in ("jetson-orin-nano", "jetson-agx-orin"))


def test_steps_of_quantization_are_no_formats():
    with pytest.raises(ConfigError) as caught:
        find_format("int8")
    assert "edgekd quantize" in caught.value.hint
