"""A smaller vocabulary: which tokens stay, and texts whose tokens all stay are read as before."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")

from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from edgekd.compress.token_choice import choose_tokens
from edgekd.compress.tokenizer_json import kind_of
from edgekd.compress.vocabulary import rebuild_tokenizer
from edgekd.errors import ConfigError, InvalidArtifact, NotApplicable

SPECIAL = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
LETTERS = "abcd"
QUICK = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])


def wrap(model, pre_tokenizer=None, *, post_processor=None):
    """Return a tokenizer of a model whose vocabulary begins with the special tokens."""
    backend = Tokenizer(model)
    backend.pre_tokenizer = pre_tokenizer or pre_tokenizers.Whitespace()
    backend.add_special_tokens(list(SPECIAL.values()))
    ids = {token: backend.token_to_id(token) for token in SPECIAL.values()}
    backend.post_processor = post_processor or processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[(token, ids[token]) for token in ("[CLS]", "[SEP]")]
    )
    return PreTrainedTokenizerFast(tokenizer_object=backend, **SPECIAL)


def numbered(tokens):
    return {token: index for index, token in enumerate(dict.fromkeys([*SPECIAL.values(), *tokens]))}


pieces = st.lists(st.text(LETTERS, min_size=2, max_size=5), max_size=25)
words = st.lists(st.text(LETTERS + "z", min_size=1, max_size=8), min_size=1, max_size=6).map(" ".join)  # z: unknown
texts = st.lists(words, min_size=1, max_size=6)


@st.composite
def wordpieces(draw):
    inner = [f"##{token}" for token in [*LETTERS, *draw(pieces)]]
    return wrap(models.WordPiece(numbered([*LETTERS, *draw(pieces), *inner]), unk_token="[UNK]"))


@st.composite
def bpes(draw):
    """Merges at random, so that a token can be merged in several ways, from tokens that are merged themselves."""
    mark, end = draw(st.sampled_from([("", ""), ("##", ""), ("", "</w>")]))
    tokens = [f"{a}{c}{b}" for c in LETTERS for a, b in {("", ""), (mark, ""), ("", end), (mark, end)}]
    merges = []
    for _ in range(draw(st.integers(0, 25))):
        first, second = draw(st.sampled_from(tokens)), draw(st.sampled_from(tokens))
        ends_early = end and first.endswith(end)
        if not ends_early and second.startswith(mark) and (first, second) not in merges and len(first + second) < 14:
            merges.append((first, second))
            tokens.append(first + second[len(mark) :])
    options = {"continuing_subword_prefix": mark} if mark else {"end_of_word_suffix": end} if end else {}
    whole = draw(st.booleans())
    model = models.BPE(numbered(tokens), merges, unk_token="[UNK]", fuse_unk=True, ignore_merges=whole, **options)
    return wrap(model)


@st.composite
def unigrams(draw):
    """Few different scores, so that ways to split a word tie; some characters are no token."""
    known = draw(st.sets(st.sampled_from(LETTERS)))
    tokens = dict.fromkeys(["▁", *known, *draw(pieces), *(f"▁{piece}" for piece in draw(pieces))])
    scores = st.sampled_from([-1.0, -2.0, -3.0, -4.5, -30.0])
    vocab = [*((token, 0.0) for token in SPECIAL.values()), *((token, draw(scores)) for token in tokens)]
    return wrap(models.Unigram(vocab, unk_id=1), pre_tokenizers.Metaspace())


@st.composite
def wordlevels(draw):
    return wrap(models.WordLevel(numbered([*LETTERS, *draw(pieces)]), unk_token="[UNK]"))


kinds = {"WordPiece": wordpieces(), "BPE": bpes(), "Unigram": unigrams(), "WordLevel": wordlevels()}


def ids_of(tokenizer, text):
    return tokenizer.backend_tokenizer.encode(text).ids


def shrink(tokenizer, seen, **options):
    counts = Counter(index for text in seen for index in ids_of(tokenizer, text))
    kept = choose_tokens(tokenizer, counts, **options)
    new_id = {index: rank for rank, index in enumerate(kept)}
    return rebuild_tokenizer(tokenizer, new_id), new_id


@pytest.mark.parametrize("kind", kinds)
@QUICK
@given(st.data())
def test_texts_whose_tokens_all_stay_are_read_as_before(kind, data):
    tokenizer = data.draw(kinds[kind])
    seen, others = data.draw(texts), data.draw(texts)
    min_count, characters = data.draw(st.integers(1, 3)), data.draw(st.sampled_from(["all", "seen"]))
    smaller, new_id = shrink(tokenizer, seen, min_count=min_count, characters=characters)
    for text in [*seen, *others]:
        old = ids_of(tokenizer, text)
        if all(index in new_id for index in old):
            assert ids_of(smaller, text) == [new_id[index] for index in old]
        else:
            assert min_count > 1 or text not in seen
            if kind in ("WordPiece", "BPE") and characters == "all" and "z" not in text:
                assert "[UNK]" not in smaller.tokenize(text)


@pytest.mark.parametrize("kind", kinds)
@QUICK
@given(st.data())
def test_tokens_keep_their_order_and_their_size(kind, data):
    tokenizer, seen = data.draw(kinds[kind]), data.draw(texts)
    least = len(choose_tokens(tokenizer, Counter()))
    size = least + data.draw(st.integers(0, 10))
    smaller, new_id = shrink(tokenizer, seen, size=size)
    assert least <= len(smaller) <= size
    assert list(new_id) == sorted(new_id)
    old = {index: token for token, index in tokenizer.get_vocab().items()}
    assert smaller.get_vocab() == {old[index]: rank for index, rank in new_id.items()}


def wordpiece():
    """Ids: 0-3 special, 4-7 letters, 8-11 inner letters, then ab, abc, ##cd, bad."""
    inner = [f"##{letter}" for letter in LETTERS]
    return wrap(models.WordPiece(numbered([*LETTERS, *inner, "ab", "abc", "##cd", "bad"]), unk_token="[UNK]"))


