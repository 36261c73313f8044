"""Whole layers go, and dimensions: what is found by hand, and what stays exact."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from edgekd.compress.prune import drop_layers, find_groups, leave_one_out, narrow, reduce_embedding_dim, remove  # noqa: E402
from edgekd.compress.prune.shape import RECORD  # noqa: E402
from edgekd.config import StudentConfig  # noqa: E402
from edgekd.errors import ConfigError, NotApplicable  # noqa: E402
from edgekd.progress import Silent  # noqa: E402
from edgekd.student.kinds import build_student  # noqa: E402
from edgekd.teacher.load import load_classifier  # noqa: E402
from tests.students import SHAPES, make_teacher  # noqa: E402

IDS = torch.tensor([[2, 17, 31, 8, 44, 3], [2, 9, 51, 3, 0, 0]])
MASK = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0]])
EMBEDDED = ["bag", "cnn", "bilstm", "bigru of two layers"]


def logits(model):
    with torch.no_grad():
        return model(input_ids=IDS, attention_mask=MASK).logits


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    """Three layers that can be told apart."""
    teacher = make_teacher(tmp_path_factory.mktemp("teacher"))
    for number, layer in enumerate(teacher.model.bert.encoder.layer):
        layer.output.dense.bias.data.fill_(number)
    return teacher


def numbers(model):
    return [int(layer.output.dense.bias[0]) for layer in model.bert.encoder.layer]


# Layers


def test_layers_are_left_out_one_by_one(teacher):
    assert leave_one_out(teacher.model, lambda model: 10.0 * numbers(model)[0] + numbers(model)[1]) == [12.0, 2.0, 1.0]


def test_the_layer_goes_that_is_missed_least_given_those_that_are_gone(teacher):
    table = {(0, 1, 2): 0.9, (1, 2): 0.7, (0, 2): 0.8, (0, 1): 0.6, (2,): 0.3, (0,): 0.5}
    model, record = drop_layers(teacher.model, 1, lambda model: table[tuple(numbers(model))])
    assert numbers(model) == [0]
    assert model.config.num_hidden_layers == 1
    assert record == {
        "kept": [0],
        "score": 0.9,
        "dropped": [
            {"layer": 1, "score": 0.8, "others": {"0": 0.7, "2": 0.6}},
            {"layer": 2, "score": 0.5, "others": {"0": 0.3}},
        ],
    }
    assert numbers(teacher.model) == [0, 1, 2]


def test_of_layers_that_are_missed_equally_the_last_goes(teacher):
    model, _ = drop_layers(teacher.model, 2, lambda _: 0.5)
    assert numbers(model) == [0, 1]


def test_layers_with_fewer_units_keep_them_under_their_new_number(teacher, tmp_path):
    pruned = remove(teacher.model, {"bert.encoder.layer.2.heads": [0], "bert.encoder.layer.1.ffn": list(range(8))})
    model, _ = drop_layers(pruned, 2, lambda model: -float(0 in numbers(model)))
    assert getattr(model.config, RECORD) == {"bert.encoder.layer.0.ffn": 8, "bert.encoder.layer.1.heads": 1}
    model.save_pretrained(tmp_path)
    teacher.tokenizer.save_pretrained(tmp_path)
    assert torch.equal(logits(load_classifier(tmp_path, 64, Silent()).model), logits(model))


def test_a_record_goes_with_its_layer(teacher):
    pruned = remove(teacher.model, {"bert.encoder.layer.2.heads": [0]})
    model, _ = drop_layers(pruned, 2, lambda model: -float(2 in numbers(model)))
    assert not hasattr(model.config, RECORD)


@pytest.mark.parametrize("keep", [3, 4])
def test_there_must_be_a_layer_to_remove(teacher, keep):
    with pytest.raises(NotApplicable, match=f"has 3 layers, so with layers: {keep} there is none"):
        drop_layers(teacher.model, keep, lambda _: 0.0)


def test_students_of_our_own_have_no_layers_to_remove(teacher):
    with pytest.raises(NotApplicable, match="edgekd-bilstm"):
        drop_layers(build_student(StudentConfig(**SHAPES["bilstm of two layers"]), teacher), 1, lambda _: 0.0)


# Hidden size


def test_a_transformer_gets_narrower_and_the_original_stays(teacher):
    before = logits(teacher.model)
    model = narrow(teacher.model, teacher.tokenizer, 16, max_length=64)
    assert model.config.hidden_size == 16
    assert [group.count for group in find_groups(model)] == [1, 32] * 3
    assert torch.equal(logits(teacher.model), before)
    assert torch.equal(logits(narrow(teacher.model, teacher.tokenizer, 16, max_length=64)), logits(model))


def test_a_narrow_transformer_can_lose_units_afterwards_but_not_before(teacher):
    model = narrow(teacher.model, teacher.tokenizer, 16, max_length=64)
    model = remove(model, {"bert.encoder.layer.0.ffn": list(range(8))})
    assert model.bert.encoder.layer[0].intermediate.dense.weight.shape == (8, 16)
    pruned = remove(teacher.model, {"bert.encoder.layer.0.heads": [0]})
    with pytest.raises(ConfigError, match="after heads or neurons") as caught:
        narrow(pruned, teacher.tokenizer, 16, max_length=64)
    assert "same prune step" in caught.value.hint


@pytest.mark.parametrize("dim", [32, 48])
def test_a_transformer_is_not_made_wider(teacher, dim):
    with pytest.raises(NotApplicable, match=f"hidden size is 32, so with hidden_dim: {dim}"):
        narrow(teacher.model, teacher.tokenizer, dim, max_length=64)


def test_hidden_dim_is_for_transformers(teacher):
    with pytest.raises(NotApplicable, match="edgekd-bag' has embedding_dim"):
        narrow(build_student(StudentConfig(**SHAPES["bag"]), teacher), teacher.tokenizer, 16, max_length=64)


# Token vectors


def wide_student(name, teacher, rank=None):
    student = build_student(StudentConfig(**SHAPES[name]), teacher)
    torch.manual_seed(3)
    with torch.no_grad():
        for parameter in student.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
        if rank is not None:
            basis = torch.linalg.qr(torch.randn(8, rank)).Q
            for table in (student.embeddings, getattr(student, "ngram_embeddings", None)):
                if table is not None:
                    table.weight.copy_(table.weight @ basis @ basis.t())
    return student.eval()


@pytest.mark.parametrize("name", EMBEDDED)
def test_vectors_of_few_dimensions_lose_nothing(name, teacher, tmp_path):
    student = wide_student(name, teacher, rank=3)
    smaller = reduce_embedding_dim(student, 3)
    assert smaller.embeddings.weight.shape[1] == smaller.config.embedding_dim == 3
    assert torch.allclose(logits(smaller), logits(student), atol=1e-5)
    smaller.save_pretrained(tmp_path)
    teacher.tokenizer.save_pretrained(tmp_path)
    assert torch.equal(logits(load_classifier(tmp_path, 64, Silent()).model), logits(smaller))


def test_vectors_of_ngrams_share_the_space(teacher):
    shape = {"kind": "bag", "embedding_dim": 8, "ngrams": 3, "buckets": 32}
    student = build_student(StudentConfig(**shape), teacher).eval()
    with torch.no_grad():
        basis = torch.linalg.qr(torch.randn(8, 4)).Q
        student.embeddings.weight.copy_(student.embeddings.weight @ basis[:, :2] @ basis[:, :2].t())
        student.ngram_embeddings.weight.copy_(torch.randn(32, 2) @ basis[:, 2:].t())
    smaller = reduce_embedding_dim(student, 4)
    assert smaller.ngram_embeddings.weight.shape == (32, 4)
    assert torch.allclose(logits(smaller), logits(student), atol=1e-5)


def test_frequent_tokens_decide_which_dimensions_stay(teacher):
    student = wide_student("bag", teacher)
    with torch.no_grad():
        student.embeddings.weight.zero_()
        student.embeddings.weight[:10, 0] = 3.0  # ten rare tokens
        student.embeddings.weight[20, 1] = 1.0  # a frequent one
    evenly, weighted = reduce_embedding_dim(student, 1), reduce_embedding_dim(student, 1, {20: 1000, 1: 1})
    assert (evenly.embeddings.weight[1].abs().item(), weighted.embeddings.weight[1].abs().item()) == (
        pytest.approx(3.0),
        pytest.approx(0.0, abs=1e-6),
    )
    assert weighted.embeddings.weight[20].abs().item() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("shape", "dim", "words"),
    [
        (SHAPES["bag"], 8, "have 8 dimensions, so with embedding_dim: 8"),
        (SHAPES["cnn factorised"], 4, "factorised already"),
        (SHAPES["linear"], 4, "not for a model of type 'edgekd-linear'.$"),
        (SHAPES["cut transformer"], 4, "a transformer has hidden_dim"),
    ],
)
def test_vectors_that_cannot_shrink_are_left_alone(shape, dim, words, teacher):
    with pytest.raises(NotApplicable, match=words):
        reduce_embedding_dim(build_student(StudentConfig(**shape), teacher), dim)
