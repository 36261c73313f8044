"""Int8 rounding in training: grids by hand, gradients, ranges, and models that keep it through training and files."""

import pytest

torch = pytest.importorskip("torch")

import numpy as np  # noqa: E402
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from torch import nn  # noqa: E402
from transformers import AutoModelForSequenceClassification, BertConfig, BertForSequenceClassification  # noqa: E402

import edgekd.student.kinds  # noqa: E402, F401
from edgekd.batches import EncodedTexts, predict_logits  # noqa: E402
from edgekd.compress.fake_quant import MOMENTUM, QuantConv1d, QuantLinear, RoundedValues, Rounding, round_rows  # noqa: E402
from edgekd.compress.qat import (  # noqa: E402
    is_recorded,
    plain,
    prepare,
    quantized_layers,
    restore,
    rounding_for,
    value_ranges,
)
from edgekd.devices import Int8, find_profile  # noqa: E402
from edgekd.errors import InvalidArtifact, NotApplicable  # noqa: E402
from edgekd.goals import Schedule, ValidationTexts  # noqa: E402
from edgekd.progress import Silent  # noqa: E402
from edgekd.student.bag import BagConfig, BagForSequenceClassification  # noqa: E402
from edgekd.student.cnn import CnnConfig, CnnForSequenceClassification  # noqa: E402
from edgekd.student.objective import LabelObjective  # noqa: E402
from edgekd.student.recurrent import BiLstmConfig, BiLstmForSequenceClassification  # noqa: E402
from edgekd.tasks import Task, TaskKind  # noqa: E402
from edgekd.training import train  # noqa: E402

U8 = Rounding("uint8", 127, True)
S8 = Rounding("int8", 127, True)
FLAVOUR = find_profile("pi5").int8
SMALL_BERT = {
    "vocab_size": 100,
    "hidden_size": 64,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 128,
    "max_position_embeddings": 40,
    "initializer_range": 0.2,
}


def tensor(*values):
    return torch.tensor(values, dtype=torch.float32)


def bert(seed=0):
    torch.manual_seed(seed)
    return BertForSequenceClassification(BertConfig(**SMALL_BERT)).eval()


def rows(count=24, low=5):
    rng = np.random.default_rng(0)
    return [[2, *rng.integers(low, 100, rng.integers(1, 20)).tolist(), 3] for _ in range(count)]


def reopened(folder):
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    restore(model, folder)
    return model


def feed(model, batches=3):
    model.train()
    for seed in range(batches):
        ids = torch.tensor(np.random.default_rng(seed).integers(5, 100, (8, 12)))
        model(input_ids=ids, attention_mask=torch.ones_like(ids))
    return model.eval()


# Grids


@pytest.mark.parametrize(
    ("rounding", "low", "high", "scale", "zero_point"),
    [
        (U8, -1.0, 3.0, 4 / 255, 64),  # 63.75
        (U8, 2.0, 5.1, 5.1 / 255, 0),  # 0 is always part of the range
        (U8, -5.1, -2.0, 5.1 / 255, 255),
        (U8, 0.0, 0.0, 1e-8, 0),
        (S8, -1.0, 3.0, 3 / 127, 0),
        (S8, -12.7, 3.0, 0.1, 0),
    ],
)
def test_a_range_becomes_scale_and_zero_point(rounding, low, high, scale, zero_point):
    found = rounding.activation_grid(torch.tensor(low), torch.tensor(high))
    assert found[0].item() == pytest.approx(scale, rel=1e-6)
    assert found[1].item() == zero_point


def test_weights_become_integers_by_hand():
    weight = torch.tensor([[1.27, -0.501], [0.127, 0.0301]])
    integers, scale = Rounding("uint8", 127, True).weight_integers(weight)
    assert integers.tolist() == [[127, -50], [127, 30]]
    assert scale.tolist() == pytest.approx([0.01, 0.001])
    integers, scale = Rounding("uint8", 127, False).weight_integers(weight)
    assert integers.tolist() == [[127, -50], [13, 3]]
    assert scale.item() == pytest.approx(0.01)
    integers, scale = Rounding("uint8", 64, True).weight_integers(torch.tensor([[1.28, -0.501]]))
    assert integers.tolist() == [[64, -25]]
    assert scale.tolist() == pytest.approx([0.02])