def test_frequent_tokens_stay_and_ties_go_to_the_smaller_id():
    always = list(range(12))
    counts = Counter({12: 1, 13: 5, 14: 2, 15: 2})
    assert choose_tokens(wordpiece(), Counter()) == always
    assert choose_tokens(wordpiece(), counts) == [*always, 12, 13, 14, 15]
    assert choose_tokens(wordpiece(), counts, min_count=2) == [*always, 13, 14, 15]
    assert choose_tokens(wordpiece(), counts, size=14) == [*always, 13, 14]
    assert choose_tokens(wordpiece(), Counter(), also=[15]) == [*always, 15]


def test_a_word_whose_token_went_is_spelled():
    smaller, _ = shrink(wordpiece(), ["abc", "bad ab"], size=14)
    assert wordpiece().tokenize("abcd bad") == ["abc", "##d", "bad"]
    assert smaller.tokenize("abcd bad") == ["abc", "##d", "b", "##a", "##d"]


def test_a_size_below_the_characters_is_refused_with_their_number():
    with pytest.raises(ConfigError, match="11 tokens is too small: the 12 special tokens"):
        choose_tokens(wordpiece(), Counter(), size=11)


def test_what_a_merge_needs_stays_in_every_way_it_can_be_merged():
    """abc comes from ab + c or a + bc; d + d is of no use."""
    vocab = numbered([*LETTERS, "ab", "bc", "abc", "dd"])
    merges = [("a", "b"), ("b", "c"), ("ab", "c"), ("a", "bc"), ("d", "d")]
    tokenizer = wrap(models.BPE(vocab, merges, unk_token="[UNK]"))
    smaller, _ = shrink(tokenizer, ["abc"])
    assert set(vocab) - set(smaller.get_vocab()) == {"dd"}
    assert smaller.tokenize("abc bc ab dd") == ["abc", "bc", "ab", "d", "d"]


