"""Zeros: exact patterns, held while training, learned by movement, and what they do to a file."""

import zlib

import pytest

torch = pytest.importorskip("torch")

import numpy as np  # noqa: E402
import onnx  # noqa: E402
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from hypothesis.extra.numpy import arrays  # noqa: E402
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from edgekd.batches import EncodedTexts, predict_logits  # noqa: E402
from edgekd.compress.movement import Movement, cubic  # noqa: E402
from edgekd.compress.sparse import apply_masks, hold, masks, sparsify, weights_for  # noqa: E402
from edgekd.compress.sparse_masks import Pattern, check_pattern  # noqa: E402
from edgekd.compress.sparsity import check_graph_pattern, compressed_bytes, sparsity_report  # noqa: E402
from edgekd.config import StudentConfig  # noqa: E402
from edgekd.errors import InvalidArtifact, NotApplicable  # noqa: E402
from edgekd.export.onnx import export_onnx  # noqa: E402
from edgekd.goals import Schedule, ValidationTexts  # noqa: E402
from edgekd.progress import Silent  # noqa: E402
from edgekd.steps import SparseStep  # noqa: E402
from edgekd.student.base import classifier_of  # noqa: E402
from edgekd.student.kinds import build_student  # noqa: E402
from edgekd.student.objective import LabelObjective  # noqa: E402
from edgekd.tasks import TaskKind  # noqa: E402
from edgekd.teacher.load import encode, load_classifier  # noqa: E402
from edgekd.training import train  # noqa: E402
from tests.students import SHAPES  # noqa: E402
from tests.toys import make_classifier, toy_data  # noqa: E402

VALUES = st.floats(-4, 4, width=32)
BAG = StudentConfig(kind="bag", embedding_dim=8, hidden_dim=8)
KINDS = {
    "bag": BAG,
    "cnn": StudentConfig(kind="cnn", embedding_dim=8, hidden_dim=6),
    "bilstm": StudentConfig(kind="bilstm", embedding_dim=8, hidden_dim=6),
    "transformer": StudentConfig(kind="transformer", layers=1),
}


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return load_classifier(make_classifier(tmp_path_factory.mktemp("teacher")), 32, Silent())


@pytest.fixture(scope="module")
def sets(teacher):
    data = toy_data()
    train_ids, validation_ids = (encode(teacher.tokenizer, part.texts, 32) for part in (data.train, data.validation))
    return EncodedTexts(train_ids, data.train.targets), ValidationTexts(
        data.task, validation_ids, data.validation.targets
    )


class Killed(Exception):
    pass


class DiesAfter(Silent):
    def __init__(self, step):
        self.step = step

    def update(self, done, note=""):
        if done == self.step:
            raise Killed


EPOCHS = 3
STEPS = EPOCHS * 6


def trainer(sets, work, *, progress=None, average=0.0, epochs=EPOCHS, learning_rate=2e-2):
    def run(model):
        schedule = Schedule(
            epochs=epochs,
            learning_rate=learning_rate,
            batch_size=16,
            warmup_ratio=0.0,
            weight_decay=0.1,
            patience=99,
            seed=0,
            evaluations_per_epoch=2,
            average=average,
        )
        outcome = train(
            model,
            *sets,
            objective=LabelObjective(TaskKind.SINGLE_LABEL),
            schedule=schedule,
            work=work,
            description="x",
            progress=progress or Silent(),
        )
        return {"steps": outcome.steps, "resumed_from_step": outcome.resumed_from_step}

    return run


def never(_):
    raise AssertionError("there is nothing to train")


# Patterns


@given(arrays(np.float32, st.tuples(st.integers(1, 5), st.just(12)), elements=VALUES), st.sampled_from(["2:4", "1:3"]))
def test_exactly_the_n_largest_of_m_stay(weight, pattern):
    n, m = map(int, pattern.split(":"))
    mask = Pattern.of(SparseStep(pattern=pattern)).mask(torch.from_numpy(weight).abs())
    groups, kept = np.abs(weight).reshape(-1, m), mask.numpy().reshape(-1, m)
    assert (kept.sum(axis=1) == n).all()
    lowest_kept = np.where(kept, groups, np.inf).min(axis=1)
    highest_gone = np.where(kept, -np.inf, groups).max(axis=1)
    assert (lowest_kept >= highest_gone).all()
    assert check_pattern(weight * mask.numpy(), n, m)


