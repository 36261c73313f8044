"""Students: the interface, independence from padding, saving, cutting, building."""

import pytest

torch = pytest.importorskip("torch")

from transformers import AutoModelForSequenceClassification  # noqa: E402

from edgekd.config import StudentConfig  # noqa: E402
from edgekd.errors import ConfigError  # noqa: E402
from edgekd.student.base import STUDENTS, pca_embeddings  # noqa: E402
from edgekd.student.cut import choose_layers, cut_layers, layer_count  # noqa: E402
from edgekd.student.kinds import build_student  # noqa: E402
from edgekd.student.names import STUDENT_KINDS, check_kind  # noqa: E402
from tests.toys import make_classifier  # noqa: E402

SHAPES = {
    "bag": {"embedding_dim": 8},
    "cnn": {"embedding_dim": 8, "hidden_dim": 6},
    "transformer": {"layers": 1},
}


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    folder = make_classifier(tmp_path_factory.mktemp("teacher"), labels=("bad", "good", "so-so"))
    return AutoModelForSequenceClassification.from_pretrained(folder).eval()


@pytest.fixture(params=STUDENT_KINDS)
def student(request, teacher):
    return build_student(StudentConfig(kind=request.param, **SHAPES[request.param]), teacher).eval()


def test_names_match_the_registry():
    assert sorted(STUDENT_KINDS) == STUDENTS.names()


def test_interface(student):
    ids = torch.tensor([[2, 9, 7, 3], [2, 8, 3, 0]])
    output = student(input_ids=ids, attention_mask=(ids != 0).long(), labels=torch.tensor([0, 2]))
    assert output.logits.shape == (2, 3)
    expected = torch.nn.functional.cross_entropy(output.logits, torch.tensor([0, 2]))
    assert output.loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert student.config.id2label == {0: "bad", 1: "good", 2: "so-so"}


@pytest.mark.parametrize("length", [1, 2, 3, 40])
def test_padding_does_not_change_the_logits(student, length):
    text = torch.randint(5, 60, (1, length), generator=torch.Generator().manual_seed(length))
    alone = student(input_ids=text, attention_mask=torch.ones_like(text)).logits
    padded = torch.cat([text, torch.zeros(1, 7, dtype=torch.long)], dim=1)
    mask = (torch.arange(length + 7) < length).long().unsqueeze(0)
    assert torch.allclose(student(input_ids=padded, attention_mask=mask).logits, alone, atol=1e-5)


def test_saved_and_opened_by_the_auto_class(student, tmp_path):
    student.save_pretrained(tmp_path)
    assert (tmp_path / "model.safetensors").is_file()
    again = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    ids = torch.tensor([[2, 9, 7, 3]])
    mask = torch.ones_like(ids)
    assert torch.allclose(
        again(input_ids=ids, attention_mask=mask).logits,
        student(input_ids=ids, attention_mask=mask).logits,
        atol=1e-6,
    )


def test_bag_does_not_see_the_order_and_cnn_does(teacher):
    ids = torch.tensor([[2, 5, 6, 7, 8, 9, 3]])
    turned = ids.flip(1)
    for kind, same in (("bag", True), ("cnn", False)):
        model = build_student(StudentConfig(kind=kind, **SHAPES[kind]), teacher).eval()
        mask = torch.ones_like(ids)
        first, second = (model(input_ids=x, attention_mask=mask).logits for x in (ids, turned))
        assert torch.allclose(first, second, atol=1e-6) is same


def test_embeddings_come_from_the_teacher(teacher):
    student = build_student(StudentConfig(kind="bag", embedding_dim=8), teacher)
    table = student.get_input_embeddings().weight
    expected = pca_embeddings(teacher.get_input_embeddings().weight.detach(), 8)
    assert torch.allclose(table, expected)


def test_pca_keeps_the_distances_that_fit():
    generator = torch.Generator().manual_seed(0)
    flat = torch.randn(50, 3, generator=generator) @ torch.randn(3, 20, generator=generator)
    projected = pca_embeddings(flat, 3)
    ratio = torch.cdist(projected, projected) / torch.cdist(flat, flat).clamp_min(1e-9)
    off_diagonal = ratio[~torch.eye(50, dtype=torch.bool)]
    assert off_diagonal.std() / off_diagonal.mean() < 1e-3
    assert projected.std().item() == pytest.approx(0.1, rel=1e-3)


def test_pca_cannot_add_dimensions():
    with pytest.raises(ConfigError, match="embedding_dim 64 is larger than the teacher's hidden size 20"):
        pca_embeddings(torch.zeros(5, 20), 64)


@pytest.mark.parametrize(
    ("layers", "available", "expected"),
    [
        (None, 6, [1, 3, 5]),
        (None, 1, [0]),
        (2, 6, [2, 5]),
        (3, 12, [3, 7, 11]),
        (6, 6, [0, 1, 2, 3, 4, 5]),
        ([4, 0], 6, [0, 4]),
    ],
)
def test_choice_of_layers(layers, available, expected):
    assert choose_layers(layers, available) == expected


@pytest.mark.parametrize("layers", [0, 7, [6], [-1], [], [1, 1]])
def test_wrong_layers(layers):
    with pytest.raises(ConfigError, match="layers"):
        choose_layers(layers, 6)


@pytest.mark.parametrize("family", ["bert", "distilbert", "roberta", "electra"])
def test_every_family_can_be_cut(family, tmp_path):
    model = AutoModelForSequenceClassification.from_pretrained(
        make_classifier(tmp_path / "teacher", family=family, layers=3)
    ).eval()
    assert layer_count(model) == 3
    student = cut_layers(model, [0, 2])
    assert layer_count(student) == 2
    assert sum(p.numel() for p in student.parameters()) < sum(p.numel() for p in model.parameters())
    student.save_pretrained(tmp_path / "student")
    again = AutoModelForSequenceClassification.from_pretrained(tmp_path / "student").eval()
    ids = torch.tensor([[2, 9, 7, 3]])
    mask = torch.ones_like(ids)
    assert torch.allclose(
        again(input_ids=ids, attention_mask=mask).logits,
        student.eval()(input_ids=ids, attention_mask=mask).logits,
    )


def test_keeping_every_layer_changes_nothing(teacher):
    student = cut_layers(teacher, [0, 1])
    ids = torch.tensor([[2, 9, 7, 3]])
    mask = torch.ones_like(ids)
    assert torch.equal(
        student(input_ids=ids, attention_mask=mask).logits, teacher(input_ids=ids, attention_mask=mask).logits
    )


def test_an_option_of_another_kind_is_rejected(teacher):
    with pytest.raises(ConfigError, match=r"Student 'bag' of kind 'bag' has no option widths. Allowed: embedding_dim"):
        build_student(StudentConfig(kind="bag", widths=[3]), teacher)


def test_unknown_kind_names_the_nearest():
    with pytest.raises(
        ConfigError, match=r"Unknown student 'transfomer'.*bag, cnn, transformer.*Did you mean 'transformer'"
    ):
        check_kind("transfomer")


def test_the_same_seed_gives_the_same_student(teacher):
    first, second = (build_student(StudentConfig(kind="cnn", seed=3), teacher) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
