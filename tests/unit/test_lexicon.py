"""The teacher's words and their neighbours, and noisy texts made with them."""

import random

import numpy as np
import pytest

pytest.importorskip("safetensors")

from safetensors.numpy import save_file
from tokenizers import Tokenizer

from edgekd.config import TransferConfig, TransferMix
from edgekd.data.augment import augment
from edgekd.data.lexicon import Lexicon, read_lexicon, vocabulary_words
from edgekd.data.transfer import transfer_texts
from edgekd.errors import ConfigError
from tests.bundles import make_tokenizer
from tests.toys import toy_data

NOISE = TransferConfig(amount=2, mix=TransferMix(spans=0, noise=1))


def test_words_are_whole_tokens_of_letters():
    assert vocabulary_words({"[PAD]": 0, "##ing": 1, "film": 2, "an": 3, "3d": 4, "naïve": 5}) == {
        "film": 2,
        "naïve": 5,
    }
    assert vocabulary_words({"Ġfilm": 0, "film": 1, "ing": 2, "Ġgood": 3}) == {"film": 0, "good": 3}
    assert vocabulary_words({"▁film": 0, "▁film2": 1}) == {"film": 0}


@pytest.fixture
def folder(tmp_path):
    make_tokenizer(tmp_path / "tokenizer.json")
    vocabulary = Tokenizer.from_file(str(tmp_path / "tokenizer.json")).get_vocab()
    table = np.random.default_rng(0).normal(size=(len(vocabulary), 32)).astype(np.float32)
    table[vocabulary["film"]] = table[vocabulary["movie"]] + 0.01
    save_file({"bert.embeddings.word_embeddings.weight": table}, tmp_path / "model.safetensors")
    return tmp_path


def test_near_words_are_neighbours_and_none_is_its_own(folder):
    lexicon = read_lexicon(folder, ["the film was", "The movie xyzzy"])
    assert "movie" in lexicon.neighbours["film"]
    assert "film" in lexicon.neighbours["movie"]
    assert all(word not in near for word, near in lexicon.neighbours.items())
    assert set(lexicon.neighbours) == {"the", "The", "film", "was", "movie"}
    assert set(lexicon.words) >= {"film", "movie"}


def test_a_teacher_without_token_vectors_is_an_error(tmp_path):
    make_tokenizer(tmp_path / "tokenizer.json")
    save_file({"linear.weight": np.zeros((9, 9), dtype=np.float32)}, tmp_path / "model.safetensors")
    with pytest.raises(ConfigError, match="no table of token vectors"):
        read_lexicon(tmp_path, [])


def test_noise_leaves_out_masks_and_replaces_as_often_as_it_says():
    text = " ".join(["film"] * 1000)
    _, made = augment("noise", text, 60, NOISE, mask_token="[MASK]", neighbours={"film": ["movie"]})
    strengths = [1 - len(new.split()) / 1000 for new in made]
    words = [word for new in made for word in new.split()]
    assert np.mean(strengths) == pytest.approx(0.3 * 0.2, rel=0.1)
    share = {word: words.count(word) / (1000 * len(made)) for word in ("[MASK]", "movie")}
    assert share["[MASK]"] == pytest.approx(0.2 * 0.2, rel=0.1)
    assert share["movie"] == pytest.approx(1.5 * 0.2, rel=0.1)


def test_noise_is_seeded_and_uses_only_known_neighbours():
    words = [random.Random(3).choice(["film", "was", "bad"]) for _ in range(30)]
    first = augment("noise", " ".join(words), 5, NOISE, mask_token="[MASK]", neighbours={"film": ["movie"]})
    assert first == augment("noise", " ".join(words), 5, NOISE, mask_token="[MASK]", neighbours={"film": ["movie"]})
    assert {word for new in first[1] for word in new.split()} <= {"film", "was", "bad", "movie", "[MASK]"}


def test_the_words_of_the_vocabulary_are_transfer_texts_once():
    data = toy_data()
    config = TransferConfig(amount=0, words=True, unlabelled=False)
    made = transfer_texts(data, config, lexicon=Lexicon(["film", "movie", "film"]))
    assert made.texts == ["film", "movie"]
    assert made.origins == {"words": 2}


def test_noise_needs_a_mask_token():
    with pytest.raises(ConfigError, match=r"transfer\.mix\.noise is set, but the teacher's tokenizer has no mask"):
        transfer_texts(toy_data(), NOISE, mask_token=None)