def test_seven_bits_cannot_saturate_sums_of_pairs_in_sixteen_bits():
    limit = rounding_for(FLAVOUR.model_copy(update={"reduce_range": True}), per_channel=True).weight_limit
    assert 2 * 255 * limit < 2**15 <= 2 * 255 * (limit + 1)
    assert rounding_for(FLAVOUR, per_channel=True).weight_limit == 127


@settings(max_examples=60)
@given(
    st.lists(st.lists(st.floats(-50, 50, width=32), min_size=6, max_size=6), min_size=1, max_size=5),
    st.sampled_from([64, 127]),
    st.booleans(),
)
def test_rounded_weights_are_what_the_integers_say_and_within_half_a_step(values, limit, per_channel):
    rounding = Rounding("uint8", limit, per_channel)
    weight = torch.tensor(values)
    integers, scale = rounding.weight_integers(weight)
    by_output = scale.reshape(-1, 1)
    assert integers.abs().max() <= limit
    assert torch.equal(rounding.round_weight(weight), integers * by_output)
    assert ((integers * by_output - weight).abs() <= 0.5001 * by_output).all()


@settings(max_examples=60)
@given(st.lists(st.floats(-20, 20, width=32), min_size=2, max_size=30), st.sampled_from([U8, S8]))
def test_values_in_the_range_are_within_half_a_step_and_zero_stays_zero(values, rounding):
    layer = RoundedValues(rounding, 1).train()
    seen = torch.tensor([*values, 0.0])
    rounded = layer(seen)
    scale, _ = layer.grid()
    assert ((rounded - seen).abs() <= 1.001 * scale).all()  # half by rounding, half because the zero point is whole
    assert rounded[-1] == 0


@settings(max_examples=40)
@given(st.lists(st.lists(st.floats(-9, 9, width=32), min_size=4, max_size=4), min_size=1, max_size=5))
def test_rows_that_are_on_their_grid_stay_there(values):
    once = round_rows(torch.tensor(values))
    assert torch.allclose(round_rows(once), once, rtol=1e-6, atol=1e-12)


# Gradients


def test_gradients_pass_through_rounding_but_not_through_clipping():
    layer = RoundedValues(U8, 1).train()
    layer(tensor(-1.0, 3.0))
    values = tensor(-5.0, -0.5, 0.0, 2.9, 4.0).requires_grad_()
    layer(values).sum().backward()
    assert values.grad.tolist() == [0, 1, 1, 1, 0]


@pytest.mark.parametrize("per_channel", [True, False])
def test_all_weights_learn(per_channel):
    weight = torch.randn(5, 7).requires_grad_()
    Rounding("uint8", 127, per_channel).round_weight(weight).sum().backward()
    assert torch.equal(weight.grad, torch.ones(5, 7))


# Ranges


def test_the_first_batch_is_taken_whole_then_the_range_follows_and_then_it_is_fixed():
    layer = RoundedValues(U8, 2).train()
    layer(tensor(-1.0, 2.0))
    assert (layer.minimum.item(), layer.maximum.item()) == (-1, 2)
    layer(tensor(1.0, 4.0))  # its own range includes 0
    assert layer.minimum.item() == pytest.approx(-1 + MOMENTUM)
    assert layer.maximum.item() == pytest.approx(2 + 2 * MOMENTUM)
    before = (layer.minimum.item(), layer.maximum.item())
    layer(tensor(-100.0, 100.0))
    assert (layer.minimum.item(), layer.maximum.item()) == before
    assert layer.seen.item() == 2


def test_an_evaluation_moves_no_range():
    layer = RoundedValues(U8, 5).train()
    layer(tensor(-1.0, 2.0))
    layer.eval()(tensor(-7.0, 7.0))
    assert (layer.minimum.item(), layer.maximum.item(), layer.seen.item()) == (-1, 2, 1)


# Models


