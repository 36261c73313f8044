"""Words: what people see, never cutting a token."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekd.explain.words import join, trim, word_spans


def words(text):
    return [text[start:end] for start, end in word_spans(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \t\n", []),
        ("a film", ["a", "film"]),
        ("It isn't well-made.", ["It", "isn't", "well-made", "."]),
        ("rock 'n' roll -", ["rock", "'", "n", "'", "roll", "-"]),
        ("so bad...!?", ["so", "bad", "...!?"]),
        ("snake_case 3.5", ["snake_case", "3", ".", "5"]),
        ("cafe\u0301 bon", ["cafe\u0301", "bon"]),  # a combining accent
        ("\u2764\ufe0f love", ["\u2764\ufe0f", "love"]),  # an emoji and what selects its form
        ("\u597d\u770b film", ["\u597d", "\u770b", "film"]),  # ideographs are words of their own
        ("\u304b\u3099\u304d", ["\u304b\u3099", "\u304d"]),  # a kana with its mark
        ("\u0939\u093f\u0928\u094d\u0926\u0940", ["\u0939\u093f\u0928\u094d\u0926\u0940"]),  # Hindi vowel signs
    ],
)
def test_words(text, expected):
    assert words(text) == expected


@given(st.text())
def test_every_visible_character_is_in_exactly_one_word(text):
    places = [place for start, end in word_spans(text) for place in range(start, end)]
    assert places == [place for place, char in enumerate(text) if not char.isspace()]


def test_a_token_across_words_joins_them():
    assert [word.text for word in join("end). So", word_spans("end). So"), [(0, 3), (3, 8)])] == ["end", "). So"]


def test_words_are_whole_when_tokens_are_pieces():
    assert [word.text for word in join("unlovely", word_spans("unlovely"), [(0, 2), (2, 8)])] == ["unlovely"]


def test_tokens_alone_give_pieces_with_their_spaces_trimmed():
    assert [(w.text, w.span) for w in join("un film", [(0, 1), (1, 2), (2, 7)])] == [
        ("u", (0, 1)),
        ("n", (1, 2)),
        ("film", (3, 7)),
    ]


@given(st.text(max_size=20), st.lists(st.tuples(st.integers(0, 19), st.integers(1, 6))))
def test_joined_words_never_overlap_and_never_cut_a_token(text, sizes):
    tokens = [(start, min(len(text), start + size)) for start, size in sizes if start < len(text)]
    joined = join(text, word_spans(text), tokens)
    assert all(first.end <= second.start for first, second in itertools.pairwise(joined))
    for token in tokens:
        span = trim(text, token)
        owners = [word for word in joined if span and word.start < span[1] and span[0] < word.end]
        assert span is None or [(w.start <= span[0], span[1] <= w.end) for w in owners] == [(True, True)]


def tokenizer(kind):
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

    texts = ["It isn't great, caf\u00e9 d\u00e9j\u00e0 vu!", "great great"]
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    if kind == "byte-level":  # as RoBERTa has it
        found = Tokenizer(models.BPE())
        found.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
        trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=special, show_progress=False)
    elif kind == "metaspace":  # as SentencePiece models have it
        found = Tokenizer(models.Unigram())
        found.normalizer = normalizers.NFKC()
        found.pre_tokenizer = pre_tokenizers.Metaspace()
        trainer = trainers.UnigramTrainer(vocab_size=60, special_tokens=special, unk_token="[UNK]", show_progress=False)
    else:
        found = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        found.normalizer = normalizers.BertNormalizer()
        found.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        trainer = trainers.WordPieceTrainer(vocab_size=60, special_tokens=special, show_progress=False)
    found.train_from_iterator(texts, trainer)
    ends = [(token, found.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    found.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    return found


@pytest.mark.parametrize("kind", ["byte-level", "metaspace", "wordpiece"])
def test_every_kind_of_tokenizer_gives_whole_words(kind, tmp_path):
    pytest.importorskip("onnx")
    from edgekd.bundle import write_manifest
    from edgekd.explain.model import ExplainedModel, Reading
    from tests.bundles import make_bundle

    bundle = make_bundle(tmp_path / "bundle")
    tokenizer(kind).save(str(bundle.tokenizer_path))
    model = ExplainedModel(write_manifest(bundle.folder, bundle.manifest))
    text = " It isn't  great, caf\u00e9 d\u00e9j\u00e0 "
    tokens = model.encode(text)
    found = join(text, word_spans(text), [span for span in tokens.spans if span])
    assert [word.text for word in found] == ["It", "isn't", "great", ",", "caf\u00e9", "d\u00e9j\u00e0"]
    reading = Reading.of(model, tokens, found)
    assert reading.read == list(range(6))
    # What is left without any word: the special tokens, and pieces that are nothing but the space between words.
    left = [model._tokenizer.id_to_token(token) for token in reading.only(())]
    assert set(left) <= {"[CLS]", "[SEP]", "\u2581", "\u0120"}
