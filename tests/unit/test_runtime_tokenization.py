"""The fast tokenizer: the ids of ``tokenizers`` for every style, bounded memory, and a reason where it is not used."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

from edgekd.runtime import OnnxSession
from edgekd.runtime.cache import MAX_CHUNK_CHARS, MAX_SLOW_MISSES, CachedTokenizer
from edgekd.runtime.locality import chunk_rules, why_not_cacheable
from edgekd.runtime.tokenization import PlainTokenizer, open_encoder, open_tokenizer, pad_id
from tests.bundles import CHARACTERS, LABEL_WORDS, OTHER_WORDS, SPECIAL_TOKENS, make_bundle, make_tokenizer, vocabulary


def with_ends(tokenizer):
    ends = [(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    return tokenizer


def bert(model, **cleaning):
    made = Tokenizer(model)
    made.normalizer = normalizers.BertNormalizer(**cleaning)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.add_special_tokens(SPECIAL_TOKENS)
    return with_ends(made)


def word_piece():
    return models.WordPiece(vocabulary(), unk_token="[UNK]", max_input_chars_per_word=20)


def byte_level(*, normalizer=None, prefix=False, added=()):
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = [*SPECIAL_TOKENS, *alphabet, "\u0120g", "\u0120gr", "\u0120gre", "fi", "'s", "\u0120\u0120"]
    merges = [("\u0120", "g"), ("\u0120g", "r"), ("\u0120gr", "e"), ("f", "i"), ("'", "s"), ("\u0120", "\u0120")]
    made = Tokenizer(models.BPE({piece: index for index, piece in enumerate(pieces)}, merges))
    made.normalizer = normalizer
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    made.add_special_tokens(SPECIAL_TOKENS)
    made.add_special_tokens([AddedToken("<mask>", lstrip=True, normalized=False)])
    made.add_tokens([AddedToken(content, normalized=True) for content in added])
    return with_ends(made)


def sentence_piece(*steps, splits=()):
    words = [(f"\u2581{word}", -3.0 - 0.01 * i) for i, word in enumerate([*LABEL_WORDS, *OTHER_WORDS])]
    letters = [(c, -6.0 - 0.01 * i) for i, c in enumerate(["\u2581", *CHARACTERS])]
    made = Tokenizer(models.Unigram([*((token, 0.0) for token in SPECIAL_TOKENS), *words, *letters], unk_id=1))
    made.normalizer = normalizers.Sequence(list(steps))
    made.pre_tokenizer = pre_tokenizers.Sequence([*splits, pre_tokenizers.Metaspace(prepend_scheme="always")])
    made.add_special_tokens([AddedToken("[MASK]", lstrip=True, normalized=False), *SPECIAL_TOKENS[:4]])
    return with_ends(made)


def unigram():
    pieces = [*SPECIAL_TOKENS, *LABEL_WORDS, *CHARACTERS]
    return models.Unigram([(piece, -0.1 * index) for index, piece in enumerate(pieces)], unk_id=1)


def plain_words():
    made = Tokenizer(models.WordLevel(vocabulary(), unk_token="[UNK]"))
    made.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    made.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Digits(True)])
    made.add_special_tokens(SPECIAL_TOKENS)
    return with_ends(made)


def albert_like():
    quotes = [normalizers.Replace("``", '"'), normalizers.Replace("''", '"')]
    unaccented = [normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()]
    return sentence_piece(*quotes, *unaccented, splits=[pre_tokenizers.WhitespaceSplit()])


KINDS = {
    "bert uncased": lambda: bert(word_piece()),
    "bert cased": lambda: bert(word_piece(), lowercase=False, strip_accents=False),
    "word-level": plain_words,
    "student unigram": lambda: bert(unigram()),
    "student bpe": lambda: bert(
        models.BPE(vocabulary(), [], unk_token="[UNK]", continuing_subword_prefix="##", fuse_unk=True)
    ),
    "roberta": byte_level,
    "byte-level with a space before": lambda: byte_level(prefix=True),
    "modernbert": lambda: byte_level(normalizer=normalizers.NFC(), added=["|||MAIL|||", "  ", "   "]),
    "albert": albert_like,
    "deberta": lambda: sentence_piece(
        normalizers.Replace(Regex(r"\s{2,}|[\n\r\t]"), " "), normalizers.NFC(), normalizers.Strip(left=False)
    ),
}
# Separators that are none for U+0020, joiners, marks, letters whose case or normal form has a context.
ODD = [*"\x00\x1f\x0c\x85\u2028\u3000\xa0\t\n\u200d\u200b\u0301\u0308\ufffd\ufeff\u202e\u212a\u1fef\u0600\u180e\u2581"]
ODD += ["\u03a3", "\u0130", "\ufb03", "\ufdfa", "\uac01", "\u4e2d", "e\u0301", "a\u0323\u0307", "\u1100\u1161"]
ODD += ["\U0001f469\u200d\U0001f467", "\U0001f1e9\U0001f1ea", "\u05e9\u05dc", "\u0120", "''", "``", "'s", "|||MAIL|||"]
PIECES = [
    *LABEL_WORDS,
    "[MASK]",
    "[SEP]",
    "<mask>",
    "[CLS]x",
    "x[SEP]y",
    "##",
    "##s",
    "unfilms",
    "Great",
    "don't",
    "...",
]
PIECES += ["a" * 40, "3.5", "GREAT", "x<mask>", "[mask]", "<MASK>"]
chunks = st.lists(st.one_of(st.sampled_from(PIECES), st.sampled_from(ODD), st.text(max_size=3)), max_size=4).map(
    "".join
)
spaces = st.sampled_from([" ", " ", " ", " ", "  ", "", "\t", " \u0301", "\u3000 "])
texts = st.lists(st.tuples(chunks, spaces), max_size=24).map(lambda parts: "".join(a + b for a, b in parts))


@pytest.fixture(scope="module")
def tokenizer_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    make_tokenizer(path)
    return path


def spec_of(path):
    return json.loads(path.read_text(encoding="utf-8"))


def cached(tokenizer, max_length, **options):
    tokenizer.enable_truncation(max_length)
    return CachedTokenizer(tokenizer, max_length, chunk_rules(json.loads(tokenizer.to_str()), max_length), **options)


@pytest.mark.parametrize("max_length", [3, 8, 64])
@pytest.mark.parametrize("kind", KINDS)
def test_cached_ids_are_those_of_tokenizers(kind, max_length):
    tokenizer = KINDS[kind]()
    wide = cached(tokenizer, max_length, max_bytes=30_000)
    narrow = cached(tokenizer, max_length, dtype=np.int32)

    @settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
    @given(st.one_of(texts, texts.map(str.strip), st.text(max_size=60)))
    @example("")
    @example("   ")
    @example(" great")
    @example("great ")
    @example("great  film")
    @example("great <mask> film")
    @example("great [MASK]")
    @example("great \u0308film")
    @example("great\x1ffilm \u03a3\u03a3 x")
    @example("film " * 100)
    @example("\u0301 " * 100 + "great")
    @example("a" * 5000)
    def check(text):
        expected = tokenizer.encode(text).ids
        assert wide.ids(text) == expected
        assert wide.ids(text) == expected  # from the cache
        found = narrow.array(text)
        assert (found.dtype, found.tolist()) == (np.int32, [expected])

    check()
    assert len(wide) > 0


@pytest.mark.parametrize("kind", KINDS)
def test_one_word_after_the_other_is_learned(kind):
    """Words of plain text do not fall back: the second text costs lookups alone."""
    tokenizer = KINDS[kind]()
    asked = []

    class Spy:
        model = tokenizer.model

        def encode_batch_fast(self, texts, **options):
            asked.extend(texts)
            return tokenizer.encode_batch_fast(texts, **options)

    tokenizer.enable_truncation(64)
    spied = CachedTokenizer(Spy(), 64, chunk_rules(json.loads(tokenizer.to_str()), 64))
    spied.ids("great film great good")
    assert "great film great good" not in asked
    asked.clear()
    assert spied.ids("great good film") == tokenizer.encode("great good film").ids
    assert asked == []


def test_words_of_ascii_never_ask_the_whole_pipeline(tokenizer_file):
    asked = []
    tokenizer = open_tokenizer(tokenizer_file, 64)

    class Spy:
        model = tokenizer.model

        def encode_batch_fast(self, texts, **options):
            asked.extend(texts)
            return tokenizer.encode_batch_fast(texts, **options)

    spied = CachedTokenizer(Spy(), 64, chunk_rules(spec_of(tokenizer_file), 64))
    assert spied.ids("Great, unfilms! don't") == tokenizer.encode("Great, unfilms! don't").ids
    assert asked == []
    spied.ids("gr\u00e9at x[SEP]y")
    assert asked == ["gr\u00e9at", "x[SEP]y"]


def test_a_text_of_many_odd_chunks_is_tokenized_at_once(tokenizer_file):
    found = cached(open_tokenizer(tokenizer_file, 64), 64)
    odd = [f"{chr(0xE0 + number)}{number}" for number in range(20)]
    found.ids(" ".join(odd))
    assert len(found) == MAX_SLOW_MISSES
    found.ids(" ".join(odd))  # and so on, a few with every text
    assert len(found) == 2 * MAX_SLOW_MISSES


# Memory


def actual_bytes(found):
    table = found._chunks
    return sys.getsizeof(table) + sum(sys.getsizeof(key) + sys.getsizeof(ids) for key, ids in table.items())


@pytest.mark.parametrize("letter", ["a", "\u00e9", "\u4e2d", "\U0001f600"])
@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_odd_texts_cannot_fill_the_memory(tokenizer_file, letter, dtype):
    found = cached(open_tokenizer(tokenizer_file, 64), 64, max_bytes=200_000, dtype=dtype)
    for number in range(4000):
        found.ids(f"{number}{letter} {letter * (number % 40)}x{number}")
        if number % 100 == 0:
            assert actual_bytes(found) <= 200_000
    assert 100_000 < actual_bytes(found) <= 200_000
    assert found.size_bytes == actual_bytes(found)
    full = len(found)
    found.ids("another word")
    assert len(found) == full


def test_long_chunks_are_not_kept(tokenizer_file):
    found = cached(open_tokenizer(tokenizer_file, 64), 64)
    found.ids("x" * MAX_CHUNK_CHARS)
    assert len(found) == 1
    found.ids("x" * (MAX_CHUNK_CHARS + 1))
    assert len(found) == 1


def test_the_cache_goes_back_to_its_mark(tokenizer_file):
    found = cached(open_tokenizer(tokenizer_file, 64), 64)
    found.ids("great film")
    found.mark()
    before = found.size_bytes, found._chunks._left_bytes
    found.ids("awful movie dull fun")
    assert len(found) == 6
    found.reset()
    assert len(found) == 2
    assert found._chunks._left_bytes == before[1]


def test_a_pass_begins_with_the_words_of_the_warm_up_alone(tmp_path):
    session = OnnxSession(make_bundle(tmp_path), 1)
    session.load()
    session.warm_up(["great film"])
    warm = len(session._encoder)
    session.run(["dull movie"])
    assert len(session._encoder) == warm + 2
    session.begin_pass()
    assert len(session._encoder) == warm


# Where it is not used

META = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"normalizer": {"type": "Nmt"}}, "normalizer is Nmt"),
        ({"normalizer": {"type": "Replace", "pattern": {"String": "a"}, "content": "b"}}, "normalizer is Replace"),
        ({"pre_tokenizer": None}, "pre_tokenizer is None"),
        ({"pre_tokenizer": {"type": "CharDelimiterSplit", "delimiter": "-"}}, "pre_tokenizer is CharDelimiterSplit"),
        ({"pre_tokenizer": META | {"split": False}}, "Metaspace has"),
        ({"pre_tokenizer": META | {"prepend_scheme": "never"}}, "Metaspace has"),
        ({"pre_tokenizer": META}, "normalizer is BertNormalizer"),
        ({"model": {"type": "CharBPE"}}, "model is CharBPE"),
        ({"model": {"type": "BPE", "dropout": 0.1}}, "at random"),
        ({"added_tokens": [{"content": "new york"}]}, "looks beyond its chunk"),
        ({"added_tokens": [{"content": "x", "lstrip": True, "normalized": True}]}, "lstrip, normalized"),
        ({"added_tokens": [{"content": "\u00e9", "normalized": True}]}, "normalized"),
        ({"post_processor": None}, "post-processor"),
    ],
)
def test_other_tokenizers_are_not_cached(tokenizer_file, change, reason):
    assert why_not_cacheable(spec_of(tokenizer_file), 64) is None
    assert reason in why_not_cacheable(spec_of(tokenizer_file) | change, 64)


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        ({"type": "Replace", "pattern": {"String": "a"}, "content": "b"}, "normalizer replaces"),
        ({"type": "Replace", "pattern": {"Regex": "."}, "content": "b"}, "normalizer replaces"),
        ({"type": "Replace", "pattern": {"String": "#"}, "content": "+"}, "normalizer makes '\\+' of '#'"),
    ],
)
def test_a_normalizer_that_changes_ascii_is_not_cached(tokenizer_file, step, reason):
    changed = spec_of(tokenizer_file) | {"pre_tokenizer": META, "normalizer": step}
    with pytest.raises(ValueError, match=reason):
        chunk_rules(changed, 64)


def test_too_short_for_a_word_is_not_cached(tokenizer_file):
    assert why_not_cacheable(spec_of(tokenizer_file), 2) == "max_length is 2"


def test_the_cache_is_used_only_where_it_is_allowed(tokenizer_file, tmp_path):
    assert isinstance(open_encoder(tokenizer_file, 64), CachedTokenizer)
    assert isinstance(open_encoder(tokenizer_file, 64, cached=False), PlainTokenizer)
    spec = spec_of(tokenizer_file)
    spec["normalizer"] = {"type": "Nmt"}
    (tmp_path / "tokenizer.json").write_text(json.dumps(spec), encoding="utf-8")
    other = open_encoder(tmp_path / "tokenizer.json", 64, dtype=np.int32)
    assert isinstance(other, PlainTokenizer)
    expected = [vocabulary()[t] for t in ("[CLS]", "great", "[SEP]")]
    assert other.ids("great") == expected
    assert (other.array("great").dtype, other.array("great").tolist()) == (np.int32, [expected])


def test_padding_of_the_file_is_taken_over(tokenizer_file, tmp_path):
    assert pad_id(tokenizer_file) == vocabulary()["[PAD]"]
    spec = spec_of(tokenizer_file) | {"padding": {"pad_id": 7}}
    (tmp_path / "tokenizer.json").write_text(json.dumps(spec), encoding="utf-8")
    assert pad_id(tmp_path / "tokenizer.json") == 7
