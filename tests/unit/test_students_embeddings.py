"""Where token vectors start: PCA of the teacher's table or outputs, random; own tokens; factorised."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from edgekd.config import StudentConfig, VocabularyConfig  # noqa: E402
from edgekd.errors import ConfigError  # noqa: E402
from edgekd.student.embeddings import pca_embeddings, special_ends, teacher_pieces, token_vectors  # noqa: E402
from edgekd.student.kinds import build_student  # noqa: E402
from edgekd.student.vocabulary import train_tokenizer  # noqa: E402
from edgekd.teacher.load import Teacher  # noqa: E402
from tests.students import make_teacher  # noqa: E402
from tests.toys import toy_texts  # noqa: E402


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return make_teacher(tmp_path_factory.mktemp("teacher"))


@pytest.fixture(scope="module")
def own():
    return train_tokenizer(VocabularyConfig(size=120), toy_texts(200)[0], max_length=64)


def start(teacher, source, **options):
    config = StudentConfig(kind="bag", embedding_dim=8, embeddings=source, **options)
    return build_student(config, teacher).get_input_embeddings().weight.detach()


def test_input_vectors_are_a_pca_of_the_teachers_table(teacher):
    table = teacher.model.get_input_embeddings().weight.detach()
    assert torch.allclose(start(teacher, "teacher-input"), pca_embeddings(table, 8))
    assert torch.equal(start(teacher, None), start(teacher, "teacher-input"))


def states_of(teacher, ids):
    """Return the mean states of a token's pieces after two of the three layers and after the last."""
    whole = torch.tensor([[2, *ids, 3]])
    with torch.no_grad():
        states = teacher.model.bert(whole, torch.ones_like(whole), output_hidden_states=True).hidden_states
    assert len(states) == 4
    return [states[layer][0, 1:-1].mean(dim=0) for layer in (2, 3)]


def same_direction(first, second):
    return torch.nn.functional.cosine_similarity(first, second, dim=0).item() == pytest.approx(1, abs=1e-4)


def test_output_vectors_are_what_the_teacher_makes_of_each_token_alone(teacher):
    vectors = token_vectors(teacher, None, "teacher-output")
    assert vectors.shape == (teacher.model.config.vocab_size, 64)
    for part, state in enumerate(zip(states_of(teacher, [10]), states_of(teacher, [20]), strict=True)):
        columns = vectors[:, 32 * part : 32 * (part + 1)]
        assert same_direction(columns[10] - columns[20], state[0] - state[1])
        assert columns.mean(dim=0).abs().max() < 1e-5
        assert columns.norm(dim=1).mean().item() == pytest.approx(1, rel=1e-4)


def test_output_vectors_are_computed_once_until_the_teacher_changes(tmp_path):
    teacher = make_teacher(tmp_path)
    first = token_vectors(teacher, None, "teacher-output")
    assert token_vectors(teacher, None, "teacher-output") is first
    with torch.no_grad():
        teacher.model.bert.encoder.layer[0].output.dense.weight.mul_(2)
    assert not torch.allclose(token_vectors(teacher, None, "teacher-output"), first)


def test_the_teacher_stays_in_its_mode(teacher):
    teacher.model.train()
    try:
        token_vectors(Teacher(teacher.model, teacher.tokenizer, 32), None, "teacher-output")
        assert teacher.model.training
    finally:
        teacher.model.eval()


def test_random_vectors_do_not_come_from_the_teacher(teacher):
    table = start(teacher, "random")
    assert table.std().item() == pytest.approx(0.1, rel=0.1)
    wide = build_student(StudentConfig(kind="cnn", embedding_dim=64, embeddings="random"), teacher)
    assert wide.get_input_embeddings().weight.shape[1] == 64


def test_a_teacher_without_hidden_states_has_no_output_vectors(teacher):
    assistant = Teacher(build_student(StudentConfig(kind="cnn", embedding_dim=8), teacher), teacher.tokenizer, 64)
    with pytest.raises(ConfigError, match="'edgekd-cnn' has no hidden states"):
        start(assistant, "teacher-output")
    assert start(assistant, "teacher-input").shape[1] == 8


def test_own_tokens_are_the_mean_of_the_teachers_pieces(teacher, own):
    table = teacher.model.get_input_embeddings().weight.detach()
    vectors = token_vectors(teacher, own, "teacher-input")
    assert vectors.shape == (len(own), 32)
    for token in ("great", "[CLS]", "[PAD]", "##e"):
        mine, theirs = (t.convert_tokens_to_ids(token) for t in (own, teacher.tokenizer))
        assert torch.allclose(vectors[mine], table[theirs], atol=1e-6)
    pieces = teacher_pieces(own, teacher.tokenizer)
    split = next(row for row, ids in enumerate(pieces) if len(ids) > 1)
    assert torch.allclose(vectors[split], table[pieces[split]].mean(dim=0), atol=1e-6)
    text = own.convert_ids_to_tokens(split).removeprefix("##")
    assert teacher.tokenizer.encode(text, add_special_tokens=False) == pieces[split]


def test_own_tokens_can_start_from_the_teachers_outputs(teacher, own):
    vectors = token_vectors(teacher, own, "teacher-output")
    pieces = teacher_pieces(own, teacher.tokenizer)
    row, other = [row for row, ids in enumerate(pieces) if len(ids) > 1][:2]
    last, last_other = (states_of(teacher, pieces[index])[1] for index in (row, other))
    assert same_direction(vectors[row, 32:] - vectors[other, 32:], last - last_other)


def test_special_tokens_around_a_text(teacher):
    assert special_ends(teacher) == ([2], [3])


def test_factorised_vectors_have_fewer_weights_and_start_from_the_teacher(teacher):
    config = StudentConfig(kind="cnn", embedding_dim=16, factor_dim=4)
    model = build_student(config, teacher)
    table = teacher.model.get_input_embeddings().weight.detach()
    assert torch.allclose(model.get_input_embeddings().weight, pca_embeddings(table, 4))
    assert tuple(model.widen.weight.shape) == (16, 4)
    assert sum(p.numel() for p in model.parameters()) < sum(
        p.numel() for p in build_student(config.model_copy(update={"factor_dim": None}), teacher).parameters()
    )


def test_pca_keeps_the_distances_that_fit():
    generator = torch.Generator().manual_seed(0)
    flat = torch.randn(50, 3, generator=generator) @ torch.randn(3, 20, generator=generator)
    projected = pca_embeddings(flat, 3)
    ratio = torch.cdist(projected, projected) / torch.cdist(flat, flat).clamp_min(1e-9)
    off_diagonal = ratio[~torch.eye(50, dtype=torch.bool)]
    assert off_diagonal.std() / off_diagonal.mean() < 1e-3
    assert projected.std().item() == pytest.approx(0.1, rel=1e-3)


def test_pca_cannot_add_dimensions():
    with pytest.raises(ConfigError, match="Token vectors of 64 cannot start from the teacher's of 20"):
        pca_embeddings(torch.zeros(5, 20), 64)


def test_a_named_size_is_narrowed_to_a_small_teacher_but_a_given_width_is_not(teacher):
    assert build_student(StudentConfig(kind="cnn"), teacher).get_input_embeddings().weight.shape[1] == 32
    with pytest.raises(ConfigError, match="Token vectors of 64 cannot start"):
        build_student(StudentConfig(kind="cnn", embedding_dim=64), teacher)