@given(
    arrays(np.float32, st.tuples(st.integers(1, 6), st.integers(1, 9)), elements=VALUES),
    st.floats(0.01, 0.99),
)
def test_an_unstructured_share_is_exact_and_the_largest_stay(weight, sparsity):
    mask = Pattern(sparsity).mask(torch.from_numpy(weight).abs()).numpy()
    zeros = int(sparsity * weight.size + 0.5)
    assert (~mask).sum() == zeros
    if 0 < zeros < weight.size:
        assert np.abs(weight)[mask].min() >= np.abs(weight)[~mask].max()


def test_the_groups_of_a_convolution_are_along_its_input_channels():
    weight = torch.tensor([4.0, 1.0, 3.0, 2.0]).view(1, 4, 1).repeat(1, 1, 2)
    weight[0, :, 1] = torch.tensor([1.0, 4.0, 2.0, 3.0])
    mask = Pattern.of(SparseStep(pattern="2:4")).mask(weight)
    assert mask[0, :, 0].tolist() == [True, False, True, False]
    assert mask[0, :, 1].tolist() == [False, True, False, True]


def test_of_equal_scores_as_many_stay_as_of_others():
    equal = torch.zeros(2, 8)
    assert int(Pattern.of(SparseStep(pattern="2:4")).mask(equal).sum()) == 8
    assert int(Pattern(0.25).mask(equal).sum()) == 12


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ([1, 0, 0, 2], True),
        ([0, 0, 0, 0], True),
        ([1, 0, 3, 2], False),
        ([0, 1, 1, 0, 1, 0, 0, 1], True),
        ([0, 0, 1, 1, 1, 1, 1, 0], False),
        ([1, 0], False),
        ([1, 0, 0, 0, 1, 0], False),
    ],
)
def test_a_pattern_is_checked_in_aligned_groups(row, expected):
    assert check_pattern(np.array([row], dtype=np.float32), 2, 4) is expected
    assert check_pattern(torch.tensor([row]), 2, 4) is expected


# Which weights


@pytest.mark.parametrize("shape", list(SHAPES))
def test_token_vectors_and_classifiers_are_left_alone(teacher, shape):
    model = build_student(StudentConfig(**SHAPES[shape]), teacher)
    step = SparseStep(sparsity=0.5)
    if shape in ("linear", "linear of tokens"):
        with pytest.raises(NotApplicable, match="no matrices besides its token vectors"):
            masks(model, step)
        return
    found = masks(model, step)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    apply_masks(model, found)
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == set(found)
    assert f"{classifier_of(model)[0]}.weight" not in changed
    assert not any(
        isinstance(model.get_submodule(name.rpartition(".")[0]), torch.nn.Embedding | torch.nn.LayerNorm)
        for name in changed
    )
    for name, mask in found.items():
        weight = model.get_parameter(name)
        assert int((weight == 0).sum()) == int((~mask).sum()) == int(0.5 * weight.numel() + 0.5)


def test_n_of_m_skips_recurrent_layers_and_widths_that_do_not_fit(teacher):
    pattern = Pattern.of(SparseStep(pattern="2:4"))
    model = build_student(StudentConfig(kind="cnn", embedding_dim=8, hidden_dim=6, factor_dim=6), teacher)
    found, skipped = weights_for(model, pattern)
    assert sorted(found) == [f"convolutions.{i}.weight" for i in range(3)]
    assert skipped == ["widen.weight"]
    with pytest.raises(NotApplicable, match=r"No matrix can have the pattern: layers\.0\.onward"):
        masks(build_student(KINDS["bilstm"], teacher), SparseStep(pattern="2:4"))


# Held


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("average", [0.0, 0.9])
def test_zeros_stay_exactly_zero_while_everything_else_learns(teacher, sets, tmp_path, kind, average):
    model = build_student(KINDS[kind], teacher)
    found = masks(model, SparseStep(sparsity=0.6))
    start = {name: value.clone() for name, value in model.state_dict().items()}
    with hold(model, found):
        trainer(sets, tmp_path, average=average, epochs=1)(model)
    for name, mask in found.items():
        weight = model.get_parameter(name).detach()
        assert int((weight[~mask] != 0).sum()) == 0
        assert int((weight[mask] != start[name][mask]).sum()) > 0.9 * int(mask.sum())
    loss = model(**{k: v for k, v in sets[0].batch([0, 1], 0).items() if k != "teacher_logits"}).loss
    loss.backward()
    assert any(int((model.get_parameter(name).grad[~mask] != 0).sum()) for name, mask in found.items())  # let go


