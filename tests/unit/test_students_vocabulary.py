"""Own tokenizers: the same in every process, usable everywhere, refused where tokens must be the teacher's."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys

import pytest

torch = pytest.importorskip("torch")

from transformers import AutoModelForSequenceClassification, AutoTokenizer  # noqa: E402

from edgekd.config import StudentConfig, VocabularyConfig  # noqa: E402
from edgekd.errors import ConfigError  # noqa: E402
from edgekd.runtime.locality import why_not_cacheable  # noqa: E402
from edgekd.runtime.tokenization import open_encoder, pad_id  # noqa: E402
from edgekd.student.kinds import build_student  # noqa: E402
from edgekd.student.vocabulary import SPECIAL_TOKENS, student_tokenizer, train_tokenizer  # noqa: E402
from tests.students import SHAPES, make_teacher  # noqa: E402
from tests.toys import toy_texts  # noqa: E402

KINDS = ("wordpiece", "bpe", "unigram")
TEXTS = [*toy_texts(200)[0], "Ünïcode café ÉTÉ", "don't stop!", "日本 movie"]


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return make_teacher(tmp_path_factory.mktemp("teacher"))


def trained(kind="wordpiece", **options):
    return train_tokenizer(VocabularyConfig(kind=kind, **{"size": 160, **options}), TEXTS, max_length=64)


def fingerprint():
    files = [trained(kind).backend_tokenizer.to_str() for kind in KINDS]
    return hashlib.sha256("".join(files).encode()).hexdigest()


def test_every_process_trains_the_same_tokenizer():
    code = "from tests.unit.test_students_vocabulary import fingerprint\nprint(fingerprint())"
    others = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()[-1]
        for _ in range(2)
    ]
    assert others == [fingerprint()] * 2


@pytest.mark.parametrize("kind", KINDS)
def test_ids_and_special_tokens(kind):
    tokenizer = trained(kind)
    assert len(tokenizer) <= 160
    assert sorted(tokenizer.get_vocab().values()) == list(range(len(tokenizer)))
    assert tokenizer.convert_tokens_to_ids(list(SPECIAL_TOKENS.values())) == [0, 1, 2, 3, 4]
    ids = tokenizer("the film was great").input_ids
    assert (ids[0], ids[-1]) == (2, 3)
    assert tokenizer.tokenize("great") == ["great"]
    assert tokenizer("").input_ids == [2, 3]
    assert 1 in tokenizer("ж").input_ids


@pytest.mark.parametrize("kind", KINDS)
def test_words_come_back_from_ids(kind):
    tokenizer = trained(kind)
    for word in ("great", "boring", "movie"):
        pieces = tokenizer.tokenize(word)
        assert "".join(piece.removeprefix("##") for piece in pieces) == word


def test_lowercase_is_a_choice():
    assert trained().tokenize("GREAT") == ["great"]
    assert trained(lowercase=False).tokenize("GREAT") != ["great"]
    assert trained().tokenize("CAFÉ") == trained().tokenize("cafe")


def test_frequent_words_are_one_token_and_a_small_vocabulary_splits_them():
    small, large = trained(size=140), trained(size=240)
    assert len(small) < len(large)
    assert sum(len(small.tokenize(text)) for text in TEXTS) > sum(len(large.tokenize(text)) for text in TEXTS)


@pytest.mark.parametrize("kind", KINDS)
def test_saved_beside_a_student_and_opened_by_the_auto_class_and_the_runtime(kind, teacher, tmp_path):
    config = StudentConfig(
        kind="bigru", embedding_dim=8, hidden_dim=4, vocabulary=VocabularyConfig(kind=kind, size=160)
    )
    tokenizer = student_tokenizer(config, teacher, TEXTS)
    model = build_student(config, teacher, tokenizer).eval()
    assert model.get_input_embeddings().weight.shape[0] == len(tokenizer)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    encoder = open_encoder(tmp_path / "tokenizer.json", 64)
    for text in TEXTS[-10:]:
        assert again(text).input_ids == tokenizer(text).input_ids == encoder.ids(text)
    assert again.pad_token_id == pad_id(tmp_path / "tokenizer.json") == 0
    assert again.is_fast
    opened = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    ids = torch.tensor([tokenizer(TEXTS[0]).input_ids])
    assert opened(input_ids=ids, attention_mask=torch.ones_like(ids)).logits.shape == (1, 3)


def test_the_word_cache_of_the_runtime_takes_wordpiece():
    spec = json.loads(trained().backend_tokenizer.to_str())
    assert why_not_cacheable(spec, 64) is None


def test_without_a_vocabulary_it_is_the_teachers(teacher):
    assert student_tokenizer(StudentConfig(kind="bag"), teacher, []) is teacher.tokenizer


@pytest.mark.parametrize("name", [name for name in SHAPES if "cut" not in name and "on the teacher" not in name])
def test_students_that_can_have_their_own(name, teacher):
    config = StudentConfig(**SHAPES[name], vocabulary=VocabularyConfig(size=130))
    tokenizer = student_tokenizer(config, teacher, TEXTS)
    model = build_student(config, teacher, tokenizer)
    assert model.config.vocab_size == len(tokenizer)
    assert model.config.pad_token_id == 0


@pytest.mark.parametrize("name", ["cut transformer", "linear on the teacher"])
def test_students_that_keep_the_teachers_layers_cannot(name, teacher):
    config = StudentConfig(**SHAPES[name], vocabulary=VocabularyConfig(size=130))
    with pytest.raises(ConfigError, match="has no option vocabulary"):
        student_tokenizer(config, teacher, TEXTS)


def test_an_own_vocabulary_needs_its_tokenizer(teacher):
    config = StudentConfig(kind="bag", vocabulary=VocabularyConfig(size=130))
    with pytest.raises(ConfigError, match="was given no tokenizer"):
        build_student(config, teacher)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_to_train_on(kind):
    with pytest.raises(ConfigError, match="needs texts"):
        train_tokenizer(VocabularyConfig(kind=kind), ["", "  "], max_length=64)


@pytest.mark.parametrize("kind", KINDS)
def test_many_kinds_of_characters_leave_room_for_words(kind):
    odd = [chr(0x4E00 + i) + chr(0x0430 + i % 30) * 2 for i in range(3000)]
    tokenizer = train_tokenizer(VocabularyConfig(kind=kind, size=120), [*odd, *TEXTS], max_length=64)
    assert len(tokenizer) <= 120
    assert sum(len(token.removeprefix("##")) > 1 for token in tokenizer.get_vocab()) > 20
    assert 1 in tokenizer(odd[0]).input_ids
