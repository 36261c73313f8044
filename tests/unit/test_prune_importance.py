"""How much units are needed: by hand."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

import numpy as np  # noqa: E402

from edgekd.compress.prune import find_groups, importance, zeroed  # noqa: E402
from edgekd.errors import InvalidArtifact  # noqa: E402
from edgekd.student.bag import BagConfig, BagForSequenceClassification  # noqa: E402
from edgekd.student.cnn import CnnConfig, CnnForSequenceClassification  # noqa: E402
from edgekd.student.recurrent import BiGruConfig, BiGruForSequenceClassification  # noqa: E402
from tests.students import make_teacher  # noqa: E402

IDS = torch.tensor([[1, 2, 3], [4, 5, 6]])
BATCH = {"input_ids": IDS, "attention_mask": torch.ones_like(IDS)}


@pytest.fixture
def model():
    torch.manual_seed(0)
    model = BagForSequenceClassification(
        BagConfig(vocab_size=10, embedding_dim=3, hidden_dim=4, num_labels=2, dropout=0.0)
    )
    return model.eval()


def first_logit(model, batch):
    return model(**batch).logits[:, 0].mean()


def test_magnitude_is_the_root_mean_square_of_all_weights_of_a_unit(model):
    with torch.no_grad():
        model.hidden.weight.copy_(torch.tensor([[3.0, 0, 0], [0, 0, 0], [1, 1, 1], [0, 2, 0]]))
        model.hidden.bias.copy_(torch.tensor([0.0, 0, 1, 0]))
        model.classifier.weight.copy_(torch.tensor([[4.0, 0, 0, 1], [0, 0, 0, 2]]))
    scores = importance(model, find_groups(model), "magnitude")
    assert scores["hidden"].tolist() == pytest.approx([value / 6**0.5 for value in (5.0, 0.0, 2.0, 3.0)])


def test_taylor_is_the_first_order_change_of_the_loss(model):
    with torch.no_grad():
        model.hidden.bias.copy_(torch.tensor([9.0, 9.0, -9.0, 9.0]))  # on, on, off, on
    [group] = find_groups(model)
    scores = importance(model, [group], "taylor", [BATCH], first_logit)["hidden"]
    hidden = torch.relu(model.hidden(mean_vector(model))).mean(dim=0)
    # A neuron that is on has 6 weights; those in and those out of it change the loss by its share of the logit each.
    expected = 2 * (hidden * model.classifier.weight[0]).abs() / 6
    assert scores.tolist() == pytest.approx(expected.tolist(), rel=1e-5)
    assert scores[2] == 0.0


def mean_vector(model):
    return model.embeddings(IDS).mean(dim=1)  # all token weights are equal at first


def test_taylor_is_averaged_over_batches_and_not_over_signs(model):
    groups = find_groups(model)
    half = [{name: value[row : row + 1] for name, value in BATCH.items()} for row in range(2)]
    one, two, both = (importance(model, groups, "taylor", part, first_logit) for part in ([half[0]], [half[1]], half))
    assert both["hidden"].tolist() == pytest.approx(((one["hidden"] + two["hidden"]) / 2).tolist())
    opposite = [-1.0, 1.0]
    signed = importance(
        model, groups, "taylor", [half[0], half[0]], lambda model, batch: opposite.pop() * first_logit(model, batch)
    )
    assert signed["hidden"].tolist() == pytest.approx(one["hidden"].tolist())


@pytest.mark.parametrize("kind", ["bag", "cnn", "bigru"])
def test_taylor_finds_the_unit_that_nothing_depends_on(kind):
    torch.manual_seed(0)
    sizes = {"vocab_size": 10, "embedding_dim": 3, "num_labels": 2}
    model = {
        "bag": lambda: BagForSequenceClassification(BagConfig(hidden_dim=5, **sizes)),
        "cnn": lambda: CnnForSequenceClassification(CnnConfig(filters=5, **sizes)),
        "bigru": lambda: BiGruForSequenceClassification(BiGruConfig(hidden_dim=5, **sizes)),
    }[kind]().eval()
    groups = find_groups(model)
    model = zeroed(model, {groups[-1].name: [0, 1, 3, 4]})
    scores = importance(model, groups, "taylor", [BATCH], first_logit)
    assert scores[groups[-1].name].argmin() == 2


def test_heads_are_scored_in_frozen_models_too_and_they_stay_frozen(tmp_path):
    model = make_teacher(tmp_path).model
    model.requires_grad_(False)
    model.classifier.requires_grad_(True)
    scores = importance(model, find_groups(model), "taylor", [BATCH], first_logit)
    assert [len(values) for values in scores.values()] == [2, 64] * 3
    assert all((values > 0).all() for values in scores.values())
    assert [name for name, value in model.named_parameters() if value.requires_grad] == [
        "classifier.weight",
        "classifier.bias",
    ]
    assert all(value.grad is None for value in model.parameters())


def test_a_loss_that_tells_nothing_is_an_error(model):
    def own_logits(model, batch):
        logits = model(**batch).logits
        return (logits - logits.detach()).square().mean()

    with pytest.raises(InvalidArtifact, match="does not change with any unit") as caught:
        importance(model, find_groups(model), "taylor", [BATCH], own_logits)
    assert "true labels" in caught.value.hint
    with pytest.raises(InvalidArtifact, match="not finite"):
        importance(
            model, find_groups(model), "taylor", [BATCH], lambda model, batch: model(**batch).logits.sum() * np.nan
        )
