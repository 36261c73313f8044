"""Broken graphs are refused, each for its own reason, with evidence; whole ones pass in every form."""

from __future__ import annotations

import csv
import json
import zlib
from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from edgekd.config import ExportConfig  # noqa: E402
from edgekd.errors import InvalidArtifact  # noqa: E402
from edgekd.export.answers import graph_logits  # noqa: E402
from edgekd.export.parity import (  # noqa: E402
    Exam,
    Limits,
    evidence_folder,
    limits_for,
    require_parity,
    spread_over_lengths,
)
from edgekd.tasks import Calibration, Task, TaskKind  # noqa: E402

VOCABULARY, WIDTH, PAD, START, LONGEST = 50, 6, 1, 2, 24
TASK = Task(TaskKind.SINGLE_LABEL, ("bad", "good"))
RNG = np.random.default_rng(0)
TABLE = RNG.normal(0, 1, (VOCABULARY, WIDTH)).astype(np.float32)
HEAD = RNG.normal(0, 1, (WIDTH, 2)).astype(np.float32)
FP32 = limits_for(ExportConfig(), "fp32")
TEXTS = [" ".join(f"w{i * 7 % 31}x{j}" for j in range(1 + i % 30)) for i in range(90)]


def encode(texts):
    return [[START, *(3 + zlib.crc32(word.encode()) % 47 for word in text.split(" "))][:LONGEST] for text in texts]


def model_logits(rows):
    """The model: the mean of the vectors of its tokens, times a matrix."""
    return np.stack([TABLE[row].mean(axis=0) @ HEAD for row in rows])


def make_exam(task=TASK, texts=TEXTS, targets="known"):
    known = model_logits(encode(texts)).argmax(axis=1).tolist() if targets == "known" else None
    return Exam.of(texts, known, encode=encode, task=task, calibration=Calibration(), pad_token_id=PAD, count=64)


def node(kind, inputs, output, **attributes):
    return helper.make_node(kind, inputs, [output], **attributes)


def write(
    path: Path,
    *,
    mask: str = "given",
    head: np.ndarray = HEAD,
    first: int | None = None,
    tail: list | None = None,
    outputs: int = 2,
    kind: int = TensorProto.INT64,
    shape: tuple = ("batch", "sequence"),
) -> Path:
    """Write the model as a graph.

    Args:
        mask: "given"; "ignored": every position counts; an id: positions that hold it do not count.
        first: only so many tokens are read.
        tail: nodes from "scores" to "logits".
    """
    nodes = [node("Identity", ["input_ids"], "ids"), node("Identity", ["attention_mask"], "ones")]
    if first is not None:
        nodes = [
            node("Slice", ["input_ids", "start", "end", "axis_1"], "ids"),
            node("Slice", ["attention_mask", "start", "end", "axis_1"], "ones"),
        ]
    nodes.append(node("Gather", ["table", "ids"], "vectors"))
    if mask == "given":
        nodes.append(node("Cast", ["ones"], "mask", to=TensorProto.FLOAT))
    else:
        nodes += [
            node("Cast", ["ids"], "ids_64", to=TensorProto.INT64),
            node("Equal", ["ids_64", "other_pad"], "is_pad"),
            node("Not", ["is_pad"], "is_token"),
            node("Cast", ["is_token"], "mask", to=TensorProto.FLOAT),
        ]
    nodes += [
        node("Unsqueeze", ["mask", "axis_2"], "mask_3d"),
        node("Mul", ["vectors", "mask_3d"], "masked"),
        node("ReduceSum", ["masked", "axis_1"], "summed", keepdims=0),
        node("ReduceSum", ["mask", "axis_1"], "count", keepdims=1),
        node("Div", ["summed", "count"], "mean"),
        node("MatMul", ["mean", "head"], "scores"),
        *(tail or [node("Identity", ["scores"], "logits")]),
    ]
    constants = {
        "table": TABLE,
        "head": head,
        "axis_1": np.array([1]),
        "axis_2": np.array([2]),
        "start": np.array([0]),
        "end": np.array([first or 0]),
        "other_pad": np.array(-1 if mask in ("given", "ignored") else int(mask)),
        "large": np.array(1e6, np.float32),
        "four": np.array([4]),
    }
    graph = helper.make_graph(
        nodes,
        "mean",
        [helper.make_tensor_value_info(name, kind, shape) for name in ("input_ids", "attention_mask")],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [shape[0], outputs])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), str(path))
    return path