def test_zeros_of_a_killed_training_are_the_same_afterwards(teacher, sets, tmp_path):
    step = SparseStep(pattern="2:4", epochs=EPOCHS)
    start = build_student(KINDS["bag"], teacher)
    with pytest.raises(Killed):
        sparsify(start, step, train=trainer(sets, tmp_path / "a", progress=DiesAfter(8)), total_steps=STEPS)
    again, record = sparsify(start, step, train=trainer(sets, tmp_path / "a"), total_steps=STEPS)
    whole, _ = sparsify(start, step, train=trainer(sets, tmp_path / "b"), total_steps=STEPS)
    assert record["recovery"][0]["resumed_from_step"] == 6
    assert check_pattern(again.hidden.weight, 2, 4)
    for name, value in whole.state_dict().items():
        assert torch.allclose(value, again.state_dict()[name], atol=1e-6)
        assert torch.equal(value == 0, again.state_dict()[name] == 0)


@pytest.mark.parametrize("pattern", ["unstructured", "2:4"])
def test_the_model_given_is_not_touched_and_the_record_counts(teacher, pattern):
    model = build_student(KINDS["bag"], teacher)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    sparse, record = sparsify(model, SparseStep(pattern=pattern, epochs=0), train=never, total_steps=0)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert record["layers"] == [{"name": "hidden.weight", "weights": 64, "zeros": 32}]
    assert record["zeros"] == int((sparse.hidden.weight == 0).sum()) == 32
    assert record["share_of_weights"] == 0.5
    assert record["share_of_parameters"] == 32 / sum(p.numel() for p in model.parameters())
    assert record["compressed_bytes_after"] == compressed_bytes(sparse.state_dict())
    assert record["compressed_bytes_after"] < record["compressed_bytes_before"]
    assert "nothing gets faster" in record["words"]


def test_a_training_that_moves_zeros_is_refused(teacher):
    def careless(model):
        with torch.no_grad():
            model.hidden.weight.add_(1)
        return {}

    with pytest.raises(InvalidArtifact, match=r"changed the zeros of hidden\.weight"):
        sparsify(build_student(BAG, teacher), SparseStep(), train=careless, total_steps=1)


# Movement


def test_the_share_of_zeros_grows_fast_at_first():
    assert [cubic(x) for x in (0, 0.5, 1, 2)] == [0, 0.875, 1, 1]


class OneMatrix(torch.nn.Module):
    def __init__(self, weight):
        super().__init__()
        self.layer = torch.nn.Linear(len(weight), 1, bias=False)
        self.layer.weight.data = torch.tensor([weight])

    def forward(self, inputs):
        return self.layer(inputs)


def test_scores_masks_and_the_return_of_a_weight_by_hand():
    """Weights 1, 2, 3, 4 with gradients that are the inputs; S = -sum of input x weight, before any weight moves."""
    model = OneMatrix([1.0, 2.0, 3.0, 4.0])
    movement = Movement(model, {"layer.weight": model.layer.weight}, Pattern(0.5), total_steps=6)
    assert movement.ramp == 4
    weight = model.layer.weight
    with movement.listening():

        def step(*inputs):
            model.train()
            weight.grad = None
            model(torch.tensor([inputs])).sum().backward()
            return weight.tolist()[0], model.layer.weight_movement.tolist()[0], weight.grad.tolist()[0]

        # Zeros by schedule: cubic(0)=0, cubic(1/4)=0.578 of 2, cubic(1/2)=0.875 of 2, cubic(3/4)=0.98 of 2, then 2.
        assert step(1.0, 1.0, -1.0, -1.0) == ([1, 2, 3, 4], [-1, -2, 3, 4], [1, 1, -1, -1])
        # The second has the lowest score and sleeps, but its score goes on with its value: -2 - (-2)(2) = 2.
        assert step(0.0, -2.0, 0.0, 2.0) == ([1, 0, 3, 4], [-1, 2, 3, -4], [0, 0, 0, 2])
        assert model.layer.weight_asleep.tolist() == [[0, 2, 0, 0]]
        # The first and the last are lowest now; the second is back with its old value.
        assert step(0.0, 0.0, 0.0, 0.0)[0] == [0, 2, 3, 0]
        model.eval()
        with torch.inference_mode():
            assert model(torch.ones(1, 4)).item() == 5.0
        step(0.0, 0.0, 0.0, 0.0)
        # From step 5 on the zeros stay: scores do not change any more.
        assert step(9.0, 9.0, 9.0, 9.0) == ([0, 2, 3, 0], [-1, 2, 3, -4], [0, 9, 9, 0])
    assert weight.tolist() == [[0, 2, 3, 0]]
    assert set(model.state_dict()) == {"layer.weight"}


