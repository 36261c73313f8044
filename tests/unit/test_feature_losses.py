"""Feature losses against values computed by hand; padding, equality, and what is read from models."""

import math

import pytest

torch = pytest.importorskip("torch")

from transformers import AutoConfig, AutoModelForSequenceClassification  # noqa: E402

from edgekd.errors import ConfigError  # noqa: E402
from edgekd.student.bag import BagConfig, BagForSequenceClassification  # noqa: E402
from edgekd.student.cnn import CnnConfig, CnnForSequenceClassification  # noqa: E402
from edgekd.student.feature_losses import (  # noqa: E402
    angles,
    attention_loss,
    contrastive_loss,
    cosine_loss,
    hidden_loss,
    masked_mean,
    relation_loss,
    relative_distances,
    rkd_loss,
    scaled_products,
)
from edgekd.student.taps import Wanted, find_layers, record  # noqa: E402

FAMILIES = ("bert", "distilbert", "roberta", "electra")
IDS = torch.tensor([[2, 9, 7, 3], [2, 8, 3, 0]])
MASK = (IDS != 0).long()


def classifier(family="bert", *, layers=2, width=16, heads=2, labels=3, seed=0):
    sizes = {"hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": heads, "intermediate_size": 24}
    if family == "distilbert":
        sizes = {"dim": width, "n_layers": layers, "n_heads": heads, "hidden_dim": 24}
    elif family == "electra":
        sizes |= {"embedding_size": 8}
    torch.manual_seed(seed)
    config = AutoConfig.for_model(
        family, vocab_size=60, max_position_embeddings=40, pad_token_id=0, num_labels=labels, **sizes
    )
    return AutoModelForSequenceClassification.from_config(config).eval()


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# By hand


def test_means_are_taken_over_real_tokens_only():
    values = torch.tensor([[1.0, 3.0, 100.0], [5.0, 100.0, 100.0]])
    assert masked_mean(values, torch.tensor([[1, 1, 0], [1, 0, 0]])).tolist() == [2, 5]


def test_hidden_by_hand():
    student = torch.zeros(2, 2, 2)
    teacher = torch.tensor([[[1.0, 1.0], [3.0, 1.0]], [[2.0, 0.0], [50.0, 50.0]]])
    # texts: (1 + 5) / 2 and 2; then their mean
    assert hidden_loss(student, teacher, torch.tensor([[1, 1], [1, 0]])).item() == pytest.approx(2.5)


def test_attention_scores_by_hand():
    # Two heads of size 1, so the square root is 1.
    query = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    key = torch.tensor([[[5.0, 6.0], [7.0, 8.0]]])
    scores = scaled_products(query, key, 2)
    assert scores.tolist() == [[[[5, 7], [15, 21]], [[12, 16], [24, 32]]]]
    one_head = scaled_products(query, key, 1)
    assert one_head[0, 0, 0, 0].item() == pytest.approx(17 / math.sqrt(2))


def test_attention_by_hand():
    mask = torch.tensor([[1, 1, 0]])
    query = torch.tensor([[[1.0], [2.0], [9.0]]])
    zero = torch.zeros(1, 3, 1)
    # scores 1, 2, 2, 4 among the real tokens, against 0
    loss = attention_loss((query, query), (zero, zero), mask, 1)
    assert loss.item() == pytest.approx((1 + 4 + 4 + 16) / 4)


def test_relations_by_hand():
    # One head of size 1. Teacher tokens a and 0: the first relates as softmax(a^2, 0) = (3/4, 1/4), the second evenly.
    a = math.sqrt(math.log(3))
    teacher = torch.tensor([[[a], [0.0], [7.0]]])
    student = torch.zeros(1, 3, 1)
    kl = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    loss = relation_loss(student, teacher, torch.tensor([[1, 1, 0]]), 1)
    assert loss.item() == pytest.approx(kl / 2, rel=1e-5)


def test_cosine_by_hand():
    student, teacher = torch.tensor([[1.0, 0.0], [2.0, 0.0]]), torch.tensor([[0.0, 3.0], [5.0, 0.0]])
    assert cosine_loss(student, teacher).item() == pytest.approx(0.5)