def test_names_and_parameters_stay_and_narrow_layers_too():
    model = bert()
    before = dict(model.named_parameters())
    prepare(model, per_channel=True, flavour=FLAVOUR)
    after = dict(model.named_parameters())
    assert before.keys() == after.keys()
    assert all(after[name] is before[name] for name in before)
    assert set(quantized_layers(model)) == {
        *(f"bert.encoder.layer.0.attention.self.{name}" for name in ("query", "key", "value")),
        "bert.encoder.layer.0.attention.output.dense",
        "bert.encoder.layer.0.intermediate.dense",
        "bert.encoder.layer.0.output.dense",
        "bert.pooler.dense",
    }
    assert type(model.classifier) is nn.Linear  # two outputs


def test_layers_that_read_the_same_have_the_same_grid():
    model = bert()
    prepare(model, per_channel=True, flavour=FLAVOUR)
    feed(model)
    attention = model.bert.encoder.layer[0].attention.self
    grids = {tuple(part.item() for part in layer.inputs.grid()) for layer in (attention.query, attention.key)}
    assert len(grids) == 1


def test_rounding_changes_logits_a_little_and_plain_takes_it_out_again():
    model = bert()
    exact = predict_logits(model, rows())
    prepare(model, per_channel=True, flavour=FLAVOUR)
    feed(model)
    rounded = predict_logits(model, rows())
    assert 1e-4 < np.abs(rounded - exact).max() < 0.1 * np.abs(exact).max()
    names = set(value_ranges(model))
    ranges = plain(model)
    assert set(ranges) == names
    assert all(low <= 0 <= high and low < high for low, high in ranges.values())
    assert np.array_equal(predict_logits(model, rows()), exact)
    assert not quantized_layers(model)
    assert not is_recorded(model.config)


@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize("activation", ["uint8", "int8"])
def test_a_saved_model_rounds_as_before(tmp_path, per_channel, activation):
    model = bert()
    prepare(model, per_channel=per_channel, flavour=Int8(activation=activation, weight="int8", reason="x"))
    feed(model)
    assert is_recorded(model.config)
    model.save_pretrained(tmp_path)
    again = reopened(tmp_path)
    assert np.array_equal(predict_logits(again, rows()), predict_logits(model, rows()))
    assert again.state_dict().keys() == model.state_dict().keys()


def test_a_model_that_was_not_trained_so_is_refused(tmp_path):
    bert().save_pretrained(tmp_path)
    with pytest.raises(InvalidArtifact, match="was not trained with int8 rounding"):
        reopened(tmp_path)


def test_a_folder_without_ranges_is_refused(tmp_path):
    model = bert()
    prepare(model, per_channel=True, flavour=FLAVOUR)
    settings_of_it = model.config.edgekd_qat
    plain(model)
    model.config.edgekd_qat = settings_of_it
    model.save_pretrained(tmp_path)
    with pytest.raises(InvalidArtifact, match=r"has no bert\..*\.maximum, so a range of int8 is not known"):
        reopened(tmp_path)


def test_a_model_is_prepared_once():
    model = bert()
    prepare(model, per_channel=True, flavour=FLAVOUR)
    with pytest.raises(InvalidArtifact, match="already"):
        prepare(model, per_channel=True, flavour=FLAVOUR)


@pytest.mark.parametrize(
    "model",
    [
        lambda: BagForSequenceClassification(BagConfig(vocab_size=100, embedding_dim=63, hidden_dim=64)),
        lambda: CnnForSequenceClassification(CnnConfig(vocab_size=100, embedding_dim=16, filters=63)),
        lambda: BiLstmForSequenceClassification(BiLstmConfig(vocab_size=100, embedding_dim=64, hidden_dim=64)),
    ],
)
def test_a_model_without_a_wide_matrix_has_nothing_to_train(model):
    model = model()
    before = {name: type(module) for name, module in model.named_modules()}
    with pytest.raises(NotApplicable, match="at least 64 x 64"):
        prepare(model, per_channel=True, flavour=FLAVOUR)
    assert {name: type(module) for name, module in model.named_modules()} == before


