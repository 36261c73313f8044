"""Multiply-adds and bytes from profiles: hand-computed for one operator each, and for a whole graph."""

from types import SimpleNamespace

import pytest

from edgekd.bench.child import Child
from edgekd.bench.collect import Measured
from edgekd.bench.cost import OperatorCost, macs, operator_costs
from edgekd.bench.operators import calls_of
from edgekd.bench.place import Place
from edgekd.bench.profile_phase import ProfilePhase, by_type, longest
from edgekd.bench.variants import variant_from_bundle
from edgekd.measurements import OperatorTime
from edgekd.progress import Silent
from edgekd.results import Evidence
from tests.bundles import BALLAST, HIDDEN, make_bundle


def event(op_type, inputs, outputs, *, weights=0, activations=0, written=0, name="node", dur=5, ts=0):
    return {
        "cat": "Node",
        "name": f"{name}_kernel_time",
        "ts": ts,
        "dur": dur,
        "args": {
            "op_name": op_type,
            "input_type_shape": inputs,
            "output_type_shape": outputs,
            "parameter_size": str(weights),
            "activation_size": str(activations),
            "output_size": str(written),
        },
    }


@pytest.mark.parametrize(
    ("op_type", "inputs", "output", "expected"),
    [
        ("MatMul", [[1, 7, 20], [20, 30]], [1, 7, 30], 7 * 20 * 30),
        ("MatMul", [[2, 4, 7, 16], [2, 4, 16, 7]], [2, 4, 7, 7], 2 * 4 * 7 * 7 * 16),
        ("MatMul", [[20], [20, 30]], [30], 20 * 30),
        ("Gemm", [[3, 20], [20, 30], [30]], [3, 30], 3 * 20 * 30),
        ("Gemm", [[20, 3], [20, 30], [30]], [3, 30], 3 * 20 * 30),  # the first matrix is transposed
        ("MatMulInteger", [[7, 20], [20, 30], [], []], [7, 30], 7 * 20 * 30),
        ("MatMulNBits", [[1, 7, 32], [30, 1, 16], [30]], [1, 7, 30], 7 * 32 * 30),
        ("FusedConv", [[1, 128, 16], [96, 128, 3], [96]], [1, 96, 16], 96 * 16 * 128 * 3),
        ("Conv", [[1, 8, 10], [8, 1, 3]], [1, 8, 8], 8 * 8 * 3),  # depthwise
        ("QLinearConv", [[1, 4, 9], [], [], [6, 4, 2], [6], [6]], [1, 6, 8], 6 * 8 * 4 * 2),
        ("Attention", [[1, 5, 12], [12, 36], [36]], [1, 5, 12], 5 * 12 * 36 + 2 * 5 * 5 * 12),
        ("MultiHeadAttention", [[1, 5, 12], [1, 9, 12], [1, 9, 8]], [1, 5, 8], 5 * 9 * 12 + 5 * 9 * 8),
        ("Attention", [[1, 2, 5, 6], [1, 2, 9, 6], [1, 2, 9, 6]], [1, 2, 5, 6], 2 * (2 * 5 * 9 * 6)),
        ("GRU", [[11, 1, 6], [2, 12, 6], [2, 12, 4]], [11, 2, 1, 4], 11 * 2 * 12 * (6 + 4)),
        ("Add", [[1, 7, 20], [20]], [1, 7, 20], 0),
    ],
)
def test_multiply_adds_of_an_operator(op_type, inputs, output, expected):
    assert macs(op_type, inputs, [output]) == expected


def test_a_lookup_reads_the_rows_in_use_and_not_the_table():
    gather = event(
        "Gather",
        [{"float": [30522, 128]}, {"int64": [1, 16]}],
        [{"float": [1, 16, 128]}],
        weights=30522 * 128 * 4,
        activations=128,
        written=8192,
        dur=1,
    )
    (cost,) = operator_costs([gather])
    assert cost == OperatorCost("node", "Gather", 0, 8192, 128, 8192, "fp32", 1e-6)
    assert cost.read_bytes == 8320


def test_what_only_changes_the_shape_moves_nothing():
    reshape = event("Reshape", [{"float": [4, 5]}, {"int64": [1]}], [{"float": [20]}], weights=8, activations=80)
    assert operator_costs([reshape])[0].read_bytes == 0