def test_evaluation_has_all_zeros_while_training_has_few():
    model = OneMatrix([1.0, 2.0, 3.0, 4.0])
    movement = Movement(model, {"layer.weight": model.layer.weight}, Pattern(0.5), total_steps=60)
    with movement.listening():
        for _ in range(2):
            model.train()
            model(torch.ones(1, 4)).sum().backward()
        assert int((model.layer.weight == 0).sum()) == 0
        model.eval()
        with torch.inference_mode():
            assert model(torch.ones(1, 4)).item() == 3.0  # scores -2 x weight: the large weights go
        model.train()
        assert model(torch.ones(1, 4)).item() == 10.0


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("pattern", ["unstructured", "2:4"])
def test_movement_ends_with_the_pattern_in_a_plain_model(teacher, sets, tmp_path, kind, pattern):
    start = build_student(KINDS[kind], teacher)
    step = SparseStep(pattern=pattern, sparsity=0.7, method="movement", epochs=EPOCHS)
    if kind == "bilstm" and pattern == "2:4":
        return
    model, record = sparsify(start, step, train=trainer(sets, tmp_path), total_steps=STEPS)
    assert set(model.state_dict()) == set(start.state_dict())
    for layer in record["layers"]:
        weight = model.get_parameter(layer["name"]).detach()
        if pattern == "2:4":
            assert check_pattern(weight.movedim(1, -1), 2, 4)
            assert layer["zeros"] == weight.numel() // 2
        else:
            assert layer["zeros"] == int(0.7 * weight.numel() + 0.5)
    assert np.isfinite(predict_logits(model, sets[1].input_ids)).all()
    model.save_pretrained(tmp_path / "saved")
    again = type(model).from_pretrained(tmp_path / "saved")
    assert np.array_equal(predict_logits(model, sets[1].input_ids), predict_logits(again, sets[1].input_ids))


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_movement_goes_on_after_a_kill(teacher, sets, tmp_path, average):
    step = SparseStep(sparsity=0.7, method="movement", epochs=EPOCHS)
    start = build_student(KINDS["bag"], teacher)
    options = {"average": average}
    with pytest.raises(Killed):
        sparsify(start, step, train=trainer(sets, tmp_path / "a", progress=DiesAfter(8), **options), total_steps=STEPS)
    again, record = sparsify(start, step, train=trainer(sets, tmp_path / "a", **options), total_steps=STEPS)
    whole, _ = sparsify(start, step, train=trainer(sets, tmp_path / "b", **options), total_steps=STEPS)
    assert record["recovery"][0]["resumed_from_step"] == 6
    for name, value in whole.state_dict().items():
        assert torch.allclose(value, again.state_dict()[name], atol=1e-6)


def test_movement_learns_and_chooses_other_weights_than_magnitude(teacher, sets, tmp_path):
    start = build_student(KINDS["bag"], teacher)
    found = {}
    for method in ("magnitude", "movement"):
        step = SparseStep(sparsity=0.5, method=method, epochs=8)
        run = trainer(sets, tmp_path / method, epochs=8, learning_rate=5e-2)
        found[method], _ = sparsify(start, step, train=run, total_steps=48)
        assert sets[1](found[method]) > 0.9
    zeros = [found[method].hidden.weight == 0 for method in found]
    assert not torch.equal(*zeros)


# Files


def graph(path, nodes, constants, *, int8=False):
    tensors = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, None)]
    outputs = [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, None)]
    onnx.save(helper.make_model(helper.make_graph(nodes, "g", inputs, outputs, tensors)), path)
    return path


TWO_OF_FOUR = np.array([[1, 0, 2, 0, 0, 0, 3, 4]] * 3, dtype=np.float32)  # (outputs, inputs)


