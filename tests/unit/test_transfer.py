"""Transfer texts: what is made, from which seed, and that nothing leaks from what models are scored on."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekd.config import TransferConfig, TransferMix
from edgekd.data.augment import AUGMENTATIONS, augment
from edgekd.data.splits import normalise
from edgekd.data.transfer import NOT_MADE, Transfer, transfer_texts
from edgekd.data.types import Examples, TextData
from edgekd.errors import ConfigError
from edgekd.tasks import Task, TaskKind

MASK = "[MASK]"
TEN = [" ".join(f"w{row}x{word}" for word in range(10)) for row in range(200)]
ALL_WAYS = TransferMix(spans=1, masking=1, ngrams=1)


def data(train: list[str], validation=(), test=(), unlabelled=(), evaluate=()) -> TextData:
    task = Task(TaskKind.SINGLE_LABEL, ("no", "yes"))
    parts = [Examples(list(part), [0] * len(part)) for part in (train, validation, test, evaluate)]
    return TextData("toy", task, *parts[:3], list(unlabelled), [], {"other": parts[3]} if evaluate else {})


def make(name: str, text: str, mean: float, **config) -> list[str]:
    return augment(name, text, mean, TransferConfig(**config), mask_token=MASK)[1]


def reasons(made: Transfer) -> dict[tuple[str, str], int]:
    return {(item.split, item.reason): item.count for item in made.dropped}


def is_part(part: list[str], words: list[str]) -> bool:
    return any(words[start : start + len(part)] == part for start in range(len(words)))


def test_spans_are_contiguous_and_shorter_than_the_text():
    words = TEN[0].split()
    found = [text.split() for text in make("spans", TEN[0], 30, min_words=3)]
    assert len(found) == 30  # of 8 + 7 + ... + 2 = 35 that there are
    assert all(is_part(part, words) for part in found)
    assert {len(part) for part in found} == set(range(3, 10))


def test_ngrams_have_one_to_five_words():
    found = [text.split() for text in make("ngrams", TEN[0], 35)]
    assert all(is_part(part, TEN[0].split()) for part in found)
    assert {len(part) for part in found} == {1, 2, 3, 4, 5}
    assert {len(text.split()) for text in make("ngrams", "a b c", 5)} == {1, 2}


def test_masking_replaces_some_words_and_keeps_the_order():
    words = TEN[0].split()
    found = make("masking", TEN[0], 400, mask_share=0.15)
    counts = []
    for text in found:
        new = text.split()
        assert all(a in (b, MASK) for a, b in zip(new, words, strict=True))
        counts.append(new.count(MASK))
    assert min(counts) >= 1
    assert max(counts) < 10


def test_masking_masks_the_given_share_and_at_least_one():
    config = TransferConfig(mask_share=0.15)
    maker = AUGMENTATIONS["masking"](TEN[0].split(), config, MASK, {})
    assert maker is not None
    generator = random.Random(0)
    mean = sum(maker(generator).split().count(MASK) for _ in range(4000)) / 4000
    # Binomial(10, 0.15) has mean 1.5; none (0.85**10 = 0.197) counts as one. Its deviation is about 1: four of 0.016.
    assert mean == pytest.approx(1.697, abs=0.065)


def test_two_words_are_never_masked_both():
    assert set(make("masking", "a b", 2, mask_share=0.99)) == {f"{MASK} b", f"a {MASK}"}


def test_a_text_with_mask_tokens_is_not_made_again():
    assert set(make("masking", f"{MASK} a", 2)) == {f"{MASK} {MASK}"}


@pytest.mark.parametrize(
    ("name", "text"),
    [("spans", ""), ("spans", "one"), ("spans", "one two"), ("masking", "one"), ("ngrams", "one"), ("ngrams", "")],
)
def test_too_short_a_text_makes_none_and_says_what_was_wanted(name, text):
    assert augment(name, text, 9, TransferConfig(), mask_token=MASK) == (9, [])


def test_fractional_amount_holds_on_average():
    count = sum(len(make("spans", text, 1.5)) for text in TEN)
    assert 270 < count < 330  # 300 expected; four standard deviations are 28


@pytest.mark.parametrize("name", AUGMENTATIONS)
@given(text=st.lists(st.sampled_from("abc"), max_size=8).map(" ".join), mean=st.floats(0, 12), seed=st.integers(0, 3))
def test_what_is_made_differs_and_is_never_the_text_itself(name, text, mean, seed):
    wanted, made = augment(name, text, mean, TransferConfig(seed=seed), mask_token=MASK)
    assert len(made) <= wanted <= mean + 1
    assert len({*made, text}) == len(made) + 1
    assert (wanted, made) == augment(name, text, mean, TransferConfig(seed=seed), mask_token=MASK)


def test_amount_is_a_multiple_of_the_training_texts_divided_by_the_mix():
    mix = TransferMix(spans=2, masking=1, ngrams=1)
    made = transfer_texts(data(TEN), TransferConfig(amount=8, mix=mix))
    assert made.origins == {"spans": 800, "masking": 400, "ngrams": 400}
    assert len(made.texts) == 1600
    assert made.dropped == []


def test_more_than_can_be_made_is_reported():
    made = transfer_texts(data(["a b c", "a b d"], unlabelled=["u v w"]), TransferConfig(amount=3))
    assert made.texts == ["u v w", *made.texts[1:]]
    assert {normalise(text) for text in made.texts[1:]} == {"a b", "b c", "b d"}
    assert reasons(made) == {("spans", NOT_MADE): 3}  # six were wanted: "a b" comes twice, and there are no others
    assert made.origins == {"unlabelled": 1, "spans": 3}


def test_unlabelled_texts_can_be_augmented_too():
    given_data = data(TEN[:50], unlabelled=TEN[50:])
    without = transfer_texts(given_data, TransferConfig(amount=2))
    assert without.origins == {"unlabelled": 150, "spans": 100}
    both = transfer_texts(given_data, TransferConfig(amount=2, augment_unlabelled=True))
    assert both.origins == {"unlabelled": 150, "spans": 400}
    assert both.texts[:250] == without.texts


@pytest.mark.parametrize("mix", [TransferMix(), ALL_WAYS])
def test_adding_texts_changes_no_others(mix):
    config = TransferConfig(amount=4, mix=mix)
    first = transfer_texts(data(TEN[:100]), config).texts
    assert first == transfer_texts(data(TEN[:100]), config).texts
    assert transfer_texts(data(TEN), config).texts[: len(first)] == first
    assert set(first) <= set(transfer_texts(data(TEN[::-1]), config).texts)
    assert first != transfer_texts(data(TEN[:100]), TransferConfig(amount=4, mix=mix, seed=1)).texts


def test_every_process_makes_the_same():
    code = (
        "from edgekd.config import TransferConfig\nfrom edgekd.data.augment import augment\n"
        "print(augment('spans', 'a b c d e f', 3, TransferConfig(), mask_token=''))"
    )
    done = [
        subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True, env={"PYTHONHASHSEED": s}
        )
        for s in ("1", "2")
    ]
    assert (
        done[0].stdout == done[1].stdout == f"{augment('spans', 'a b c d e f', 3, TransferConfig(), mask_token='')}\n"
    )


def test_unlabelled_texts_come_first_and_can_be_left_out():
    given_data = data(["a b c d"], unlabelled=["u v", "U  V", "a B c d", "x y"])
    assert transfer_texts(given_data, TransferConfig()).texts[:2] == ["u v", "x y"]
    without = transfer_texts(given_data, TransferConfig(unlabelled=False))
    assert without.texts
    assert not {"u v", "x y"} & set(without.texts)
    assert transfer_texts(given_data, TransferConfig(amount=0)).texts == ["u v", "x y"]


def test_leaks_are_left_out_and_reported_by_origin_and_split():
    given_data = data(
        ["A b c"],
        validation=["b C"],
        test=["seen  in test"],
        unlabelled=["Seen in TEST", "other", "new"],
        evaluate=["OTHER"],
    )
    made = transfer_texts(given_data, TransferConfig(amount=2))
    assert made.texts == ["new", "A b"]
    assert reasons(made) == {
        ("unlabelled", "also in test"): 1,
        ("unlabelled", "also in other"): 1,
        ("spans", "also in validation"): 1,
    }
    assert next(item.examples for item in made.dropped if item.reason == "also in test") == ["Seen in TEST"]


def test_masking_without_a_mask_token_and_a_mix_of_nothing_are_errors():
    with pytest.raises(ConfigError, match=r"masking is set, but the teacher's tokenizer has no mask token"):
        transfer_texts(data(TEN), TransferConfig(mix=ALL_WAYS), mask_token=None)
    nothing = TransferMix(spans=0)
    with pytest.raises(ConfigError, match=r"every share in transfer\.mix is 0"):
        transfer_texts(data(TEN), TransferConfig(mix=nothing))
    assert transfer_texts(data(TEN), TransferConfig(amount=0, mix=nothing), mask_token=None).texts == []
    assert len(transfer_texts(data(TEN), TransferConfig(amount=1), mask_token=None).texts) == 200


words = st.lists(st.sampled_from(["a", "B", "b", "c"]), min_size=1, max_size=6).map(" ".join)


@settings(max_examples=60)
@given(*[st.lists(words, max_size=6)] * 5)
def test_no_transfer_text_leaks_or_repeats(train, validation, test, unlabelled, evaluate):
    config = TransferConfig(mix=ALL_WAYS, augment_unlabelled=True)
    made = transfer_texts(data(train, validation, test, unlabelled, evaluate), config)
    keys = [normalise(text) for text in made.texts]
    assert len(set(keys)) == len(keys) == sum(made.origins.values())
    assert not set(keys) & {normalise(text) for text in [*train, *validation, *test, *evaluate]}
