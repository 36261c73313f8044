"""Students: one interface for all kinds, independence from padding, saving, building, errors."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402, N812
from transformers import AutoModelForSequenceClassification, AutoTokenizer  # noqa: E402

from edgekd.config import StudentConfig  # noqa: E402
from edgekd.errors import ConfigError  # noqa: E402
from edgekd.student.base import STUDENTS, count_parameters  # noqa: E402
from edgekd.student.cut import choose_layers, cut_layers, layer_count  # noqa: E402
from edgekd.student.kinds import build_student  # noqa: E402
from edgekd.student.names import STUDENT_KINDS, check_kind  # noqa: E402
from edgekd.teacher.load import Teacher  # noqa: E402
from tests.students import SHAPES, make_teacher  # noqa: E402
from tests.toys import make_classifier  # noqa: E402


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return make_teacher(tmp_path_factory.mktemp("teacher"))


@pytest.fixture(params=SHAPES)
def student(request, teacher):
    """A student of each kind and form with weights away from their start, so that every part of it speaks."""
    model = build_student(StudentConfig(**SHAPES[request.param]), teacher)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return model.eval()


def logits_of(model, ids, mask=None):
    with torch.no_grad():
        return model(input_ids=ids, attention_mask=torch.ones_like(ids) if mask is None else mask).logits


def test_names_match_the_registry():
    assert sorted(STUDENT_KINDS) == STUDENTS.names()
    assert {shape["kind"] for shape in SHAPES.values()} == set(STUDENT_KINDS)


def test_interface(student):
    ids = torch.tensor([[2, 9, 7, 3], [2, 8, 3, 0]])
    output = student(input_ids=ids, attention_mask=(ids != 0).long(), labels=torch.tensor([0, 2]))
    assert output.logits.shape == (2, 3)
    assert output.loss.item() == pytest.approx(F.cross_entropy(output.logits, torch.tensor([0, 2])).item(), rel=1e-5)
    assert student.config.id2label == {0: "bad", 1: "good", 2: "so-so"}
    assert (output.logits[0] - output.logits[1]).abs().max() > 1e-4


@pytest.mark.parametrize("length", [1, 2, 3, 40])
def test_padding_does_not_change_the_logits(student, length):
    text = torch.randint(5, 60, (1, length), generator=torch.Generator().manual_seed(length))
    padded = torch.cat([text, torch.zeros(1, 7, dtype=torch.long)], dim=1)
    mask = (torch.arange(length + 7) < length).long().unsqueeze(0)
    assert torch.allclose(logits_of(student, padded, mask), logits_of(student, text), atol=1e-5)


@pytest.mark.parametrize("name", ["linear", "linear of tokens", "bag", "bag with n-grams", "bilstm", "bigru"])
def test_padding_on_the_left_does_not_either(teacher, name):
    model = build_student(StudentConfig(**SHAPES[name]), teacher).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    text = torch.tensor([[2, 9, 7, 8, 3]])
    padded = torch.cat([torch.full((1, 4), 11), text], dim=1)
    mask = torch.tensor([[0, 0, 0, 0, 1, 1, 1, 1, 1]])
    assert torch.allclose(logits_of(model, padded, mask), logits_of(model, text), atol=1e-5)


def test_every_student_learns_from_labels(student):
    ids = torch.tensor([[2, 9, 7, 3], [2, 8, 3, 0]])
    student.train()
    loss = student(input_ids=ids, attention_mask=(ids != 0).long(), labels=torch.tensor([0, 2])).loss
    loss.backward()
    learning = {name: parameter.grad for name, parameter in student.named_parameters() if parameter.requires_grad}
    assert learning
    silent = {name for name, gradient in learning.items() if gradient is None or not gradient.abs().sum() > 0}
    # A key bias shifts all attention scores of a query by the same amount, which the softmax takes away.
    assert {name for name in silent if not name.endswith("key.bias")} == set()


def test_saved_and_opened_by_the_auto_class(student, tmp_path):
    student.save_pretrained(tmp_path)
    assert (tmp_path / "model.safetensors").is_file()
    again = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    ids = torch.tensor([[2, 9, 7, 3]])
    assert torch.allclose(logits_of(again, ids), logits_of(student, ids), atol=1e-6)
    assert again.config.problem_type == student.config.problem_type


@pytest.mark.parametrize("kind", STUDENT_KINDS)
@pytest.mark.parametrize(
    ("problem_type", "names", "labels"),
    [
        ("multi_label_classification", ("a", "b", "c"), torch.tensor([[1.0, 0, 1], [0, 0, 0]])),
        ("regression", ("stars",), torch.tensor([3.5, -1.0])),
    ],
)
def test_the_task_is_the_teachers(kind, problem_type, names, labels, tmp_path):
    teacher = make_teacher(tmp_path, labels=names, problem_type=problem_type)
    shape = next(shape for shape in SHAPES.values() if shape["kind"] == kind)
    model = build_student(StudentConfig(**shape), teacher).eval()
    ids = torch.tensor([[2, 9, 7, 3], [2, 8, 3, 0]])
    output = model(input_ids=ids, attention_mask=(ids != 0).long(), labels=labels)
    assert output.logits.shape == (2, len(names))
    assert model.config.problem_type == problem_type
    if problem_type == "regression":
        expected = ((output.logits[:, 0] - labels) ** 2).mean()
    else:
        expected = F.binary_cross_entropy_with_logits(output.logits, labels)
    assert output.loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_only_the_bag_and_single_tokens_do_not_see_the_order(teacher):
    ids = torch.tensor([[2, 5, 6, 7, 8, 9, 3]])
    blind = set()
    for name, shape in SHAPES.items():
        model = build_student(StudentConfig(**shape), teacher).eval()
        torch.manual_seed(1)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.2)
        if torch.allclose(logits_of(model, ids), logits_of(model, ids.flip(1)), atol=1e-5):
            blind.add(name)
    assert blind == {"bag", "linear of tokens"}


@pytest.mark.parametrize("kind", ["bilstm", "bigru"])
def test_both_directions_are_those_of_torch(teacher, kind):
    """On a text without padding the layer is torch's bidirectional one with the same weights."""
    model = build_student(StudentConfig(kind=kind, embedding_dim=8, hidden_dim=5), teacher).eval()
    layer = model.layers[0]
    whole = {"bilstm": torch.nn.LSTM, "bigru": torch.nn.GRU}[kind](8, 5, bidirectional=True)
    state = {f"{key}{end}": value for part, end in ((layer.onward, ""), (layer.backward_, "_reverse"))
             for key, value in part.state_dict().items()}  # fmt: skip
    whole.load_state_dict(state)
    vectors = torch.randn(6, 3, 8, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(layer(vectors, torch.tensor([6, 6, 6])), whole(vectors)[0], atol=1e-6)


def test_a_masked_token_inside_a_text_is_as_good_as_not_there(teacher):
    model = build_student(StudentConfig(kind="bilstm", embedding_dim=8, hidden_dim=5), teacher).eval()
    holed = logits_of(model, torch.tensor([[2, 9, 40, 7, 3]]), torch.tensor([[1, 1, 0, 1, 1]]))
    assert torch.allclose(holed, logits_of(model, torch.tensor([[2, 9, 7, 3]])), atol=1e-6)


def test_only_the_new_head_on_the_teacher_learns(teacher):
    model = build_student(StudentConfig(kind="linear", features="teacher", dropout=0.0), teacher).train()
    assert {name for name, p in model.named_parameters() if p.requires_grad} == {"classifier.weight", "classifier.bias"}
    ids = torch.tensor([[2, 9, 7, 3]])
    assert torch.equal(logits_of(model, ids), torch.zeros(1, 3))
    with torch.no_grad():
        model.classifier.weight.copy_(teacher.model.classifier.weight)
        model.classifier.bias.copy_(teacher.model.classifier.bias)
    # In training mode too: no dropout disturbs the frozen features.
    assert torch.allclose(logits_of(model, ids), logits_of(teacher.model.eval(), ids), atol=1e-6)


@pytest.mark.parametrize("family", ["distilbert", "roberta", "electra"])
def test_a_head_on_teachers_of_other_families(family, tmp_path):
    teacher = make_teacher(tmp_path, family=family)
    model = build_student(StudentConfig(kind="linear", features="teacher"), teacher)
    learning = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    assert len(learning) == 2
    assert all(name.startswith("classifier") for name in learning)
    dropouts = [module.p for module in model.modules() if isinstance(module, torch.nn.Dropout)]
    assert sorted(set(dropouts)) == [0.0, 0.1]


@pytest.mark.parametrize("heads", [None, 4])
def test_a_transformer_from_scratch_has_the_shape_that_was_asked_for(teacher, heads):
    config = StudentConfig(kind="transformer", from_scratch=True, layers=3, hidden_dim=32, heads=heads, ffn_dim=48)
    model = build_student(config, teacher)
    assert model.config.model_type == "bert"
    assert model.config.num_hidden_layers == 3
    assert model.config.intermediate_size == 48
    assert model.config.num_attention_heads == (heads or 1)
    assert model.config.max_position_embeddings == teacher.max_length
    assert model.get_input_embeddings().weight.std().item() == pytest.approx(0.02, rel=1e-3)


def test_narrow_token_vectors_of_a_transformer_are_widened(teacher):
    model = build_student(
        StudentConfig(kind="transformer", from_scratch=True, layers=1, hidden_dim=32, factor_dim=8), teacher
    )
    assert model.config.model_type == "electra"
    assert model.get_input_embeddings().weight.shape[1] == 8
    assert logits_of(model.eval(), torch.tensor([[2, 9, 3]])).shape == (1, 3)


def test_a_size_makes_a_transformer_from_scratch_and_explicit_fields_win(teacher):
    config = StudentConfig(kind="transformer", size="nano", embeddings="random", ffn_dim=100)
    model = build_student(config, teacher)
    assert (model.config.hidden_size, model.config.num_hidden_layers, model.config.intermediate_size) == (64, 1, 100)
    bag = build_student(StudentConfig(kind="bag", size="nano", hidden_dim=7), teacher)
    assert (bag.config.embedding_dim, bag.config.hidden_dim) == (16, 7)


def test_sizes_grow(teacher):
    for kind in STUDENT_KINDS:
        sizes = [
            count_parameters(build_student(StudentConfig(kind=kind, size=size, **RANDOM.get(kind, {})), teacher))
            for size in ("nano", "micro", "tiny", "small")
        ]
        assert sizes == sorted(set(sizes))


RANDOM = {kind: {"embeddings": "random"} for kind in STUDENT_KINDS if kind != "linear"}


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
    assert count_parameters(student) < count_parameters(model)
    student.save_pretrained(tmp_path / "student")
    again = AutoModelForSequenceClassification.from_pretrained(tmp_path / "student").eval()
    ids = torch.tensor([[2, 9, 7, 3]])
    assert torch.allclose(logits_of(again, ids), logits_of(student.eval(), ids))


def test_keeping_every_layer_changes_nothing(teacher):
    student = cut_layers(teacher.model, [0, 1, 2]).eval()
    ids = torch.tensor([[2, 9, 7, 3]])
    assert torch.equal(logits_of(student, ids), logits_of(teacher.model.eval(), ids))


def test_a_student_can_be_the_teacher_of_another(teacher):
    assistant = build_student(StudentConfig(**SHAPES["cut transformer"]), teacher)
    model = build_student(StudentConfig(**SHAPES["cnn"]), Teacher(assistant, teacher.tokenizer, 64))
    assert model.config.id2label == teacher.model.config.id2label


@pytest.mark.parametrize("name", ["cnn", "bilstm", "bigru", "transformer from scratch"])
def test_the_same_seed_gives_the_same_student(teacher, name):
    first, second, other = (build_student(StudentConfig(seed=seed, **SHAPES[name]), teacher) for seed in (3, 3, 4))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters(), strict=True))