def test_a_pattern_in_a_graph_is_looked_for_where_it_is_summed(tmp_path):
    zero = np.array(7, dtype=np.uint8)
    nodes = [
        helper.make_node("MatMul", ["x", "in_out"], ["a"], name="MatMul"),
        helper.make_node("MatMul", ["x", "out_in"], ["b"], name="MatMul the wrong way round"),
        helper.make_node("Gemm", ["x", "out_in"], ["c"], name="Gemm transposed", transB=1),
        helper.make_node("Gemm", ["x", "in_out"], ["d"], name="Gemm"),
        helper.make_node("Conv", ["x", "filters"], ["e"], name="Conv"),
        helper.make_node("MatMulInteger", ["x", "int8", "xz", "zero"], ["f"], name="int8"),
        helper.make_node("DequantizeLinear", ["int8", "scale", "zero"], ["g"], name="dequantize"),
        helper.make_node("MatMul", ["x", "g"], ["h"], name="QDQ"),
        helper.make_node("MatMul", ["a", "b"], ["y"], name="no weight"),
    ]
    int8 = np.where(TWO_OF_FOUR.T == 0, 7, 9).astype(np.uint8)
    constants = {
        "in_out": np.ascontiguousarray(TWO_OF_FOUR.T),
        "out_in": TWO_OF_FOUR[:, :8],
        "filters": np.repeat(TWO_OF_FOUR[:, :, None], 2, axis=2),
        "int8": int8,
        "zero": zero,
        "xz": zero,
        "scale": np.array(0.1, dtype=np.float32),
    }
    assert check_graph_pattern(graph(tmp_path / "g.onnx", nodes, constants), 2, 4) == {
        "MatMul": True,
        "MatMul the wrong way round": False,
        "Gemm transposed": True,
        "Gemm": True,
        "Conv": True,
        "int8": True,
        "QDQ": True,
    }


@pytest.fixture(scope="module")
def saved(teacher, tmp_path_factory):
    """A transformer, dense and 2:4, as folders; the sparse one as a graph too."""
    folder = tmp_path_factory.mktemp("saved")
    dense = build_student(KINDS["transformer"], teacher)
    sparse, _ = sparsify(dense, SparseStep(pattern="2:4", epochs=0), train=never, total_steps=0)
    dense.save_pretrained(folder / "dense")
    sparse.save_pretrained(folder / "sparse")
    export_onnx(sparse, folder / "sparse.onnx", opset=18)
    return folder


def test_an_exported_graph_has_the_pattern_but_in_its_classifier(saved):
    found = check_graph_pattern(saved / "sparse.onnx", 2, 4)
    assert len(found) == 8
    assert sum(found.values()) == 7  # the six matrices of a layer and the pooler
    assert not any(check_graph_pattern(saved / "sparse.onnx", 1, 4).values())


def test_a_report_of_a_folder_and_of_a_graph(saved):
    folder, dense = sparsity_report(saved / "sparse", saved / "dense"), sparsity_report(saved / "dense")
    zeros = (4 * 32 * 32 + 2 * 32 * 64 + 32 * 32) // 2
    assert dense["zeros"] == 32  # the vector of the padding token
    assert folder["zeros"] == sparsity_report(saved / "sparse.onnx")["zeros"] == zeros + 32
    shares = {layer["name"]: layer["share"] for layer in folder["layers"]}
    assert shares["bert.encoder.layer.0.output.dense.weight"] == 0.5
    assert shares["classifier.weight"] == 0
    weights = saved / "sparse" / "model.safetensors"
    assert folder["bytes"] == folder["bytes_before"] == weights.stat().st_size
    assert folder["compressed_bytes"] == len(zlib.compress(weights.read_bytes(), 9))
    assert folder["compressed_bytes"] < folder["compressed_bytes_before"] == dense["compressed_bytes"]


@settings(max_examples=20)
@given(arrays(np.float32, st.tuples(st.integers(1, 4), st.just(8)), elements=VALUES))
def test_two_of_four_survives_the_way_through_a_graph(tmp_path_factory, weight):
    folder = tmp_path_factory.mktemp("graph")
    mask = Pattern.of(SparseStep(pattern="2:4")).mask(torch.from_numpy(weight).abs()).numpy()
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"], name="product")]
    path = graph(folder / "g.onnx", nodes, {"w": np.ascontiguousarray((weight * mask).T)})
    assert check_graph_pattern(path, 2, 4) == {"product": True}