def check(graph, limits=FP32, exam=None, **options):
    exam = exam or make_exam()
    return require_parity(exam, exam.answers_by(model_logits), graph, limits, name="toy", **options)


def half_overflow():
    return [
        node("Mul", ["scores", "large"], "too_large"),
        node("Cast", ["too_large"], "half", to=TensorProto.FLOAT16),
        node("Cast", ["half"], "back", to=TensorProto.FLOAT),
        node("Div", ["back", "large"], "logits"),
    ]


BROKEN = {
    "the mask is ignored": ({"mask": "ignored"}, r"^'toy' failed its parity check: Padding changes logits by up to"),
    "the wrong id is padding": ({"mask": "0"}, r"^'toy' failed its parity check: Padding changes logits by up to"),
    "labels are swapped": ({"head": HEAD[:, ::-1].copy()}, r"check: On 64 validation texts logits differ .* 64 labels"),
    "a text is cut": ({"first": 16}, r"check: On 64 validation texts logits differ by up to"),
    "fp16 overflows": ({"tail": half_overflow()}, r"check: The graph returns values that are not finite for \d+ of 64"),
    "NaN": ({"tail": [node("Sqrt", ["scores"], "logits")]}, r"values that are not finite for \d+ of 64 texts"),
    "a label more": (
        {"tail": [node("Concat", ["scores", "count"], "logits", axis=1)], "outputs": 3},
        r"check: The graph returns logits of shape \(64, 3\); its model \(64, 2\)",
    ),
    "a fixed shape inside": (
        {"tail": [node("Reshape", ["scores", "four"], "wrong"), node("Identity", ["wrong"], "logits")]},
        r"check: 'model.onnx' fails on \d+ texts of \d+ tokens: ",
    ),
}


@pytest.mark.parametrize(("options", "reason"), BROKEN.values(), ids=BROKEN)
def test_a_broken_graph_is_refused_for_its_own_reason(tmp_path, options, reason):
    graph = write(tmp_path / "building" / "model.onnx", **options)
    evidence = evidence_folder(tmp_path / "toy")
    with pytest.raises(InvalidArtifact, match=reason) as caught:
        check(graph, evidence=evidence)
    assert caught.value.exit_code == 3
    assert f"The evidence is in '{evidence}'." in caught.value.message
    assert str(evidence / "README.txt") in caught.value.hint
    assert sorted(path.name for path in evidence.iterdir()) == [
        "README.txt",
        "logits.npz",
        "model.onnx",
        "parity.json",
        "worst.csv",
    ]
    assert (evidence / "model.onnx").read_bytes() == graph.read_bytes()
    assert json.loads((evidence / "parity.json").read_text())["reasons"][0] in caught.value.message


def test_a_graph_that_is_wrong_only_in_batches_is_right_alone(tmp_path):
    graph = write(tmp_path / "model.onnx", mask="ignored")
    rows = encode(TEXTS)
    assert np.abs(graph_logits(graph, rows, pad_token_id=PAD, batch_sizes=(1,)) - model_logits(rows)).max() < 1e-6
    assert np.abs(graph_logits(graph, rows, pad_token_id=PAD) - model_logits(rows)).max() > 0.1


GOOD = {
    "int64": {},
    "int32": {"kind": TensorProto.INT32},
    "its own padding": {"mask": str(PAD)},
    "one text a call": {"shape": (1, "sequence")},
    "a fixed length": {"shape": ("batch", LONGEST)},
    "batches of five of a fixed length": {"shape": (5, 40)},
}