def test_contrastive_by_hand():
    # Own text cosine 1, the other 0, temperature 1/2: -ln(e^2 / (e^2 + 1))
    vectors = torch.tensor([[4.0, 0.0], [0.0, 0.1]])
    assert contrastive_loss(vectors, vectors, 0.5).item() == pytest.approx(math.log(1 + math.exp(-2)), rel=1e-5)
    assert contrastive_loss(vectors[:1], vectors[:1], 0.5).item() == 0


def test_distances_are_relative_to_their_mean():
    vectors = torch.tensor([[0.0], [1.0], [3.0]])  # distances 1, 3, 2 with mean 2
    expected = torch.tensor([[0.0, 0.5, 1.5], [0.5, 0.0, 1.0], [1.5, 1.0, 0.0]])
    assert torch.allclose(relative_distances(vectors), expected)


def test_angles_by_hand():
    corner = angles(torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 3.0]]))
    assert corner[0, 1, 2].item() == pytest.approx(0, abs=1e-6)
    assert corner[1, 0, 2].item() == pytest.approx(2 / math.sqrt(13))


def test_relational_by_hand():
    student, teacher = torch.tensor([[0.0], [1.0], [3.0]]), torch.tensor([[1.0], [0.0], [3.0]])
    # Relative distances of pairs 01, 02, 12: (0.5, 1.5, 1) and (0.5, 1, 1.5); Huber 0, 1/8, 1/8.
    distance = (0 + 0.125 + 0.125) / 3
    # Cosines at 0, 1, 2: (1, -1, 1) and (-1, 1, 1); differences of 2 have Huber 1.5.
    angle = (1.5 + 1.5 + 0) / 3
    assert rkd_loss(student, teacher).item() == pytest.approx(distance + 2 * angle, rel=1e-5)


# Edges


@pytest.mark.parametrize("texts", [1, 2, 3])
def test_relational_of_few_texts_is_finite(texts):
    student = random(texts, 4).requires_grad_()
    loss = rkd_loss(student, random(texts, 6, seed=1))
    assert torch.autograd.grad(loss, student)[0].isfinite().all()
    assert (loss.item() < 1e-9) is (texts < 3)  # two texts always have the relative distance 1


def test_relational_of_equal_texts_is_finite():
    student = random(1, 4).repeat(3, 1).requires_grad_()
    loss = rkd_loss(student, random(3, 6))
    assert torch.autograd.grad(loss, student)[0].isfinite().all()


def test_relational_ignores_rotation_scale_and_width():
    student = random(5, 4)
    rotation, _ = torch.linalg.qr(random(4, 4, seed=1))
    wider = torch.cat([2.5 * student @ rotation, torch.ones(5, 3)], dim=1)
    assert rkd_loss(student, wider).item() == pytest.approx(0, abs=1e-5)


def test_equal_representations_cost_nothing():
    x, mask = random(2, 4, 8), MASK
    for loss in (
        hidden_loss(x, x, mask),
        attention_loss((x, 2 * x), (x, 2 * x), mask, 2),
        relation_loss(x, x, mask, 2),
        cosine_loss(x[:, 0], x[:, 0]),
        rkd_loss(x[:, 0], x[:, 0]),
    ):
        assert loss.item() == pytest.approx(0, abs=1e-6)


def test_contrastive_is_least_where_the_vectors_are_equal():
    teacher = torch.eye(4)
    least = contrastive_loss(teacher, teacher, 0.1)
    assert all(contrastive_loss(teacher + 0.5 * random(4, 4, seed=s), teacher, 0.1) > least for s in range(5))