def test_a_module_in_two_places_is_prepared_as_one():
    model = bert()
    model.bert.pooler.dense = model.bert.encoder.layer[0].attention.output.dense
    prepare(model, per_channel=True, flavour=FLAVOUR)
    assert isinstance(model.bert.pooler.dense, QuantLinear)
    assert model.bert.pooler.dense is model.bert.encoder.layer[0].attention.output.dense


def test_a_convolution_rounds_as_its_formula_says():
    torch.manual_seed(0)
    convolution = nn.Conv1d(32, 64, 3, padding=1)
    layer = QuantConv1d(convolution, S8, 5).train()
    values = torch.randn(2, 32, 9)
    layer(values)
    found = layer.eval()(values)
    step_in, step_out = (part.grid()[0] for part in (layer.inputs, layer.outputs))
    inputs = (values / step_in).round().clamp(-128, 127) * step_in
    integers, scale = S8.weight_integers(convolution.weight)
    exact = nn.functional.conv1d(inputs, integers * scale[:, None, None], convolution.bias, padding=1)
    expected = (exact / step_out).round().clamp(-128, 127) * step_out
    assert (found - expected).abs().max() <= 1.001 * step_out
    assert ((found - expected).abs() > 1e-5).float().mean() < 0.01  # on the edge between two steps


def test_mixed_precision_rounds_in_fp32():
    model = bert()
    prepare(model, per_channel=True, flavour=FLAVOUR)
    feed(model)
    ids = torch.tensor(np.random.default_rng(5).integers(5, 100, (4, 12)))
    exact = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
    seen = []
    layer = model.bert.encoder.layer[0].output.dense
    handle = layer.inputs.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    with torch.autocast("cpu", torch.bfloat16):
        mixed = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
    handle.remove()
    assert seen[0].dtype == torch.float32
    steps = seen[0] / layer.inputs.grid()[0]
    assert (steps - steps.round()).abs().max() < 1e-3
    assert (mixed.float() - exact).abs().max() < 0.1 * exact.abs().max()


# Training


class Killed(Exception):
    pass


class DiesAfter(Silent):
    """Stands for a process that dies at a step."""

    def __init__(self, step):
        self.step = step

    def update(self, done, note=""):
        if done == self.step:
            raise Killed


def cnn():
    torch.manual_seed(0)
    return CnnForSequenceClassification(
        CnnConfig(vocab_size=100, embedding_dim=16, filters=64, widths=[2, 4], dropout=0.0, num_labels=2)
    )


def run(work, progress=None, average=0.0):
    """Learn whether a text holds token 7 or 8."""
    targets = [index % 2 for index in range(160)]
    ids = [[*row, 7 + target] for row, target in zip(rows(160, low=9), targets, strict=True)]
    model = cnn()
    prepare(model, per_channel=True, flavour=FLAVOUR, steps=40)
    outcome = train(
        model,
        EncodedTexts(ids[:128], targets[:128]),
        ValidationTexts(Task(TaskKind.SINGLE_LABEL, ("no", "yes")), ids[128:], targets[128:]),
        objective=LabelObjective(TaskKind.SINGLE_LABEL),
        schedule=Schedule(
            epochs=5, learning_rate=3e-3, batch_size=16, warmup_ratio=0, weight_decay=0, patience=9, seed=0,
            average=average,
        ),
        work=work,
        description="x",
        progress=progress or Silent(),
    )  # fmt: skip
    return model, outcome


@pytest.mark.parametrize("average", [0.0, 0.8])
def test_it_learns_and_a_killed_training_ends_with_the_weights_and_ranges_of_one_that_was_not(tmp_path, average):
    with pytest.raises(Killed):
        run(tmp_path / "work", DiesAfter(27), average)
    resumed, outcome = run(tmp_path / "work", average=average)
    whole, again = run(tmp_path / "whole", average=average)
    assert outcome.resumed_from_step == 24
    assert outcome.best_validation_score == again.best_validation_score == 1
    for name, value in whole.state_dict().items():
        assert resumed.state_dict()[name].numpy() == pytest.approx(value.numpy(), abs=1e-5), name
    assert all(1 <= int(values.seen) <= 20 for values in value_ranges(whole).values())  # half of 40 steps