def test_a_cut_transformer_is_the_teachers_alone(teacher):
    shape = SHAPES["cut transformer made narrower"] | {"projection": "learned"}
    first, second = (build_student(StudentConfig(seed=seed, **shape), teacher) for seed in (3, 4))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_the_tokenizer_of_the_teacher_opens_beside_a_student(teacher, tmp_path):
    build_student(StudentConfig(**SHAPES["bilstm"]), teacher).save_pretrained(tmp_path)
    teacher.tokenizer.save_pretrained(tmp_path)
    text = "the film was great"
    assert AutoTokenizer.from_pretrained(tmp_path)(text).input_ids == teacher.tokenizer(text).input_ids


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "bag", "widths": [3]}, r"Student 'bag' of kind 'bag' has no option widths\. Allowed: size, vocab"),
        ({"kind": "linear", "embedding_dim": 8}, "'linear' on tokens has no option embedding_dim"),
        ({"kind": "linear", "features": "teacher", "ngrams": 2}, "has no option ngrams. Allowed: features"),
        ({"kind": "cnn", "widths": []}, "must be distinct numbers from 1 to 16"),
        ({"kind": "cnn", "widths": [3, 3]}, "must be distinct numbers"),
        ({"kind": "bag", "buckets": 64}, "no n-grams to put into them"),
        ({"kind": "bag", "embedding_dim": 8, "factor_dim": 8}, "factor_dim 8 must be smaller than the width 8"),
        ({"kind": "bag", "embedding_dim": 64}, "cannot start from the teacher's of 32"),
        ({"kind": "bilstm", "layers": [0, 1]}, "must be one number from 1 to 8"),
        ({"kind": "bilstm", "layers": 0}, "must be one number from 1 to 8"),
        ({"kind": "transformer", "heads": 2}, "cut from the teacher has no option heads"),
        ({"kind": "transformer", "projection": "pca"}, "no hidden_dim to project to"),
        ({"kind": "transformer", "hidden_dim": 20}, "2 heads of 16. Allowed: 16."),
        ({"kind": "transformer", "hidden_dim": 32}, "Allowed: 16."),
        ({"kind": "transformer", "from_scratch": True, "layers": [0]}, "must be a number of at least 1"),
        ({"kind": "transformer", "size": "nano", "heads": 5}, "heads: 5 does not divide hidden_dim 64. Allowed: 1, 2"),
        ({"kind": "transformer", "size": "nano", "projection": "pca"}, "from scratch has no option projection"),
        ({"kind": "transformer", "size": "nano", "from_scratch": False}, "cut from the teacher has no option size"),
        (
            {"kind": "transformer", "size": "nano", "factor_dim": 8, "embedding_dim": 16},
            "so embedding_dim 16 has no place",
        ),
    ],
)
def test_what_a_kind_does_not_have_is_rejected(teacher, options, message):
    with pytest.raises(ConfigError, match=message):
        build_student(StudentConfig(**options), teacher)


def test_unknown_kind_names_the_nearest():
    with pytest.raises(ConfigError, match=r"Unknown student 'transfomer'.*linear, transf.*Did you mean 'transformer'"):
        check_kind("transfomer")
