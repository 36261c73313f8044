"""Mixed precision: the few operators in fp32 that the budget needs, and none when it needs none."""

import json

import numpy as np
import pytest

pytest.importorskip("onnx")

from edgekd.compress.mixed import mixed_int8, order
from edgekd.compress.sensitivity import OperatorCost
from edgekd.errors import NotApplicable
from edgekd.export.parity import graph_logits
from edgekd.progress import Silent
from edgekd.steps import MixedInt8Step
from edgekd.tasks import Task, TaskKind
from tests.chain_graph import ChainGraph

SINGLE = Task(TaskKind.SINGLE_LABEL, ("a", "b"))
FINE, COARSE, DEADLY = 0.02, 0.3, 9.0


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    return ChainGraph(tmp_path_factory.mktemp("chain"))


class Told(Silent):
    def __init__(self):
        self.lines = []

    def say(self, message):
        self.lines.append(message)


def find(chain, steps, target, *, budget=0.02, max_fp32=8, progress=None, quantize=None):
    return mixed_int8(
        chain.path,
        target,
        quantize or chain.quantizer(steps),
        rows=chain.rows,
        reference=chain.logits,
        targets=chain.logits.argmax(axis=1).tolist(),
        task=SINGLE,
        pad_token_id=0,
        step=MixedInt8Step(max_fp32=max_fp32),
        budget_drop=budget,
        progress=progress or Silent(),
    )


def accuracy(chain, path):
    logits = np.concatenate([graph_logits(path, [row], pad_token_id=0) for row in chain.rows])
    return np.mean(logits.argmax(axis=1) == chain.logits.argmax(axis=1))


def test_only_the_operator_that_does_the_damage_stays_fp32(chain, tmp_path):
    told = Told()
    steps = {"table": FINE, "first": 0.005, "second": DEADLY}
    record = find(chain, steps, tmp_path / "mixed.onnx", progress=told)
    assert record.nodes == ["second"]
    assert record.layers == ["body.second"]
    assert record.within_budget
    assert record.int8.score < 0.8 < 0.98 <= record.mixed.score
    assert accuracy(chain, tmp_path / "mixed.onnx") == record.mixed.score
    assert (tmp_path / "mixed.onnx").stat().st_size == record.mixed.size_bytes
    assert record.int8.size_bytes < record.mixed.size_bytes < record.fp32.size_bytes
    assert told.lines == [f"  {record.words()}"]
    assert record.words().startswith("1 of 3 operators stay fp32 (body.second; +12.2 kB): accuracy")


def test_plain_int8_within_the_budget_is_not_made_larger(chain, tmp_path):
    with pytest.raises(NotApplicable, match=r"int8 loses nothing that counts: accuracy .* 20 points may be lost"):
        find(chain, {"first": COARSE}, tmp_path / "mixed.onnx", budget=0.2)
    assert not (tmp_path / "mixed.onnx").exists()


def test_operators_that_turn_out_not_to_be_needed_are_int8_again(chain, tmp_path):
    """`first` gains more and goes first, but without `second` it is not enough, and with it not needed."""
    record = find(chain, {"first": 0.15, "second": 0.1, "table": FINE}, tmp_path / "m.onnx", budget=0.06)
    assert [trial.nodes for trial in record.path] == [(), ("first",), ("first", "second"), ("second",)]
    assert record.nodes == ["second"]
    scores = [round(trial.answer.score, 2) for trial in record.path]
    assert scores == [0.85, 0.88, 1.0, 0.95]


def test_when_the_budget_is_out_of_reach_the_best_set_is_written_and_said_so(chain, tmp_path):
    steps = {"first": 0.2, "second": 0.2, "table": FINE}
    record = find(chain, steps, tmp_path / "m.onnx", budget=0.0, max_fp32=1)
    assert len(record.nodes) == 1
    assert not record.within_budget
    assert record.mixed.score == max(trial.answer.score for trial in record.path) > record.int8.score
    assert record.words().endswith("; still more than 0 points below fp32")


def test_when_only_fp32_would_do_nothing_is_written(chain, tmp_path):
    with pytest.raises(NotApplicable, match="No operator in fp32 helps"):
        find(chain, {"second": DEADLY}, tmp_path / "m.onnx")
    assert not (tmp_path / "m.onnx").exists()


def test_outputs_that_are_not_finite_are_mended(chain, tmp_path):
    record = find(chain, {"first": 0.005, "second": np.inf, "table": FINE}, tmp_path / "m.onnx")
    assert record.nodes == ["second"]
    assert (record.int8.score, record.int8.divergence) == (-1.0, None)
    json.dumps(record.as_dict(), allow_nan=False)


def test_the_record_is_plain_json_and_marks_what_stays_fp32(chain, tmp_path):
    record = find(chain, {"first": 0.005, "second": DEADLY}, tmp_path / "m.onnx")
    read = json.loads(json.dumps(record.as_dict(), allow_nan=False))
    assert read["nodes"] == ["second"]
    assert read["fp32"]["score"] == 1.0
    assert [(row["node"], row["fp32"]) for row in read["operators"]] == [("second", True), ("first", False)]
    assert read["path"][0]["nodes"] == []
    assert read["path"][0]["score"] == read["int8"]["score"]
    assert read["within_budget"] is True


def cost(node, gain, added, *, finite=True):
    return OperatorCost(node, "MatMul", node, 2 * added, added, 0.9, 0.0, 0.1 if finite else None, gain, 0)


def test_operators_are_ordered_by_what_they_gain_for_a_byte():
    table = [cost("large", 0.4, 1000), cost("small", 0.1, 100), cost("worse", -0.1, 10), cost("none", 0.0, 10)]
    assert [operator.node for operator in order(table)] == ["small", "large"]
    mended = [cost("mends", None, 10_000), cost("still broken", None, 1, finite=False)]
    assert [operator.node for operator in order([*table, *mended])] == ["mends", "small", "large"]
