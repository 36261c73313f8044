"""What each operator costs in int8, on graphs whose damage is known."""

import numpy as np
import pytest

pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper

from edgekd.compress.examiner import Examiner
from edgekd.compress.sensitivity import layer_names, sensitivity
from edgekd.errors import NotApplicable
from edgekd.progress import Silent
from edgekd.tasks import Calibration, Task, TaskKind
from tests.chain_graph import ChainGraph

SINGLE = Task(TaskKind.SINGLE_LABEL, ("a", "b"))


def softmax(logits):
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    return ChainGraph(tmp_path_factory.mktemp("chain"))


def examiner(chain, task=SINGLE, **options):
    targets = options.pop("targets", chain.logits.argmax(axis=1).tolist())
    calibration = options.pop("calibration", Calibration())
    return Examiner(chain.rows, chain.logits, targets, task, calibration)


def test_the_operator_that_does_the_damage_comes_first_with_hand_computed_numbers(chain):
    quantize = chain.quantizer({"first": 0.02, "second": 0.6, "table": 0.02})
    table = sensitivity(chain.path, quantize, examiner(chain), progress=Silent())
    assert table.operators[0].node == "second"
    assert {operator.node for operator in table.operators} == {"table", "first", "second"}
    worst = table.operators[0]
    assert (worst.name, worst.op_type, worst.fp32_bytes) == ("body.second", "MatMul", 64 * 64 * 4)
    assert table.fp32.score == 1.0
    assert table.fp32.divergence == pytest.approx(0, abs=1e-9)
    everything = chain.run({"first": 0.02, "second": 0.6, "table": 0.02})
    without = chain.run({"first": 0.02, "table": 0.02})
    expected = softmax(chain.logits)

    def kl(logits):
        return (expected * np.log(expected / softmax(logits))).sum(axis=1).mean()

    assert table.int8.divergence == pytest.approx(kl(everything), rel=1e-3)
    assert worst.divergence == pytest.approx(kl(without), rel=1e-3)
    assert worst.divergence_gain == pytest.approx(table.int8.divergence - worst.divergence)
    right = chain.logits.argmax(axis=1)
    assert table.int8.score == np.mean(everything.argmax(axis=1) == right)
    assert worst.score == np.mean(without.argmax(axis=1) == right)
    assert worst.score_gain == worst.score - table.int8.score > 0
    assert table.int8.flips == np.sum(everything.argmax(axis=1) != right)


def test_bytes_are_those_of_the_files(chain, tmp_path):
    quantize = chain.quantizer({"first": 0.02, "second": 0.02, "table": 0.02})
    table = sensitivity(chain.path, quantize, examiner(chain), progress=Silent())
    quantize(tmp_path / "all.onnx", ())
    for operator in table.operators:
        quantize(tmp_path / "one.onnx", (operator.node,))
        added = (tmp_path / "one.onnx").stat().st_size - (tmp_path / "all.onnx").stat().st_size
        assert operator.added_bytes == added == operator.fp32_bytes - operator.int8_bytes
        assert 64 * 64 <= operator.int8_bytes < 64 * 64 + 200
    assert table.int8.size_bytes == (tmp_path / "all.onnx").stat().st_size
    assert table.fp32.size_bytes == chain.path.stat().st_size


def test_an_operator_that_the_quantizer_leaves_alone_is_not_in_the_table(chain):
    table = sensitivity(chain.path, chain.quantizer({"second": 0.1}), examiner(chain), progress=Silent())
    assert [operator.node for operator in table.operators] == ["second"]
    [only] = table.operators
    assert only.divergence == pytest.approx(0, abs=1e-9)  # nothing is int8 without it
    assert only.score == 1.0


def test_a_graph_that_int8_does_not_change_has_no_table(chain):
    def copy(path, _):
        path.write_bytes(chain.path.read_bytes())

    with pytest.raises(NotApplicable, match="gets smaller"):
        sensitivity(chain.path, copy, examiner(chain), progress=Silent())


