"""Mean weights."""

import pytest

torch = pytest.importorskip("torch")

from edgekd.averaging import MeanWeights  # noqa: E402


def set_all(model, value):
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(value)


def test_the_mean_follows_its_formula_with_a_short_start():
    model = torch.nn.Linear(2, 1)
    set_all(model, 0.0)
    mean = MeanWeights(model, decay=0.9)
    set_all(model, 1.0)
    mean.update(model)  # d = min(0.9, 1/10)
    expected = 0.9
    with mean.in_place_of(model):
        assert model.weight.flatten().tolist() == pytest.approx([expected] * 2)
    set_all(model, 2.0)
    mean.update(model)  # d = min(0.9, 2/11)
    expected = 2 / 11 * expected + 9 / 11 * 2
    with mean.in_place_of(model):
        assert model.bias.tolist() == pytest.approx([expected])


def test_the_weights_come_back():
    model = torch.nn.Linear(2, 1)
    mean = MeanWeights(model, decay=0.5)
    set_all(model, 3.0)
    with pytest.raises(ValueError, match="inside"), mean.in_place_of(model):
        raise ValueError("inside")
    assert model.weight.flatten().tolist() == [3.0, 3.0]


def test_its_state_can_be_taken_over():
    model = torch.nn.Linear(2, 1)
    first, second = MeanWeights(model, decay=0.9), MeanWeights(model, decay=0.9)
    set_all(model, 5.0)
    first.update(model)
    second.load(first.state())
    first.update(model)
    second.update(model)
    for name, value in first.state().items():
        assert torch.equal(value, second.state()[name])
