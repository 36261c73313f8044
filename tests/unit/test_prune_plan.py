"""From scores and a budget to the units that stay: by hand, and against models that were really built."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

import numpy as np  # noqa: E402
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from edgekd.compress.prune import Group, Slice, find_groups, macs, plan, remove  # noqa: E402
from edgekd.compress.prune.order import Order  # noqa: E402
from edgekd.compress.prune.size import Meter  # noqa: E402
from edgekd.config import StudentConfig  # noqa: E402
from edgekd.errors import ConfigError, NotApplicable  # noqa: E402
from edgekd.steps import PruneStep  # noqa: E402
from edgekd.student.bag import BagConfig, BagForSequenceClassification  # noqa: E402
from edgekd.student.base import count_parameters  # noqa: E402
from edgekd.student.cost import COSTS  # noqa: E402
from edgekd.student.kinds import build_student  # noqa: E402
from edgekd.student.sizes import shape_of  # noqa: E402
from tests.students import SHAPES, make_teacher  # noqa: E402

OWN = [name for name in SHAPES if name.startswith(("linear", "bag", "cnn", "bi")) and "on the teacher" not in name]


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return make_teacher(tmp_path_factory.mktemp("teacher"))


@pytest.fixture(scope="module")
def models(teacher):
    found = {name: build_student(StudentConfig(**SHAPES[name]), teacher).eval() for name in OWN}
    return {"bert": teacher.model, **found}


def group(name, count, rows=1, tied=None):
    return Group(name, "ffn", count, (Slice(name, "weight", 0, rows),), tied or name)


def bag(hidden=8):
    """Return a bag whose hidden neurons have 4 + 1 + 2 parameters each, in 7 * hidden + 50 + 2."""
    return BagForSequenceClassification(
        BagConfig(vocab_size=10, embedding_dim=4, hidden_dim=hidden, num_labels=2, dropout=0.0)
    ).eval()


def one_by_one(model):
    """Return scores that rise from the first unit to the last."""
    return {entry.name: np.arange(1.0, entry.count + 1) for entry in find_groups(model)}


# Order


def test_units_with_low_scores_go_first_and_widths_are_multiples():
    order = Order([group("a", 10)], {"a": np.arange(10.0)[::-1]}, scope="global", multiple_of=4)
    assert [sorted(chunk.units["a"]) for chunk in order.chunks] == [[8, 9], [4, 5, 6, 7]]
    assert order.kept(2) == {"a": [0, 1, 2, 3]}


def test_a_whole_multiple_goes_when_the_width_is_one_already():
    order = Order([group("a", 12)], {"a": np.arange(12.0)}, scope="global", multiple_of=4)
    assert [len(order.kept(count)["a"]) for count in range(len(order) + 1)] == [12, 8, 4]


@pytest.mark.parametrize(("rows", "multiple_of", "widths"), [(32, 8, [3, 2, 1]), (4, 8, [3, 2]), (6, 4, [3, 2])])
def test_a_head_counts_with_its_outputs(rows, multiple_of, widths):
    order = Order([group("a", 3, rows)], {"a": np.ones(3)}, scope="global", multiple_of=multiple_of)
    assert [len(order.kept(count)["a"]) for count in range(len(order) + 1)] == widths


def test_one_unit_always_stays():
    order = Order([group("a", 3)], {"a": np.zeros(3)}, scope="global")
    assert order.kept(len(order)) == {"a": [2]}


def test_global_scope_takes_the_least_needed_of_all_groups():
    scores = {"a": np.array([1.0, 1.0, 1.0, 1.0]), "b": np.array([0.1, 0.1, 2.0, 2.0])}
    order = Order([group("a", 4), group("b", 4)], scores, scope="global")
    assert [list(chunk.units) for chunk in order.chunks[:2]] == [["b"], ["b"]]


def test_layer_scope_takes_equal_shares():
    scores = {"a": np.array([1.0, 1.0, 1.0, 1.0]), "b": np.linspace(0.0, 1.0, 8)}
    order = Order([group("a", 4), group("b", 8)], scores, scope="layer")
    kept = order.kept(6)
    assert [len(kept["a"]), len(kept["b"])] == [2, 4]


def test_tied_groups_keep_equally_many_but_not_the_same():
    groups = [group("on", 4, tied="layer"), group("back", 4, tied="layer")]
    order = Order(groups, {"on": np.arange(4.0), "back": np.arange(4.0)[::-1]}, scope="global", multiple_of=2)
    assert order.kept(1) == {"on": [2, 3], "back": [0, 1]}


# What a model costs


@pytest.mark.parametrize("name", OWN)
def test_multiplications_are_those_of_the_formulas(name, models, teacher):
    config = StudentConfig(**SHAPES[name])
    expected = COSTS[config.kind](dict(shape_of(config)), vocab=len(teacher.tokenizer), labels=3)
    assert macs(models[name]) == expected.macs


@pytest.mark.parametrize("family", ["bert", "distilbert", "roberta", "electra"])
def test_multiplications_are_those_that_torch_counts(family, tmp_path):
    model = make_teacher(tmp_path, family=family).model
    model = remove(model, {entry.name: list(range(entry.count // 2)) for entry in find_groups(model)})
    model.set_attn_implementation("eager")
    ids = torch.full((1, 20), 9)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(input_ids=ids, attention_mask=torch.ones_like(ids))
    assert counter.get_total_flops() == 2 * macs(model, 20)


@pytest.mark.parametrize("name", ["bert", *(name for name in OWN if not name.startswith("linear"))])
@settings(max_examples=6)
@given(draw=st.randoms(use_true_random=False))
def test_what_is_expected_is_what_comes_out(name, models, draw):
    model = models[name]
    groups = find_groups(model)
    sizes = {}
    for entry in groups:
        sizes.setdefault(entry.tied, draw.randint(1, entry.count))
    kept = {entry.name: list(range(sizes[entry.tied])) for entry in groups}
    expected, smaller = Meter(model, groups).size(kept), remove(model, kept)
    assert expected.parameters == count_parameters(smaller)
    assert expected.macs == macs(smaller)
    assert expected.bytes == 4 * expected.parameters


# Budgets


@pytest.mark.parametrize(("ratio", "left"), [(0.5, 4), (0.51, 3), (0.125, 7), (0.01, 7), (0.875, 1)])
def test_a_ratio_is_the_share_of_the_units_parameters_at_least(ratio, left):
    model = bag()
    made = plan(model, find_groups(model), one_by_one(model), PruneStep(ratio=ratio, multiple_of=1))
    assert made.kept == {"hidden": list(range(8 - left, 8))}
    assert (made.before.parameters, made.after.parameters) == (7 * 8 + 52, 7 * left + 52)


@pytest.mark.parametrize(("parameters", "left"), [(7 * 6 + 52, 6), (7 * 6 + 51, 5), (7 + 52, 1)])
def test_bytes_are_those_of_the_whole_model(parameters, left):
    model = bag()
    step = PruneStep(max_bytes=4 * parameters, multiple_of=1)
    made = plan(model, find_groups(model), one_by_one(model), step)
    assert len(made.kept["hidden"]) == left
    assert made.after.bytes <= 4 * parameters


def test_multiplications_are_those_of_the_whole_model():
    model = bag()
    assert macs(model) == 32 * 4 + 8 * 4 + 8 * 2  # weighted mean of 32 vectors, hidden layer, classifier
    # Without half of the neurons 24 of 176 are gone, which is 13.6 %.
    for share, left in ((1 - 24 / 176, 4), (1 - 25 / 176, 3)):
        made = plan(model, find_groups(model), one_by_one(model), PruneStep(macs_ratio=share, multiple_of=1))
        assert len(made.kept["hidden"]) == left


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ({"ratio": 0.9}, "without all units that may go it is 59 parameters"),
        ({"max_bytes": 100}, "cannot reach 100 bytes: without all units that may go it is 236 bytes"),
        ({"macs_ratio": 0.5}, "cannot reach 88 multiplications: without all units that may go it is 134"),
    ],
)
def test_a_budget_that_is_too_small_says_what_is_possible(step, words):
    model = bag()
    with pytest.raises(ConfigError, match=words) as caught:
        plan(model, find_groups(model), one_by_one(model), PruneStep(multiple_of=1, **step))
    assert "vocabulary" in caught.value.hint


def test_a_model_that_fits_already_is_left_alone():
    model = bag()
    with pytest.raises(NotApplicable, match="has 432 bytes already, and 432 bytes are allowed"):
        plan(model, find_groups(model), one_by_one(model), PruneStep(max_bytes=432, multiple_of=1))


def test_units_that_are_fewer_than_a_multiple_are_left_alone():
    model = bag()
    with pytest.raises(NotApplicable, match="at least 8 outputs of a matrix stay, and there are 8 hidden neurons"):
        plan(model, find_groups(model), one_by_one(model), PruneStep(ratio=0.5))


@pytest.mark.parametrize("rounds", [2, 3])
@pytest.mark.parametrize(
    "budget", [{"ratio": 0.5}, {"max_bytes": 4 * (7 * 20 + 52)}, {"macs_ratio": 1 - 20 * 6 / (32 * 4 + 40 * 6)}]
)
def test_rounds_go_equal_ways_and_end_where_one_round_does(budget, rounds):
    model = bag(hidden=40)
    step = PruneStep(multiple_of=1, rounds=rounds, **budget)
    first, widths = None, []
    for number in range(rounds):
        groups = find_groups(model)
        made = plan(model, groups, one_by_one(model), step, rounds_left=rounds - number, first=first)
        first = first or made
        model = remove(model, made.kept)
        widths.append(model.config.hidden_dim)
    assert widths == {2: [30, 20], 3: [33, 26, 20]}[rounds]


def test_latency_is_measured_at_most_six_times_and_reached():
    model = bag(hidden=200)
    calls = []

    def latency_s(measured):
        calls.append(measured.config.hidden_dim)
        return 1e-3 + 1e-5 * measured.config.hidden_dim

    step = PruneStep(latency_ratio=0.6, multiple_of=8)  # of 3 ms: 1.8 ms with 80 neurons
    made = plan(model, find_groups(model), one_by_one(model), step, latency_s=latency_s)
    assert len(made.kept["hidden"]) == 80
    assert len(calls) <= 6
    assert calls[:2] == [200, 8]  # nothing gone, everything gone
    assert made.measured[0] == (0.0, pytest.approx(3e-3))
    assert [entry["latency_s"] for entry in made.as_dict()["measured"]] == [1e-3 + 1e-5 * width for width in calls]


def test_a_latency_that_does_not_fall_in_a_line_is_reached_too():
    model = bag(hidden=400)

    def latency_s(measured):  # a step, as with a cache
        return 3e-3 if measured.config.hidden_dim > 104 else 1e-3

    made = plan(model, find_groups(model), one_by_one(model), PruneStep(latency_ratio=0.5), latency_s=latency_s)
    assert 8 <= len(made.kept["hidden"]) <= 104
    assert latency_s(remove(model, made.kept)) <= 1.5e-3


def test_a_latency_that_cannot_be_reached_says_what_is_possible():
    model = bag(hidden=40)
    with pytest.raises(ConfigError, match=r"median latency of 1 ms \(it is 2 ms now\).*it is 1\.9 ms"):
        plan(
            model,
            find_groups(model),
            one_by_one(model),
            PruneStep(latency_ratio=0.5),
            latency_s=lambda measured: 2e-3 if measured.config.hidden_dim == 40 else 1.9e-3,
        )


def test_the_plan_says_what_goes():
    model = bag()
    made = plan(model, find_groups(model), one_by_one(model), PruneStep(ratio=0.5, multiple_of=1))
    assert made.words() == (
        "Removed 4 of 8 hidden neurons: 108 -> 80 parameters (25.9 % fewer), 13.6 % fewer multiplications."
    )
    assert made.as_dict()["kept"] == {"hidden": [4, 8]}
    assert made.as_dict()["after"] == {"parameters": 80, "bytes": 320, "macs": 152}