def test_texts_are_few_and_of_all_lengths(chain):
    few = examiner(chain).few(5)
    lengths = sorted(len(row) for row in few.rows)
    assert len(lengths) == 5
    assert lengths[0] == min(map(len, chain.rows))
    assert lengths[-1] == max(map(len, chain.rows))
    for row, logits in zip(few.rows, few.reference, strict=True):
        assert np.array_equal(chain.logits[chain.rows.index(row)], logits)
    table = sensitivity(chain.path, chain.quantizer({"second": 0.1}), examiner(chain), progress=Silent(), max_texts=7)
    assert table.texts == 7


def test_an_output_that_is_not_finite_has_no_divergence_and_the_lowest_score(chain):
    quantize = chain.quantizer({"first": 0.004, "second": np.inf})
    table = sensitivity(chain.path, quantize, examiner(chain), progress=Silent())
    assert (table.int8.score, table.int8.divergence) == (-1.0, None)
    assert [operator.node for operator in table.operators] == ["second", "first"]
    assert table.operators[0].divergence_gain is None
    assert table.operators[0].score == 1.0
    assert table.operators[1].divergence is None


def test_a_regression_is_judged_by_the_squared_difference(tmp_path):
    chain = ChainGraph(tmp_path, outputs=1)
    task = Task(TaskKind.REGRESSION, ("value",))
    table = sensitivity(
        chain.path,
        chain.quantizer({"second": 0.2}),
        examiner(chain, task, targets=chain.logits[:, 0].tolist()),
        progress=Silent(),
    )
    difference = chain.run({"second": 0.2}) - chain.logits
    assert table.divergence_name == "mean squared difference"
    assert table.int8.divergence == pytest.approx(np.mean(difference**2), rel=1e-3)
    assert table.int8.flips == 0


def test_a_label_is_flipped_at_the_threshold_of_the_model(chain):
    task = Task(TaskKind.MULTI_LABEL, ("x", "y"))
    targets = [tuple(np.flatnonzero(row > 0).tolist()) for row in chain.logits]
    strict = Calibration(thresholds=(0.9, 0.9))
    judged = examiner(chain, task, targets=targets, calibration=strict).judge(chain.logits + 1.0, 1)
    cut = np.log(9)
    expected = ((chain.logits >= cut) != (chain.logits + 1.0 >= cut)).any(axis=1).sum()
    assert 0 < judged.flips == expected < len(targets)


def test_rows_are_plain_json(chain):
    table = sensitivity(chain.path, chain.quantizer({"second": 0.1}), examiner(chain), progress=Silent())
    [row] = table.as_rows()
    assert row["node"] == "second"
    assert all(isinstance(value, str | int | float | None) for value in row.values())
    assert table.as_dict()["operators"] == [row]


def test_a_layer_is_named_after_its_weight_or_the_bias_that_follows():
    nodes = [
        helper.make_node("Gather", ["model.embeddings.words.weight", "ids"], ["a"], name="n0"),
        helper.make_node("MatMul", ["a", "val_95"], ["b"], name="n1"),
        helper.make_node("Add", ["b", "model.layer.0.query.bias"], ["c"], name="n2"),
        helper.make_node("Gemm", ["c", "val_97", "model.classifier.bias"], ["d"], name="n3"),
        helper.make_node("MatMul", ["d", "val_99"], ["e"], name="n4"),
    ]
    names = ["model.embeddings.words.weight", "val_95", "model.layer.0.query.bias", "val_97", "model.classifier.bias"]
    constants = [numpy_helper.from_array(np.zeros(2, np.float32), name) for name in [*names, "val_99"]]
    outputs = [helper.make_tensor_value_info("e", TensorProto.FLOAT, None)]
    model = helper.make_model(helper.make_graph(nodes, "g", [], outputs, constants))
    found = layer_names(model)
    assert {name: found[name] for name in ("n0", "n1", "n3")} == {
        "n0": "embeddings.words",
        "n1": "layer.0.query",
        "n3": "classifier",
    }
    assert "n4" not in found