@pytest.mark.parametrize(
    ("op_type", "left", "right", "arithmetic"),
    [
        ("MatMul", "float", "float", "fp32"),
        ("MatMul", "float16", "float16", "fp16"),
        ("MatMulInteger", "uint8", "int8", "int8"),
        ("DynamicQuantizeMatMul", "float", "int8", "int8"),
        ("MatMulNBits", "float", "uint8", "fp32"),  # weights are unpacked to fp32
        ("Add", "int8", "int8", "fp32"),  # no product
    ],
)
def test_what_a_product_is_computed_in(op_type, left, right, arithmetic):
    product = event(op_type, [{left: [4, 8]}, {right: [8, 2]}], [{"float": [4, 2]}])
    assert operator_costs([product])[0].arithmetic == arithmetic


def test_other_events_of_a_profile_are_no_operators():
    assert operator_costs([{"cat": "Session", "name": "model_run", "ts": 0, "dur": 9}]) == []


def test_a_profile_is_split_by_calls():
    first, second = (event("Add", [], [], name=name, ts=ts) for name, ts in (("a", 10), ("b", 50)))
    runs = [{"name": "model_run", "cat": "Session", "ts": ts, "dur": 20} for ts in (5, 45)]
    assert calls_of([*runs, second, first]) == [[first], [second]]


def test_operators_are_ordered_by_the_median_of_their_time():
    calls = [
        [
            event("Add", [], [], name="a", dur=a),
            event("Mul", [], [], name="b", dur=8),
            event("Add", [], [], name="c", dur=4),
        ]
        for a in (4, 900, 4)
    ]
    assert longest(calls) == [
        OperatorTime(name="b", op_type="Mul", seconds=8e-6, calls=1, share=0.5),
        OperatorTime(name="a", op_type="Add", seconds=4e-6, calls=1, share=0.25),
        OperatorTime(name="c", op_type="Add", seconds=4e-6, calls=1, share=0.25),
    ]
    assert by_type(calls) == [
        OperatorTime(name="", op_type="Add", seconds=8e-6, calls=2, share=0.5),
        OperatorTime(name="", op_type="Mul", seconds=8e-6, calls=1, share=0.5),
    ]


def test_without_a_profiled_call_there_are_no_operators():
    assert longest([]) == by_type([]) == []


def test_a_graph_costs_what_its_layers_cost(tmp_path):
    make_bundle(tmp_path / "b")
    variant = variant_from_bundle(tmp_path / "b")
    with Child("tiny", 1) as child:
        child.ask({"do": "load", "variant": variant.worker_spec(), "threads": 1, "affinity": []}, 60)
        request = {"do": "edgekd.bench.operators:profile", "text": "a great film", "calls": 2, "prepack": False}
        found = child.ask(request, 60)
    assert found["tokens"] == 5
    assert len(found["calls"]) == 2
    for call in found["calls"]:
        costs = operator_costs(call)
        assert sum(cost.macs for cost in costs) == BALLAST * HIDDEN * HIDDEN + HIDDEN * 2
        products = sum(cost.weight_bytes for cost in costs if cost.macs)
        assert products == 4 * (BALLAST * HIDDEN * HIDDEN + HIDDEN * 2 + 2)  # the last one has its bias inside


def test_under_an_emulator_costs_are_told_and_nothing_is_timed():
    asked, said = [], []

    class Warm:
        def ask(self, request, limit_s):
            if request["do"].endswith("make_texts"):
                assert request["lengths"] == [16]  # the longest that the variant takes
                return {"texts": [["a text"]]}
            asked.append(request["prepack"])
            product = event("MatMul", [{"float": [1, 2, 3]}, {"float": [3, 4]}], [{"float": [1, 2, 4]}], weights=48)
            return {"tokens": 16, "calls": [[product]]}

    class Told(Silent):
        def say(self, message):
            said.append(message)

    variant = SimpleNamespace(name="tiny", backend="onnxruntime", max_length=16, lengths=())
    measured = Measured(variant)
    place = Place("cortex-a72", evidence=Evidence.EMULATED, has_time=False)
    context = SimpleNamespace(texts=["a"], plan=SimpleNamespace(timed=[0], seed=0), progress=Told(), place=place)
    ProfilePhase().run([Warm()], [measured], context)
    cost = measured.extra["cost"]
    assert (cost.tokens, cost.macs, cost.weight_bytes, cost.operators, cost.inferences) == (16, 24, 48, [], 0)
    assert asked == [False]
    assert said == ["Operators are not timed: cortex-a72 has no time of its own."]


def test_a_runtime_that_names_no_operators_is_said_and_left_out():
    said = []

    class Told(Silent):
        def say(self, message):
            said.append(message)

    measured = Measured(SimpleNamespace(name="tiny", backend="openvino"))
    ProfilePhase(timed=False).run([None], [measured], SimpleNamespace(progress=Told()))
    assert measured.extra == {}
    assert said == ["tiny is not profiled: openvino names no operators."]