@pytest.mark.parametrize("options", GOOD.values(), ids=GOOD)
def test_a_whole_graph_passes_in_every_form(tmp_path, options):
    parity = check(write(tmp_path / "model.onnx", **options))
    assert parity.texts == 64
    assert parity.max_abs_diff < 1e-5
    assert parity.padding_max_abs_diff < 1e-5
    assert parity.hostile_max_abs_diff < 1e-5
    assert parity.hostile_texts > 90
    assert (parity.label_flips, parity.padding_flips, parity.hostile_flips, parity.worst) == (0, 0, 0, [])
    assert parity.score_change == 0.0
    assert parity.recall_change == {"bad": 0.0, "good": 0.0}


def test_without_true_labels_nothing_is_said_about_scores(tmp_path):
    parity = check(write(tmp_path / "model.onnx"), exam=make_exam(targets=None))
    assert (parity.score_change, parity.score_change_interval, parity.recall_change) == (None, None, {})


def test_a_text_that_is_too_long_for_the_graph_is_a_failure(tmp_path):
    graph = write(tmp_path / "model.onnx", shape=("batch", 20))
    with pytest.raises(InvalidArtifact, match=r"'model\.onnx' takes 20 tokens, and a text has 24"):
        check(graph)


def test_a_graph_that_is_wrong_on_hostile_texts_only_is_refused(tmp_path):
    exam = make_exam(texts=[text for text in TEXTS if len(text.split(" ")) < 15])
    with pytest.raises(InvalidArtifact, match=r"check: On 106 hostile texts logits differ by up to .*, most on '"):
        check(write(tmp_path / "model.onnx", first=16), exam=exam)


def test_what_is_no_graph_and_unknown_inputs_are_failures(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"no graph")
    with pytest.raises(InvalidArtifact, match=r"onnxruntime cannot open 'model\.onnx'"):
        check(path)
    model = onnx.load(write(path))
    for part in [*model.graph.input, *(n for n in model.graph.node)]:
        if isinstance(part, onnx.ValueInfoProto):
            part.name = part.name.replace("attention_mask", "mask_of_mine")
        else:
            part.input[:] = [name.replace("attention_mask", "mask_of_mine") for name in part.input]
    onnx.save(model, str(path))
    with pytest.raises(InvalidArtifact, match="inputs that no tokenizer gives: mask_of_mine"):
        check(path)


def test_the_evidence_can_be_read_and_the_worst_text_is_first(tmp_path):
    evidence = tmp_path / "toy.failed"
    graph = write(tmp_path / "building" / "model.onnx", head=HEAD[:, ::-1].copy())
    (graph.parent / "parity.json").write_text("{}")  # of another stage
    with pytest.raises(InvalidArtifact):
        check(graph, evidence=evidence)
    record = json.loads((evidence / "parity.json").read_text())
    assert record["label_flips"] == 64
    assert record["limits"]["max_abs_diff"] == 1e-4
    assert len(record["worst"]) == 10
    rows = list(csv.DictReader((evidence / "worst.csv").read_text(encoding="utf-8").splitlines()))
    assert len(rows) == 100
    differences = [float(row["max_abs_diff"]) for row in rows]
    assert differences == sorted(differences, reverse=True)
    assert {row["check"] for row in rows} <= {"alone", "padded", "hostile"}
    assert {(row["expected"], row["actual"]) for row in rows} == {("good", "bad"), ("bad", "good")}
    with np.load(evidence / "logits.npz", allow_pickle=False) as arrays:
        assert np.array_equal(arrays["expected_alone"][:, ::-1].round(4), arrays["actual_alone"].round(4))
        assert arrays["actual_hostile"].shape == arrays["expected_hostile"].shape
        assert len(arrays["actual_padded"]) == 66
    readme = (evidence / "README.txt").read_text()
    assert record["reasons"][0] in readme
    assert "model.onnx" in readme