@pytest.mark.parametrize("loss", ["hidden", "attention", "relations"])
def test_padding_changes_nothing_and_gets_no_gradient(loss):
    student, teacher = random(2, 3, 8), random(2, 3, 8, seed=1)
    mask = torch.tensor([[1, 1, 1], [1, 1, 0]])

    def value(s, t, m):
        if loss == "hidden":
            return hidden_loss(s, t, m)
        if loss == "attention":
            return attention_loss((s, 2 * s), (t, 3 * t), m, 2)
        return relation_loss(s, t, m, 2)

    padded = torch.cat([student, 1e3 * torch.ones(2, 4, 8)], dim=1).requires_grad_()
    longer = torch.cat([mask, torch.zeros(2, 4, dtype=torch.long)], dim=1)
    with_padding = value(padded, torch.cat([teacher, -1e3 * torch.ones(2, 4, 8)], dim=1), longer)
    assert with_padding.item() == pytest.approx(value(student, teacher, mask).item(), rel=1e-5)
    gradient = torch.autograd.grad(with_padding, padded)[0]
    assert gradient.isfinite().all()
    assert gradient[longer == 0].abs().max() == 0


def test_relations_work_across_widths_and_heads():
    assert relation_loss(random(2, 4, 6), random(2, 4, 12), MASK, 3).item() > 0


# Reading models


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_can_be_read(family):
    model = classifier(family, layers=3)
    everything = Wanted(frozenset({0, 1, 2}), frozenset({1}), sentence=True)
    with record(model, everything) as features:
        hidden = model(input_ids=IDS, attention_mask=MASK, output_hidden_states=True).hidden_states
    assert all(torch.equal(features.hidden[i], hidden[i + 1]) for i in range(3))
    assert [part[1].shape for part in (features.query, features.key, features.value)] == [(2, 4, 16)] * 3
    assert features.sentence.shape == (2, 16)


@pytest.mark.parametrize("family", FAMILIES)
def test_queries_and_keys_are_those_of_the_attention(family):
    model = classifier(family, layers=1)
    model.set_attn_implementation("eager")
    with record(model, Wanted(attention=frozenset({0}))) as features:
        attention = model(input_ids=IDS, attention_mask=MASK, output_attentions=True).attentions[0]
    scores = scaled_products(features.query[0], features.key[0], 2).masked_fill(~MASK.bool()[:, None, None, :], -1e9)
    assert torch.allclose(scores.softmax(-1), attention, atol=1e-6)


@pytest.mark.parametrize(
    "student",
    [
        BagForSequenceClassification(BagConfig(vocab_size=60, embedding_dim=8, hidden_dim=6, dropout=0.5)),
        CnnForSequenceClassification(CnnConfig(vocab_size=60, embedding_dim=8, filters=2, dropout=0.5)),
        classifier("distilbert"),
    ],
    ids=lambda model: model.config.model_type,
)
def test_the_sentence_vector_is_the_classifiers_input_before_its_dropout(student):
    student.train()
    torch.manual_seed(0)
    with record(student, Wanted(sentence=True)) as features:
        student(input_ids=IDS, attention_mask=MASK)
    torch.manual_seed(0)
    seen = []
    handle = student.classifier.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    student(input_ids=IDS, attention_mask=MASK)
    handle.remove()
    kept = seen[0] != 0
    dropout = student.dropout.p
    assert features.sentence.shape == seen[0].shape
    assert torch.allclose((features.sentence / (1 - dropout))[kept], seen[0][kept])
    assert (features.sentence[~kept] != 0).any()


def test_no_hook_is_left_behind_even_after_an_error():
    model = classifier()

    def hooks():
        return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())

    with record(model, Wanted(frozenset({0}), frozenset({1}), sentence=True)):
        assert hooks() > 0
    assert hooks() == 0
    model.bert.encoder.layer[1].attention.self.query = torch.nn.Identity()
    with pytest.raises(ConfigError, match="Cannot find queries, keys and values in the student's layers"):
        record(model, Wanted(frozenset({0}), frozenset({1}), sentence=True)).__enter__()
    assert hooks() == 0


def test_a_model_without_layers_says_which_losses_are_left():
    bag = BagForSequenceClassification(BagConfig(vocab_size=60, embedding_dim=8))
    with pytest.raises(ConfigError, match=r"The teacher .*edgekd-bag.* has no transformer layers") as error:
        find_layers(bag, "teacher")
    assert error.value.hint == "Feature losses without layers: cosine, contrastive, rkd."