def test_a_token_of_bpe_that_does_not_fit_with_its_parts_makes_room_for_one_that_does():
    vocab = numbered([*LETTERS, "ab", "abc", "dd"])
    tokenizer = wrap(models.BPE(vocab, [("a", "b"), ("ab", "c"), ("d", "d")], unk_token="[UNK]"))
    kept = choose_tokens(tokenizer, Counter({vocab["abc"]: 9, vocab["dd"]: 1}), size=9)
    assert set(vocab.values()) - set(kept) == {vocab["ab"], vocab["abc"]}


def test_bytes_of_byte_level_bpe_all_stay():
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = numbered([*alphabet, "Ġa", "th", "the"])
    model = models.BPE(vocab, [("Ġ", "a"), ("t", "h"), ("th", "e")])
    tokenizer = wrap(model, pre_tokenizers.ByteLevel(add_prefix_space=False))
    smaller, _ = shrink(tokenizer, ["the"])
    assert set(vocab) - set(smaller.get_vocab()) == {"Ġa"}
    assert smaller.backend_tokenizer.encode("日 a the").tokens[1:-1] == ["æ", "Ĺ", "¥", "Ġ", "a", "Ġ", "the"]


def test_byte_fallback_stays():
    tokens = [f"<0x{value:02X}>" for value in range(256)]
    tokenizer = wrap(models.BPE(numbered([*tokens, "a", "b", "ab"]), [("a", "b")], byte_fallback=True))
    smaller, _ = shrink(tokenizer, ["a"])
    assert set(tokenizer.get_vocab()) - set(smaller.get_vocab()) == {"ab"}
    assert smaller.tokenize("é") == ["<0xC3>", "<0xA9>"]


def test_the_lowest_score_stays_because_unknown_characters_are_judged_by_it():
    """xy + zw costs 60; an unknown x and yzw cost 50 + 10 + 1. With a lowest score of -30 it would be 30 + 10 + 1."""
    scores = {"xy": -30.0, "zw": -30.0, "yzw": -1.0, "never": -50.0}
    tokenizer = wrap(models.Unigram([*((token, 0.0) for token in SPECIAL.values()), *scores.items()], unk_id=1))
    assert tokenizer.tokenize("xyzw") == ["xy", "zw"]
    smaller, new_id = shrink(tokenizer, ["xyzw yzw"])
    assert smaller.tokenize("xyzw") == ["xy", "zw"]
    assert len(smaller) == len(tokenizer)
    del new_id[7]
    assert rebuild_tokenizer(tokenizer, new_id).tokenize("xyzw") == ["x", "yzw"]


def test_characters_that_bert_never_lets_through_go():
    """Chinese characters and signs never continue a word; capitals and accents are gone before."""
    tokens = ["a", "é", "E", "日", "!", "я", "##a", "##é", "##E", "##日", "##!", "##я", "##", "#", "###"]
    tokenizer = wrap(models.WordPiece(numbered(tokens), unk_token="[UNK]"), pre_tokenizers.BertPreTokenizer())
    tokenizer.backend_tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    kept = choose_tokens(tokenizer, Counter())
    names = tokenizer.convert_ids_to_tokens(kept)
    assert names[4:] == ["a", "日", "!", "я", "##a", "##я", "#"]


def test_only_seen_characters_stay_if_asked_for_in_all_their_places():
    tokenizer = wordpiece()
    counts = Counter(ids_of(tokenizer, "ab z"))
    kept = choose_tokens(tokenizer, counts, characters="seen")
    assert tokenizer.convert_ids_to_tokens(kept) == [*SPECIAL.values(), "a", "b", "##a", "##b", "ab"]
    smaller, _ = shrink(tokenizer, ["ab z"], characters="seen")
    assert smaller.tokenize("ab ba ac") == ["ab", "b", "##a", "[UNK]"]