def test_older_evidence_is_replaced_and_a_success_removes_it(tmp_path):
    evidence = tmp_path / "toy.failed"
    evidence.mkdir()
    (evidence / "old").touch()
    with pytest.raises(InvalidArtifact):
        check(write(tmp_path / "a" / "model.onnx", mask="ignored"), evidence=evidence)
    assert not (evidence / "old").exists()
    check(write(tmp_path / "b" / "model.onnx"), evidence=evidence)
    assert not evidence.exists()


def rotated(degrees):
    """A head that answers a share of the texts differently."""
    turn = np.deg2rad(degrees)
    return (HEAD @ np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])).astype(np.float32)


def test_a_lossy_graph_fails_only_when_it_is_clearly_worse(tmp_path):
    some, most = (write(tmp_path / str(turn) / "model.onnx", head=rotated(turn)) for turn in (6, 70))
    parity = check(some, limits_for(ExportConfig(), "int8"))
    assert 0 < parity.label_flips < 12
    assert parity.score_change_interval[0] < 0
    words = r"of the labels differ \(95 % interval .* accuracy changes by -\d+\.\d pt"
    with pytest.raises(InvalidArtifact, match=words):
        check(most, limits_for(ExportConfig(), "int8"))
    # The same graph passes where so much is allowed.
    check(most, Limits(max_flip_share=0.9, max_score_drop=0.9))
    # In fp32 the small turn fails as well.
    with pytest.raises(InvalidArtifact, match="logits differ"):
        check(some)


def test_values_that_are_not_finite_fail_in_every_precision(tmp_path):
    graph = write(tmp_path / "model.onnx", tail=half_overflow())
    for precision in ("fp16", "int8", "int4"):
        with pytest.raises(InvalidArtifact, match="not finite"):
            check(graph, limits_for(ExportConfig(), precision))


def test_a_budget_of_the_recipe_that_allows_more_wins():
    assert limits_for(ExportConfig(), "int8", max_score_drop=0.2).max_score_drop == 0.2
    assert limits_for(ExportConfig(), "int8", max_score_drop=0.01).max_score_drop == 0.05
    assert limits_for(ExportConfig(int4_max_flip_share=0.5), "int4").max_flip_share == 0.5


def test_a_regression_fails_by_the_size_of_its_shift(tmp_path):
    task = Task(TaskKind.REGRESSION, ("stars",))
    values = model_logits(encode(TEXTS))[:, :1]
    exam = Exam.of(
        TEXTS,
        values[:, 0].tolist(),
        encode=encode,
        task=task,
        calibration=Calibration(),
        pad_token_id=PAD,
        count=64,
    )
    expected = exam.answers_by(lambda rows: model_logits(rows)[:, :1])
    lossy = limits_for(ExportConfig(), "int8")
    for scale, passes in ((1.02, True), (1.5, False)):
        graph = write(tmp_path / str(scale) / "model.onnx", head=(HEAD[:, :1] * scale), outputs=1)
        if passes:
            assert require_parity(exam, expected, graph, lossy, name="toy").label_flips == 0
        else:
            # Its order of the texts, and so its Pearson correlation, is still perfect.
            with pytest.raises(InvalidArtifact, match=r"Values differ by .* on average"):
                require_parity(exam, expected, graph, lossy, name="toy")


def test_logits_far_from_1_are_compared_by_their_size(tmp_path):
    exam = make_exam()
    expected = exam.answers_by(lambda rows: model_logits(rows) * 1000)
    graph = write(tmp_path / "model.onnx", head=HEAD * np.float32(1000 * (1 + 3e-5)))
    assert require_parity(exam, expected, graph, FP32, name="toy").max_abs_diff > 1e-2


def test_batches_mix_the_shortest_with_the_longest_and_hold_64_texts():
    exam = make_exam()
    lengths = [len(row) for row in exam.rows]
    pair, many = exam.batches
    assert [lengths[i] for i in pair] == [min(lengths), max(lengths)]
    assert len(many) == 64
    assert make_exam(texts=["one"]).batches == []
    assert spread_over_lengths([5, 1, 9, 3], 2) == [1, 2]