def test_characters_that_were_not_seen_stay_where_nothing_can_be_unknown():
    tokenizer = wrap(models.BPE(numbered(["a", "b", "ab"]), [("a", "b")]))
    assert len(choose_tokens(tokenizer, Counter(ids_of(tokenizer, "a")), characters="seen")) == len(tokenizer) - 1


@pytest.mark.parametrize(
    "processor",
    [
        processors.BertProcessing(("[SEP]", 5), ("[CLS]", 4)),
        processors.RobertaProcessing(("[SEP]", 5), ("[CLS]", 4)),
        processors.Sequence(
            [processors.ByteLevel(), processors.TemplateProcessing(single="[CLS] $A", special_tokens=[("[CLS]", 4)])]
        ),
    ],
    ids=["BERT", "RoBERTa", "sequence"],
)
def test_every_template_and_the_padding_get_new_ids(processor):
    vocab = {token: index for index, token in enumerate(["gone", "a", *SPECIAL.values()])}
    tokenizer = wrap(models.WordPiece(vocab, unk_token="[UNK]"), post_processor=processor)
    tokenizer.backend_tokenizer.enable_padding(pad_id=2, pad_token="[PAD]", length=4)
    before = ids_of(tokenizer, "a")
    assert (before[0], before[-1]) == (4, 2)
    smaller, _ = shrink(tokenizer, ["a"])
    assert set(vocab) - set(smaller.get_vocab()) == {"gone"}
    assert ids_of(smaller, "a") == [index - 1 for index in before]


def test_a_seen_added_token_stays_and_another_goes():
    tokenizer = wordpiece()
    tokenizer.add_tokens(["<x>", "<y>"])
    smaller, new_id = shrink(tokenizer, ["ab <y>"])
    assert smaller.tokenize("ab <y> <x>") == ["ab", "<y>", "[UNK]", "[UNK]", "[UNK]"]
    assert smaller.convert_tokens_to_ids("<y>") == new_id[17] == len(smaller) - 1


def test_settings_and_special_tokens_stay():
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=wordpiece().backend_tokenizer,
        model_max_length=77,
        padding_side="left",
        truncation_side="left",
        model_input_names=["input_ids"],
        extra_special_tokens=["bad"],
        mask_token=AddedToken("abc", lstrip=True),
        **SPECIAL,
    )
    smaller, _ = shrink(tokenizer, [""])
    for name in ("model_max_length", "padding_side", "truncation_side", "model_input_names", "extra_special_tokens",
                 "special_tokens_map"):  # fmt: skip
        assert getattr(smaller, name) == getattr(tokenizer, name)
    assert set(tokenizer.get_vocab()) - set(smaller.get_vocab()) == {"ab", "##cd"}
    assert [token.lstrip for token in smaller.added_tokens_decoder.values() if token.content == "abc"] == [True]


def test_an_unknown_kind_does_not_shrink():
    with pytest.raises(NotApplicable, match="the tokenizer is Morse, known are WordPiece"):
        kind_of({"model": {"type": "Morse"}})
    with pytest.raises(NotApplicable, match="post-processor is Envelope"):
        kind_of(
            {"model": {"type": "BPE"}, "post_processor": {"type": "Sequence", "processors": [{"type": "Envelope"}]}}
        )


def test_ids_that_cannot_keep_their_order_are_refused():
    """An added token is always numbered after those of the model, so it cannot have an id between two of them."""
    vocab = numbered(LETTERS)
    vocab["d"] = 9
    tokenizer = wrap(models.WordLevel(vocab, unk_token="[UNK]"))
    tokenizer.add_tokens(["<x>"])
    assert tokenizer.convert_tokens_to_ids("<x>") == 8
    with pytest.raises(InvalidArtifact, match="cannot be numbered in their order"):
        shrink(tokenizer, ["a d <x>"])
